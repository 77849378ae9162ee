from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from every import cases
from typer.testing import CliRunner

from cfedge.cli import app
from cfedge.errors import DataError, TaskError, UsageError
from cfedge.train.examples.data import load
from cfedge.train.examples.data_check import check
from cfedge.train.examples.examples import split_held_out
from cfedge.train.examples.labels import check_classes
from cfedge.train.examples.rows import Columns

GOOD = "text,label\nit is cold,heat\nvery cold,heat\nopen it,door\nshut it,door\n"


def written(path: Path, content: str) -> Path:
    path.write_text(content, "utf-8")
    return path


@cases(
    ("rows", "expected"),
    [
        ("It is  COLD,door\n", "lines 2 and 6: expected one label of the text 'it is cold', found"),
        ("a,Heat\nb,Heat\n", "expected labels that look different, found 'heat' (2 rows) and 'Heat'"),
        ("a,he\u200bat\nb,he\u200bat\n", "lines 6 and 7: expected labels that look different, found"),
        ("a,\uff48eat\nb,\uff48eat\n", "found 'heat' (2 rows) and '\\uff48eat' (2 rows); make them"),
        ("nan,heat\n", "line 6: expected a text, found 'nan', which programs write"),
        ("a,None\nb,None\n", "lines 6 and 7: expected a label, found 'None', which programs write"),
        ("a,heat;door\nb,heat;door\n", "found 'heat;door', which is 'heat' and 'door'; an input has"),
        ("a,\x1b[1m\nb,\x1b[1m\n", "lines 6 and 7: expected labels of printable characters, found '\\x1b"),
        (f"a,{'x' * 201}\nb,{'x' * 201}\n", "expected labels of at most 200 characters, found 201"),
        ("a,7\nb,7\nc,007\nd,007\n", "lines 8 and 9: expected labels that look different, found"),
        ("un caf\u00c3\u00a9,heat\n", "line 6: expected letters as they are written, found 'un caf"),
        ("a,0.0\nb,0\nc,-0.0\nd,-0\n", "expected labels that look different, found '0.0' (1 row) and"),
        ("a,rare\n", "line 6: expected at least 2 different texts of each label (one to learn, one held out), found that 'rare' has 1;"),
        ("a,heatt\n", "found that 'heatt' (did you mean 'heat'?) has 1; add examples"),
        (",heat\n,door\n", "lines 6 and 7: expected a text, found ''; fill it in or remove the row"),
        ("a,heat,b\n", "line 6: expected 2 columns, found 3; put cells that hold commas in double"),
    ],
)  # fmt: skip
def test_a_fault_is_named_with_its_lines_and_what_to_do(
    tmp_path: Path, rows: str, expected: str
) -> None:
    path = written(tmp_path / "x.csv", GOOD + rows)
    (fault,) = check(path).faults
    assert expected in str(fault)
    assert str(fault).startswith(f"{path}, line")
    assert "; " in fault.found


def test_good_data_have_no_fault_and_what_no_line_alone_shows_is_told(tmp_path: Path) -> None:
    found = check(written(tmp_path / "x.csv", GOOD))
    assert (found.rows, found.classes, found.faults) == (4, {"door": 2, "heat": 2}, ())
    assert found.notes == ()
    several = "a,heat;wet\nb,heat;wet\nc,door;wet\nd,door;wet\ne,hot/wet\nf,hot/wet\n"
    faults = [str(fault) for fault in check(written(tmp_path / "x.csv", GOOD + several)).faults]
    assert len(faults) == 2
    assert all(
        f"which is {label!r} and 'wet'" in one
        for label, one in zip(("heat", "door"), faults, strict=True)
    )
    numbers = "text,label\n" + "".join(f"text {row},0.{row + 10}\n" for row in range(12))
    (fault,) = check(written(tmp_path / "numbers.csv", numbers)).faults
    assert "expected labels that several texts share, found 12 different ones in 12 rows" in str(
        fault
    )
    with pytest.raises(DataError, match="found 12 different ones in 12 rows; name the column"):
        split_held_out(load(tmp_path / "numbers.csv").train, 0.2, np.random.default_rng(0))
    (fault,) = check(written(tmp_path / "few.csv", GOOD + "Total,6\n")).faults
    assert "add examples, or remove rows that are none" in str(fault)
    often = "".join(f"{'ab' * row} {row},heat\n" for row in range(300))
    found = check(written(tmp_path / "often.csv", GOOD + often))
    assert found.faults == ()
    assert (
        f"labels of {tmp_path / 'often.csv'} with few rows beside the 302 of 'heat': 'door' (2)"
        in found.notes[0]
    )
    for name, rows in (
        ("part-0001-c0.csv", "a,heat\nb,heat\n"),
        ("part-0002-c0.csv", "c,door\nd,door\n"),
    ):
        (tmp_path / "parts").mkdir(exist_ok=True)
        written(tmp_path / "parts" / name, f"text,label\n{rows}")
    assert load(tmp_path / "parts").train.classes == ("door", "heat")
    assert (check(tmp_path / "parts").tasks, check(tmp_path / "parts").faults) == ({}, ())


