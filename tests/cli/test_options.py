"""Each option of learning reaches the setting of its name, from both commands that have it."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
from made import make_texts, write_csv
from typer.main import get_command
from typer.testing import CliRunner

from cfedge.cli import app
from cfedge.cli.study_commands import commands
from cfedge.errors import CfedgeError
from cfedge.study.fresh import Weights
from cfedge.study.stream import Splits, load_stream
from cfedge.train.settings import Settings

#: None of them as by default.
CHANGED: dict[str, object] = {
    "rank": 3, "epochs": 2, "learning_rate": 0.004, "pool_limit": 7, "max_rank": 9, "orthogonality": "penalty", "penalty": 0.01,
    "l1": 0.02, "l2": 0.03, "class_rank": 2, "mirror": "no", "exit_share": 0.4, "threads": 1, "device": "cpu:0", "precision": "bf16",
}  # fmt: skip


class SeenError(CfedgeError):
    """Ends the command where it would begin to learn."""


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    found: list[Settings] = []

    def stop(*arguments: object, settings: Settings, **others: object) -> None:
        found.append(settings)
        raise SeenError

    for place in (
        "cfedge.train.teach.learn",
        "cfedge.train.teach.learn_tasks",
        "cfedge.study.fresh.compare_fresh",
    ):
        monkeypatch.setattr(place, stop)
    return found


def ask(*arguments: object) -> None:
    changed = [
        part for name, value in CHANGED.items() for part in (f"--{name.replace('_', '-')}", value)
    ]
    done = CliRunner().invoke(app, [str(one) for one in [*arguments, *changed, "--reuse"]])
    assert isinstance(done.exception, SeenError), done.output


def test_an_option_of_add_is_the_setting_of_its_name(
    tiny_workspace: Path, tmp_path: Path, seen: list[Settings]
) -> None:
    data = write_csv(tmp_path / "food.csv", make_texts("food", 12, 0))
    ask("add", tiny_workspace, "food", "--data", data, "--seed", 5, "--share", 0.3)
    several = tmp_path / "tasks"
    several.mkdir()
    write_csv(several / "food.csv", make_texts("food", 12, 0))
    ask("add", tiny_workspace, "--data", several, "--seed", 5, "--share", 0.3)
    assert seen == [Settings(**CHANGED, reuse=True, seed=5, held_out=0.3)] * 2  # type: ignore[arg-type]


def test_options_are_named_where_they_are_refused(
    tiny_workspace: Path, tmp_path: Path, seen: list[Settings]
) -> None:
    data = write_csv(tmp_path / "food.csv", make_texts("food", 12, 0))
    add = ["add", str(tiny_workspace), "food", "--data", str(data)]
    done = CliRunner().invoke(app, [*add, "--share", "0"])
    assert str(done.exception).startswith("--share: expected a share in (0, 1), found 0.0")
    assert seen == []
    for more, told in (
        (
            ["--head-only", "--mirror", "yes"],
            "note: --mirror says how an adapter is trained, and -",
        ),
        (["--head-only", "--device", "cuda"], "note: --device says how an adapter is trained, and"),
        (["--head-only", "--class-rank", "3"], ""),
        (["--device", "cuda"], ""),
    ):
        done = CliRunner().invoke(app, [*add, *more])
        assert isinstance(done.exception, SeenError)
        assert done.stderr[: len(told) or None] == told
    for more in (["--model"], ["--mixtures"], ["--curve"], ["--tail-share", "0.1"]):
        done = CliRunner().invoke(app, ["inspect", str(tiny_workspace), "--paper", *more])
        assert str(done.exception).startswith(f"--paper: expected no {more[0]} with it, found both")
    done = CliRunner().invoke(app, ["inspect", str(tiny_workspace), "--curve", "--model"])
    assert str(done.exception).startswith("--curve: expected no --model with it, found both")


def test_an_option_of_compare_is_the_setting_of_its_name(
    tiny_folder: Path, tmp_path: Path, seen: list[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[int] = []

    def load(path: Path, *, tasks: int | None, seed: int, kind: str) -> dict[str, Splits]:
        loaded.append(seed)
        return load_stream(path, tasks=tasks, seed=seed, kind=kind)

    monkeypatch.setattr("cfedge.study.stream.load_stream", load)
    data = write_csv(
        tmp_path / "all.csv",
        [row for task in ("colors", "food") for row in make_texts(task, 12, 0)],
    )
    ask(
        "compare",
        data,
        "--tasks",
        2,
        "--backbone",
        "local",
        "--folder",
        tiny_folder,
        "--split",
        2,
        "--seed",
        5,
    )
    assert seen == [Settings(**CHANGED, reuse=True, seed=5)]  # type: ignore[arg-type]
    assert loaded == [5]
    modules: list[object] = []

    def stop(_: object, weights: Weights, *rest: object, **others: object) -> None:
        modules.append(weights.target_modules)
        raise SeenError

    monkeypatch.setattr("cfedge.study.fresh.compare_fresh", stop)
    local = ("compare", data, "--tasks", 2, "--backbone", "local", "--folder", tiny_folder)
    ask(*local)
    ask(*local, "--target-modules", "expand, project")
    assert modules == [None, ("expand", "project")]  # the backbone's own, whatever it reads


def test_the_commands_that_compare_ends_with_can_be_pasted() -> None:
    data, given = Path("my data.csv"), {"backbone": "lite0", "folder": None, "split": 3}
    usual = commands(data, None, {}, Settings(), lookup="lda", adapters=False)
    assert usual == [
        "cfedge init ws",
        "cfedge add ws --data 'my data.csv' --head-only",
        "cfedge export ws bundle --lookup lda",
    ]
    changed = Settings(**CHANGED, reuse=True, seed=5, held_out=0.3)  # type: ignore[arg-type]
    lines = commands(data, 2, given, changed, lookup="class-clusters", adapters=True)
    assert lines[0] == "cfedge init ws --backbone lite0 --split 3"
    assert lines[1].startswith("cfedge add ws TASK --data FILE --train --rank 3 --epochs 2 ")
    heads = commands(data, 2, given, changed, lookup="lda", adapters=False)
    assert "--class-rank 2" in heads[1]
    assert not re.search("--(rank|epochs|mirror|reuse|device|precision)", heads[1])
    known = get_command(app)
    for line in [*usual, *lines, *heads]:
        _, name, *words = shlex.split(line)
        with click.Context(known) as parent:
            known.get_command(parent, name).make_context(name, words)  # type: ignore[attr-defined]


def test_what_arguments_alone_forbid_is_refused_before_the_work(
    tiny_workspace: Path, tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tutorial's reader waited minutes for `found something there`."""

    def work(*_: object, **__: object) -> None:
        raise AssertionError("the work began")

    for place in (
        "cfedge_export.pack.build", "cfedge_export.merged.build", "cfedge_export.make_backbone.load_source",
        "cfedge.report.files.contents_of", "cfedge.study.stream.load_stream", "cfedge.demo.run", "cfedge.publish.keys._make",
    ):  # fmt: skip
        monkeypatch.setattr(place, work)
    (tmp_path / "a file").write_text("x")
    (tmp_path / "free").mkdir()
    taken, below, long = tiny_bundle, tmp_path / "a file" / "new", tmp_path / "free" / ("n" * 256)
    new, page = tmp_path / "free" / "new", ("--out", tmp_path / "free" / "page.html")
    export, report = ("export", tiny_workspace), ("report", tiny_workspace)
    for arguments, said in (
        ((*export, taken), "expected a new name for the bundle"),
        ((*export, below), "found the file"),
        ((*export, new, "--false-reject", 2), "false-reject rate: expected"),
        ((*export, new, "--tail-share", 2), "tail share: expected"),
        ((*export, new, "--lookup", "none"), "lookup: expected one of"),
        ((*export, taken, "--merged", "colors"), "expected a new name for the file"),
        ((*export, new / "new.onnx", "--merged", "colors"), "found none; make it first"),
        ((*export, long, "--merged", "colors"), "at most 255 bytes|too long"),
        (("init", below), "found the file"),
        (("keys", "init", below), "found the file"),
        (("demo", "--out", below), "found the file"),
        ((*report, *page, "--bench", new), "could not read .*new"),
        ((*report, *page, "--parity", taken / "manifest.json"), "what cfedge export --json prints"),
        ((*report, *page, "--monitor", taken / "manifest.json"), "manifest.json: expected counts"),
        ((*report, *page, "--json", tmp_path / "free" / "." / "page.html"), "than the page's"),
        (("compare", below, "--models", "none"), "--models: expected some of"),
        (("compare", below, "--orders", 0), "--orders: expected >= 1"),
        (("compare", below, "--reuse", "--jobs", 2), "--jobs: expected 1"),
    ):  # fmt: skip
        done = CliRunner().invoke(app, [str(one) for one in arguments])
        assert isinstance(done.exception, CfedgeError), (arguments, done.exception)
        assert re.search(said, str(done.exception)), (arguments, done.exception)
    assert list((tmp_path / "free").iterdir()) == []


def test_no_setting_is_as_by_default() -> None:
    assert all(getattr(Settings(), name) != value for name, value in CHANGED.items())
