"""The demo's data keep their promises. It runs here on an encoder of seconds, and whole in ``make
soak`` where the weights are installed.
"""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from command_line import run
from every import cases
from made import make_texts, write_csv
from typer.testing import CliRunner

from cfedge.cli import app
from cfedge.cli.demo import above_promise, show
from cfedge.demo import TASKS, clothes, data_folder, out_of_domain, pictures
from cfedge.demo.result import DemoResult, TaskRow
from cfedge.demo.running import run_stream
from cfedge.demo.stream import Stream, Unknown
from cfedge.errors import DataError, UsageError
from cfedge.progress import Quiet

SPLITS = ("train", "validation", "test")


def _rows(task: str, split: str) -> list[dict[str, str]]:
    with (data_folder() / task / f"{split}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _plain(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())


@cases("task", TASKS)
def test_each_task_has_enough_intents_and_utterances(task: str) -> None:
    counts = {split: Counter(row["label"] for row in _rows(task, split)) for split in SPLITS}
    assert 5 <= len(counts["train"]) <= 6
    assert set(counts["train"]) == set(counts["validation"]) == set(counts["test"])
    assert min(counts["train"].values()) >= 30
    assert min(counts["validation"].values()) >= 20
    assert min(counts["test"].values()) >= 12


def test_no_utterance_occurs_twice_and_no_label_in_two_tasks() -> None:
    texts = [
        _plain(row["text"]) for task in TASKS for split in SPLITS for row in _rows(task, split)
    ]
    texts += [_plain(text) for text, _ in out_of_domain()]
    assert [text for text, count in Counter(texts).items() if count > 1] == []
    labels = [label for task in TASKS for label in {row["label"] for row in _rows(task, "train")}]
    assert len(labels) == len(set(labels))


def test_more_wrong_answers_than_promised_are_said_and_whether_chance_may_do_it() -> None:
    def row(task: str, wrong: int, promised: float) -> TaskRow:
        shares = dict.fromkeys(
            ("accuracy_float", "accuracy_int8", "accuracy_when_learned"), 1 - wrong / 84
        )
        return TaskRow(
            task=task, classes=6, examples=216, tested=84, task_identification=1.0, held_out=120,
            held_out_errors=0, wrong_task_at_most=promised, held_out_wrong=0,
            wrong_answer_at_most=promised, added_bytes=1, **shares,
        )  # fmt: skip

    assert above_promise([row("kept", 13, 0.16), row("close", 19, 0.16), row("far", 40, 0.16)]) == [
        "close: more were wrong than was promised, 19 of 84; on so few that may be chance.",
        "far: more were wrong than was promised, 40 of 84; chance hardly explains that.",
    ]


def test_half_of_what_is_of_no_task_are_near_misses() -> None:
    kinds = Counter(kind for _, kind in out_of_domain())
    assert kinds["near"] >= 40
    assert kinds["far"] >= 40


def test_the_data_carry_their_licence() -> None:
    assert "CC0 1.0" in (data_folder() / "LICENSE").read_text("utf-8")


def test_the_devices_process_refuses_to_start_where_torch_is_loaded() -> None:
    code = (
        "import sys, types; sys.modules['torch'] = types.ModuleType('torch')\nfrom"
        " cfedge.demo.device import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode
    assert "torch came with the import of cfedge" in done.stderr


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Stream:
    """The stream of pictures, with a wardrobe of 100 of each class."""
    root = tmp_path_factory.mktemp("pictures")
    return pictures.stream(root / "data", wardrobe=_wardrobe(root / "wardrobe", each=100))


def _wardrobe(folder: Path, each: int = 1, *, images: int | None = None, label: int = 9) -> Path:
    """Files as Debian's package has them, of random pixels; `label` is the last one's."""
    folder.mkdir()
    labels = np.tile(np.arange(10, dtype=np.uint8), each)
    labels[-1] = label
    pixels = np.random.default_rng(0).integers(0, 256, ((images or len(labels)), 28, 28), np.uint8)
    for name, head, data in (
        ("train-images-idx3-ubyte.gz", 16, pixels),
        ("train-labels-idx1-ubyte.gz", 8, labels),
    ):
        (folder / name).write_bytes(gzip.compress(bytes(head) + data.tobytes()))
    return folder


def test_a_digit_is_in_one_split_of_one_task_or_in_none(drawn: Stream) -> None:
    files = [
        path for path in drawn.unknown.file.parent.rglob("*.png") if "clothes" not in path.parts
    ]
    digits = [path.read_bytes() for path in files if path.parent.name.isdigit()]
    assert len(set(digits)) >= len(digits) - 2  # scikit-learn has two digits twice
    for name, labels in pictures.DIGITS.items():
        for split, least in (("train", 80), ("validation", 50), ("test", 40)):
            found = {
                one.name: len(list(one.iterdir())) for one in (drawn.data[name] / split).iterdir()
            }
            assert found.keys() == set(map(str, labels))
            assert min(found.values()) >= least
    taught = {label for labels in pictures.DIGITS.values() for label in labels}
    strange = {Path(path).parent.name for path, kind in drawn.unknown.inputs if kind == "near"}
    assert strange == {str(label) for label in range(10) if label not in taught}


def test_pictures_of_no_task_are_listed_as_report_takes_them(drawn: Stream) -> None:
    from cfedge.train.examples.inputs_alone import load_inputs

    kinds = Counter(kind for _, kind in drawn.unknown.inputs)
    assert min(kinds["near"], kinds["far"]) >= 40
    assert set(kinds) == set(drawn.unknown.words)
    listed = load_inputs(drawn.unknown.file, kind="image")
    assert list(map(str, listed)) == [path for path, _ in drawn.unknown.inputs]


def test_clothes_are_a_task_where_they_are_installed(drawn: Stream, tmp_path: Path) -> None:
    assert list(drawn.data) == [*pictures.DIGITS, "clothes"]
    for split, count in (("train", 50), ("validation", 25), ("test", 20)):
        folders = list((drawn.data["clothes"] / split).iterdir())
        assert {one.name for one in folders} == set(clothes.CLASSES)
        assert {len(list(one.iterdir())) for one in folders} == {count}
    bare = pictures.stream(tmp_path / "data", wardrobe=tmp_path / "none")
    assert list(bare.data) == list(pictures.DIGITS)
    assert "clothes" not in bare.title


@cases(
    "damage",
    [
        (lambda folder: _wardrobe(folder, images=9), "found 7056 bytes and 10 labels"),
        (lambda folder: _wardrobe(folder, label=10), "of 10 labels"),
        (lambda folder: _cut(_wardrobe(folder)), "could not read"),
        (lambda folder: _no_gzip(_wardrobe(folder)), "could not read"),
    ],
)
def test_damaged_clothes_are_refused(damage: tuple[Callable[[Path], Path], str]) -> None:
    with tempfile.TemporaryDirectory() as root, pytest.raises(DataError) as caught:
        clothes.read(damage[0](Path(root) / "clothes"))
    assert damage[1] in str(caught.value)
    assert "install dataset-fashion-mnist again" in str(caught.value)


def _cut(folder: Path) -> Path:
    path = folder / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-100])
    return folder