def test_all_faults_of_all_files_are_listed_at_once(tmp_path: Path) -> None:
    written(tmp_path / "train.csv", GOOD + "nan,heat\n,door\nit is cold,door\n")
    written(tmp_path / "test.jsonl", '{"text": "a", "label": "heat"}\n{"text": 3}\n[]\n')
    written(tmp_path / "validation.csv", "a;b\n1;2\n")
    found = [str(fault) for fault in check(tmp_path).faults]
    assert len(found) == 6
    assert [line for line in found if "validation.csv: expected the columns" in line]
    assert sum("train.csv, line" in line for line in found) == 3
    assert sum("test.jsonl, line" in line for line in found) == 2


def test_a_column_of_files_is_told_by_most_of_its_first_cells(tmp_path: Path) -> None:
    photo = Columns("photo", "label")
    for names, found in (
        (
            "my cat 1.png,my cat 2.JPG,,my dog.png",
            "expected a picture, found no file 'my cat 1.png'",
        ),
        (
            "my cat 1.npy,my cat 2.npy,my dog 1.npy,x.npy",
            "expected an array, found no file 'my cat",
        ),
    ):
        rows = [f"{name},{label}" for name, label in zip(names.split(","), "aabb", strict=True)]
        faults = check(written(tmp_path / "t.csv", "\n".join(["photo,label", *rows])), photo).faults
        assert found in str(faults[0])
    texts = [f"{one} look.png,a\n{one} here,a\n{one} this,b\n{one} there,b" for one in ("x",)]
    assert check(written(tmp_path / "t.csv", "photo,label\n" + texts[0]), photo).faults == ()


def test_splits_and_groups_that_do_not_fit_are_faults(tmp_path: Path) -> None:
    train = written(tmp_path / "train.csv", GOOD)
    for split in ("test", "validation"):
        other = written(tmp_path / f"{split}.csv", "text,label\na,heat\nb,wet\nc,Door\n")
        assert [str(fault) for fault in check(tmp_path).faults] == [
            f"{other}, line 3: expected labels of the training data, found 'wet'; remove it or add"
            " examples",
            f"{other}, line 4: expected labels of the training data, found 'Door'; write it as"
            " 'door'",
        ]
        other.unlink()
    written(tmp_path / "test.csv", GOOD)
    written(train, GOOD + "alone,rare\n")
    assert "found that 'rare' has 1" in str(check(tmp_path).faults[0])
    train.unlink()
    (fault,) = check(tmp_path).faults
    assert "expected data to learn from, called train, found test;" in fault.found

    who, path = Columns(group="who"), tmp_path / "groups.csv"
    rows = [line.split(",") for line in GOOD.splitlines()[1:]]
    for persons, found in (
        ("aabc", "found 1 with 'heat';"),
        ("aabb", "found 1 with 'door' and 1 with 'heat';"),
        ("abab", ""),
    ):
        cells = (",".join([*row, one]) for row, one in zip(rows, persons, strict=True))
        written(path, "\n".join(["text,label,who", *cells]))
        assert [found in fault.found for fault in check(path, who).faults] == [True] * bool(found)
        if found:
            with pytest.raises(DataError, match=found):
                split_held_out(load(path, who).train, 0.2, np.random.default_rng(0))
    path.rename(train)
    written(tmp_path / "test.csv", GOOD)  # nothing is held out of it: it needs no groups
    assert (check(tmp_path, who).faults, len(load(tmp_path, who).train.groups)) == ((), 4)
    train.rename(path)
    done = CliRunner().invoke(app, ["check", str(path), "--group-column", "whom"])
    assert "--group-column who" in done.stdout
    for label in ("red", "blue"):
        (tmp_path / "files" / label).mkdir(parents=True)
        for one in "ab":
            written(tmp_path / "files" / label / f"{one}.txt", f"{label} {one}")
    for look in (check, load):
        with pytest.raises(DataError, match="a column 'who' that says what belongs together"):
            look(tmp_path / "files", who)


