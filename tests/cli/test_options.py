"""Each option of learning reaches the setting of its name, from both commands that have it."""

from __future__ import annotations

from pathlib import Path

import pytest
from made import make_texts, write_csv
from typer.testing import CliRunner

from cfedge.cli import app
from cfedge.errors import CfedgeError
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


def test_no_setting_is_as_by_default() -> None:
    assert all(getattr(Settings(), name) != value for name, value in CHANGED.items())