def _no_gzip(folder: Path) -> Path:
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(b"no gzip")
    return folder


@pytest.mark.slow
def test_a_stream_is_learned_in_turn_answered_without_torch_and_shown(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    printed = io.StringIO()
    stream = _tiny_stream(tmp_path)
    found = run_stream(stream, tmp_path / "out", folder=tiny_folder, progress=Quiet())
    with contextlib.redirect_stdout(printed):
        show(DemoResult(found, found), tmp_path)
    shown = printed.getvalue()
    assert [row.task for row in found.tasks] == list(stream.data)
    assert [row.tested for row in found.tasks] == [18, 18]
    assert min(row.accuracy_int8 for row in found.tasks) > 0.4  # of six labels
    assert [(row.kind, row.count) for row in found.unknown] == [("near", 8), ("far", 1)]
    assert found.accuracy_matrix[0][0] > found.accuracy_matrix[0][1] == 0
    answers = re.findall(r"^  (\S.*)\n    -> (?:not sure: )?(\S+)", shown, re.MULTILINE)
    told = [
        (one["input"], "unknown" if one["unknown"] else f"{one['task']}/{one['label']}")
        for one in found.live
    ]
    assert answers == told * 2
    assert re.findall(r"^│ (\S+) .* \S+% │ +\S+% │ +\S+ kB │$", shown, re.MULTILINE)[:2] == [
        "colors",
        "animals",
    ]
    assert shown.splitlines()[-1].strip() == (tmp_path / "out" / "report.html").as_uri()
    assert b"<html" in (tmp_path / "out" / "report.html").read_bytes()[:500]


def _tiny_stream(folder: Path) -> Stream:
    """Two tasks of the tiny encoder, and inputs of neither."""
    data = {name: folder / name for name in ("colors", "animals")}
    for name, place in data.items():
        place.mkdir()
        rows = make_texts(name, 18, seed=0)
        for split, first in (("train", 0), ("validation", 1), ("test", 2)):
            write_csv(place / f"{split}.csv", rows[first::3])
    inputs = (*((text, "near") for text, _ in make_texts("food", 4, seed=0)), ("the of", "far"))
    file = folder / "unknown.csv"
    file.write_text("text\n" + "".join(f"{text}\n" for text, _ in inputs), encoding="utf-8")
    unknown = Unknown(inputs, file, {"near": "of food", "far": "of nothing"})
    live = ("crimson ruby please", "my kitten purr")
    return Stream("Tiny", "local", data, "closed-form", unknown, live)


@pytest.mark.soak
def test_the_quick_demo_shows_both_streams_keeps_its_promises_and_ends_with_its_reports(
    tmp_path: Path,
) -> None:
    """One test: processes that share the soaks would each run the demo for theirs."""
    out = tmp_path / "out"
    done = run("demo", "--quick", "--out", out)
    assert done.returncode == 0, done.stderr
    printed = done.stdout.decode()
    rows = re.findall(r"^│ (\S+) .* (\S+)% │ +(\S+)% │ +\S+ kB │$", printed, re.MULTILINE)
    assert [task for task, _, _ in rows] == ["lighting", "climate", *pictures.DIGITS]
    assert all(float(wrong) <= float(promised) < 40 for _, wrong, promised in rows)
    assert "Sentences: " in printed
    assert "Pictures: " in printed
    for called in ("of a building, but of no task taught", "of 8 and 9", "of cut photographs"):
        ((caught, count),) = re.findall(rf"{called}.* (\d+) of (\d+) ", printed)
        assert int(caught) > int(count) / 2
    answers = dict(re.findall(r"^  (\S.*)\n    -> (?:not sure: )?(\S+)", printed, re.MULTILINE))
    assert answers["can I have some light here"] == "lighting/light_on"
    assert answers["who won the match last night?"] == "unknown"
    shown = {path: answer for path, answer in answers.items() if path.endswith(".png")}
    assert all(Path(path).is_file() for path in shown)
    right = [
        answer == ("unknown" if "unknown" in parts else f"{parts[-4]}/{parts[-2]}")
        for parts, answer in ((Path(path).parts, answer) for path, answer in shown.items())
    ]
    assert len(right) == 6
    assert sum(right) >= len(right) / 2
    reports = [line.strip() for line in printed.splitlines()[-2:]]
    assert reports == [(out / name / "report.html").as_uri() for name in ("sentences", "pictures")]
    for name in ("sentences", "pictures"):
        assert b"<html" in (out / name / "report.html").read_bytes()[:500]
        assert (out / name / "bundle" / "manifest.json").is_file()


def test_a_demo_before_is_kept_unless_it_may_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "sentences").mkdir()
    done = CliRunner().invoke(app, ["demo", "--out", str(tmp_path)])
    assert isinstance(done.exception, UsageError)
    assert "expected a new folder, found an earlier demo; use --replace" in str(done.exception)
    assert list(tmp_path.iterdir()) == [tmp_path / "sentences"]