def test_a_folder_of_tasks_is_looked_at_task_by_task(tmp_path: Path) -> None:
    written(tmp_path / "README.md", "two tasks")
    written(tmp_path / "one.csv", GOOD)
    written(tmp_path / "two.csv", GOOD + "a,\n")
    found = check(tmp_path)
    assert found.rows == 8
    assert found.tasks == {key: {"door": 2, "heat": 2} for key in ("one", "two")}
    assert check(tmp_path / "one.csv").tasks == {}
    (fault,) = found.faults
    assert "two.csv, line 6: expected a label" in str(fault)
    written(tmp_path / "two.csv", GOOD)
    shown = CliRunner().invoke(app, ["check", str(tmp_path)]).stdout.splitlines()
    assert shown == [
        "one: 4 rows of 2 classes (door 2, heat 2)",
        "two: 4 rows of 2 classes (door 2, heat 2)",
        f"{tmp_path}: 2 tasks, 8 rows; no faults",
    ]
    said = CliRunner().invoke(app, ["check", str(tmp_path), "--json"]).stdout
    assert [*json.loads(said)["tasks"]] == ["one", "two"]
    with pytest.raises(DataError, match="found nothing; check the path"):
        check(tmp_path / "three.csv")


def test_the_command_lists_the_faults_and_ends_with_the_code_of_data(tmp_path: Path) -> None:
    bad = written(tmp_path / "bad.csv", GOOD.replace(",", ";") + "nan;heat\n")
    done = CliRunner().invoke(app, ["check", str(bad)])
    assert done.exit_code == DataError.exit_code
    assert done.stderr.splitlines()[-1] == f"{bad}: 1 fault"
    assert "bad.csv, line 6: expected a text, found 'nan'" in done.stdout
    assert "note: bad.csv was read as separated by semicolons" in done.stderr
    done = CliRunner().invoke(app, ["check", str(bad), "--json"])
    assert done.exit_code == DataError.exit_code
    found = json.loads(done.stdout)
    assert found["rows"] == 5
    assert [one["where"] for one in found["faults"]] == [f"{bad}, line 6"]
    done = CliRunner().invoke(app, ["check", str(written(tmp_path / "good.csv", GOOD))])
    assert done.exit_code == 0
    assert "4 rows of 2 classes (door 2, heat 2); no faults" in done.stdout
    one = written(tmp_path / "one.csv", "text,label\na,heat\n")
    assert "1 row of 1 class (heat 1)\n" in CliRunner().invoke(app, ["check", str(one)]).stdout


def test_texts_of_several_labels_are_learned_and_told(tmp_path: Path) -> None:
    path = written(tmp_path / "x.csv", GOOD + "IT is cold,door\nvery cold,door\n")
    (note,) = load(path).notes
    assert note.startswith(
        "2 texts carry several labels; the first is 'it is cold' ('heat' and 'door', lines 2 and 6)"
    )
    assert "never held out" in note


def test_what_is_doubtful_is_told_where_it_is_learned(tmp_path: Path) -> None:
    assert load(written(tmp_path / "x.csv", GOOD)).notes == ()
    path = written(tmp_path / "x.csv", GOOD + "a,#REF!\nb,#REF!\nc,7.0\nd,7\n")
    (note,) = load(path).notes
    assert note.startswith(f"{path}, line 9: expected labels that look different, found '7.0'")
    assert note.endswith("(it is learned as it stands; cfedge check lists this and 1 other doubt)")
    refused = written(tmp_path / "x.csv", GOOD + "a,HEAT\nb,HEAT\n")
    assert load(refused).notes == ()  # no task can have both: it is said once, as an error


@cases("other", ["\uff48eat", "he\u0301", "HEAT", " heat  "])
def test_labels_that_look_alike_are_not_two_classes(other: str) -> None:
    first = "h\u00e9" if other == "he\u0301" else "heat"
    with pytest.raises(TaskError, match="differ by more than"):
        check_classes("x", [first, other])


