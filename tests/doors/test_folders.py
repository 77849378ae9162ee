"""Folders of data as the Hugging Face Hub and people keep them."""

from __future__ import annotations

import gzip
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pyarrow
import pytest
from every import cases
from made_files import ROWS, documents, table
from pyarrow import parquet

from cfedge.errors import DataError
from cfedge.train.examples.data import load
from cfedge.train.examples.data_check import check
from cfedge.train.examples.task_files import load_tasks


def part(folder: Path, name: str, rows: list[tuple[str, str]]) -> None:
    folder.mkdir(exist_ok=True)
    texts, labels = zip(*rows, strict=True)
    parquet.write_table(pyarrow.table({"text": texts, "label": labels}), folder / name)


def test_the_parts_of_a_split_are_read_in_their_order(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("a data set", "utf-8")
    part(tmp_path / "data", "train-00001-of-00002.parquet", ROWS[2:])
    part(tmp_path / "data", "train-00000-of-00002.parquet", ROWS[:2])
    part(tmp_path / "data", "test-00000-of-00001.parquet", ROWS[:1])
    found = load(tmp_path)
    assert list(zip(found.train.inputs, found.train.labels, strict=True)) == ROWS
    assert found.held_out is None
    assert found.test is not None
    assert found.test.inputs == (ROWS[0][0],)
    (tmp_path / "data" / "train-00000-of-00002.parquet").unlink()
    with pytest.raises(
        DataError, match=r"expected 2 parts like train-00001-of-00002.parquet, found 1"
    ):
        load(tmp_path)


def laid(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def test_folders_of_texts_are_read_by_label(tmp_path: Path) -> None:
    folder = laid(tmp_path / "plain", {**documents(), "README.txt": "two labels"})
    found = load(folder).train
    assert sorted(zip(found.inputs, found.labels, strict=True)) == sorted(ROWS)
    assert (found.notes, check(folder).rows, check(folder).faults) == ((), 4, ())
    assert check(folder).classes == {"door": 2, "heat": 2}
    # As 20 newsgroups has them: numbers for names, and letters of another time.
    news = {f"news-{split}/alt.{label}/{at}": f"{split} {label} {at}" for split in ("train", "test")
            for label in ("heat", "door") for at in range(3)}  # fmt: skip
    odd = {f"news-train/alt.heat/9{at}": f"il fait très chaud {at}".encode("cp1252") for at in "ab"}
    data = load(laid(tmp_path / "news", {**news, **odd}))
    assert data.test is not None
    assert (len(data.train), len(data.test)) == (8, 6)
    assert "il fait très chaud a" in data.train.inputs
    (note,) = data.train.notes
    assert note.startswith(
        "'news-train/alt.heat/9a' was read as Windows-1252 (cp1252): it is not UTF-8"
    )
    assert note.endswith(" (as 1 other file)")
    assert load(tmp_path / "news", encoding="cp1252").train.notes == ()
    # As a site of films has them: lists beside the folders, and texts without a label.
    films = {f"films/{split}/{label}/{at}.txt": f"{split} {label} {at}" for label in ("neg", "pos")
             for split in ("train", "test") for at in range(3)}  # fmt: skip
    films |= {"films/train/unsup/1.txt": "what is it", "films/train/urls_pos.txt": "http://x"}
    films |= {"films/imdbEr.txt": "0.1", "films/imdb.vocab": "the", "films/README": "films"}
    inside = laid(tmp_path / "site", films) / "films"
    (note,) = load(inside).train.notes
    assert note == f"3 files of {inside} in no folder of a label were left out (as 'imdbEr.txt')"
    with tarfile.open(tmp_path / "films.tar.gz", "w:gz") as archive:
        archive.add(inside, "films")
    for data in (load(inside), load(tmp_path / "films.tar.gz")):
        assert data.test is not None
        assert (len(data.train), len(data.test), data.train.classes) == (6, 6, ("neg", "pos"))
    beside = laid(tmp_path / "mail", {f"all/{name}": one for name, one in documents().items()})
    (note,) = load(laid(beside, {"all/Summary.txt": "two labels"})).train.notes
    assert note.endswith("(as 'all/Summary.txt')")
    laid(beside, {"all/heat/picture": b"\xff\xd8\xff\xe0\0\x10JFIF", "all/heat/page": "<html>hot"})
    with pytest.raises(DataError, match=r"a picture \(JPEG\); give its name the ending of its"):
        load(beside)
    laid(folder, {"heat/empty.txt": " \n", "heat/nul.txt": "a\0b", "notes/table.bin": "x"})
    with pytest.raises(
        DataError, match=r"'heat/empty\.txt': expected a text, found an empty file;"
    ):
        load(folder)
    faults = [str(fault) for fault in check(folder).faults]
    assert [one.partition(": expected")[0] for one in faults] == [
        f"{folder}: heat/empty.txt",
        f"{folder}: heat/nul.txt",
    ]
    (tmp_path / "secret.txt").write_text("mine")
    (tmp_path / "news" / "news-train" / "alt.heat" / "link").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(
        DataError, match=r"expected a path inside .*alt\.heat/link', which leads out"
    ):
        load(tmp_path / "news")


def test_folders_of_texts_and_packed_tables_are_tasks_too(tmp_path: Path) -> None:
    whole = laid(tmp_path / "one", documents())
    with pytest.raises(DataError, match=r"found one folder a label; that is one task: give it a"):
        load_tasks(whole)
    tasks = laid(tmp_path / "tasks", {f"letters/{name}": one for name, one in documents().items()})
    laid(tasks, {"rows.csv.gz": gzip.compress(table(",").encode())})
    fast = "".join(f"__label__{label} {text}\n" for text, label in ROWS)
    laid(tasks, {"fast/train.txt": fast, "fast/test.txt": fast})
    laid(tasks, {"halves/train.csv.gz": gzip.compress(table(",").encode())})
    found = load_tasks(tasks)
    assert sorted(found) == ["fast", "halves", "letters", "rows"]
    assert {len(one.train) for one in found.values()} == {4}
    counts = {name: {"door": 2, "heat": 2} for name in found}
    assert check(tasks).tasks == counts | {"fast": {"door": 4, "heat": 4}}  # and those of its test
    laid(tmp_path / "odd", {"Smart Home.csv": table(",")})
    (fault,) = check(tmp_path / "odd").faults
    assert "found 'Smart Home'; rename it" in str(fault)
    laid(whole, {"heat/1.png": b"x"})  # what a picture shows, said beside it
    with pytest.raises(DataError, match="found folders of the kind image"):
        load(whole)


@cases("name", ["dev.tsv", "val.csv", "Valid.CSV", "validation.csv"])
def test_held_out_examples_go_by_the_names_that_people_give_them(tmp_path: Path, name: str) -> None:
    separator = "\t" if name.endswith("tsv") else ","
    (tmp_path / "train.csv").write_text(table(","), "utf-8")
    (tmp_path / name).write_text(table(separator), "utf-8")
    held_out = load(tmp_path).held_out
    assert held_out is not None
    assert len(held_out) == len(ROWS)
    # A competition's test table has no labels.
    (tmp_path / "test.csv").write_text("id,text\n1,a\n", "utf-8")
    assert load(tmp_path).test is None
    for notes in (load(tmp_path).train.notes, check(tmp_path).notes):
        assert "test.csv has no column 'label' and was left out" in notes
    assert check(tmp_path).faults == ()
    part(tmp_path / "data", "train-00000-of-00001.parquet", ROWS)
    with pytest.raises(DataError, match=r"expected one train file, found train\.csv and train-0"):
        load(tmp_path)