def pictures(folder: Path) -> Path:
    """Two labels, of which one has frames of a video, and files that are no pictures."""
    rng = np.random.default_rng(0)
    for label in ("cat", "dog"):
        (folder / label).mkdir(parents=True)
        for number in range(4):
            coarse = PIL.Image.fromarray(rng.integers(0, 256, (6, 6, 3)).astype(np.uint8))
            frame = coarse.resize((64, 64), PIL.Image.Resampling.BICUBIC)
            frame.save(folder / label / f"{number}.png")
            if label == "dog" and number == 0:
                frame.save(folder / label / "again.jpg", quality=80)
    return folder


def test_a_folder_of_pictures_is_looked_at_and_near_ones_are_told(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "pets")
    found = check(folder)
    assert (found.rows, dict(found.classes), found.faults) == (9, {"cat": 4, "dog": 5}, ())
    assert found.notes[0].startswith(f"2 of 9 images of {folder} are nearly the same as another")
    twelve = PIL.Image.fromarray(np.arange(4096, dtype=np.uint16).reshape(64, 64))
    twelve.save(folder / "dog" / "dark.png")
    (dark,) = check(folder).faults
    assert str(dark).startswith(f"{folder}: dog/dark.png: expected a picture that shows something")
    (folder / "dog" / "dark.png").unlink()
    (folder / "cat" / "page.jpg").write_bytes(b"<html>")
    (folder / "dog" / "cut.png").write_bytes((folder / "dog" / "0.png").read_bytes()[:200])
    (folder / "bird").mkdir()
    (folder / "bird" / "one.png").write_bytes((folder / "dog" / "1.png").read_bytes())
    faults = [str(fault) for fault in check(folder).faults]
    assert len(faults) == 4
    assert faults[0].startswith(f"{folder}: cat/page.jpg: expected a picture, found an HTML page")
    assert "dog/cut.png: expected a whole picture" in faults[1]
    assert faults[2].startswith(
        f"{folder}: bird/one.png and 1 more file: expected one label of the"
    )
    assert (
        "expected at least 2 different images of each label (one to learn, one held out), found that 'bird'"
        in faults[3]
    )


def test_a_table_of_pictures_is_known_by_its_column(tmp_path: Path) -> None:
    folder = pictures(tmp_path)
    rows = [f"{label}/{number}.png,{label}" for label in ("cat", "dog") for number in range(4)]
    table = written(folder / "pets.csv", "\n".join(["image,label", *rows, "../x.png,cat", ",dog"]))
    found = check(table)
    assert found.rows == 8
    assert ["line 10" in str(fault) and "leads out" in str(fault) for fault in found.faults] == [
        True,
        False,
    ]
    assert check(table, kind="image").rows == 8
    of_files = Columns("path", "label")
    table.write_text(table.read_text().replace("image,", "path,", 1))
    assert check(table, of_files).rows == 8
    assert "1 texts" not in str(check(table, of_files).notes)
    with_text = written(folder / "texts.csv", GOOD)
    assert check(with_text).rows == 4
    assert check(with_text, kind="image").rows == 0


def test_the_command_takes_kinds_that_are(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "pets")
    done = CliRunner().invoke(app, ["check", str(folder), "--input", "image", "--json"])
    assert (done.exit_code, json.loads(done.stdout)["rows"]) == (0, 9)
    done = CliRunner().invoke(app, ["check", str(folder), "--input", "film"])
    assert isinstance(done.exception, UsageError)


def test_the_only_table_in_a_folder_of_pictures_is_one_tasks_data(tmp_path: Path) -> None:
    rows = "image,label\n"
    for place in range(4):
        picture = np.full((8, 8, 3), 60 * place, np.uint8)
        PIL.Image.fromarray(picture).save(tmp_path / f"{place}.png")
        rows += f"{place}.png,{'door' if place % 2 else 'heat'}\n"
    written(tmp_path / "labels.csv", rows)
    written(tmp_path / "README.txt", "Pictures of a building.")
    found, read = check(tmp_path), load(tmp_path, kind="image").train
    assert (found.tasks, found.rows, found.classes) == ({}, 4, {"door": 2, "heat": 2})
    assert read.labels == ("heat", "door", "heat", "door")
    assert all(
        "read from 'labels.csv', the only table" in notes[0] for notes in (found.notes, read.notes)
    )
    written(tmp_path / "rooms.csv", rows)  # two tables are two tasks, as before
    assert sorted(check(tmp_path).tasks) == ["labels", "rooms"]
