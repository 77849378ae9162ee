"""Several tasks at once: the bytes of each alone, errors by name, and nothing left of what was
stopped.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command_line import run
from made import make_texts, write_csv

from cfedge.errors import DataError, TaskError, UsageError
from cfedge.train.examples.examples import Examples, LabelledData
from cfedge.train.jobs import learning
from cfedge.train.jobs.choosing import chosen_place
from cfedge.train.jobs.learning import learn_many
from cfedge.train.jobs.running import Outcome
from cfedge.train.settings import Settings
from cfedge.train.teach import learn
from cfedge.train.workspace.folder import WorkspaceFolder

QUICK = Settings(rank=2, epochs=1, min_steps=10, threads=1)


def drawn(task: str, rename: str = "", count: int = 8) -> LabelledData:
    rows = [(text, f"{label}{rename}") for text, label in make_texts(task, count, 0)]
    return LabelledData(Examples(*zip(*rows, strict=True), f"{task}.csv"))


def tasks() -> dict[str, LabelledData]:
    return {
        "food": drawn("food"),
        "pets": drawn("animals", "-pet"),
        "paint": drawn("colors", "-paint"),
    }


class Listener:
    """Adds up what it is told."""

    def __init__(self) -> None:
        self.total, self.done = 0, 0

    @contextmanager
    def track(self, title: str, total: int) -> Iterator[Callable[[int], None]]:
        self.total += total

        def advance(steps: int) -> None:
            self.done += steps

        yield advance


def contents(folder: Path) -> dict[str, bytes]:
    files = [
        path
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock" and path.parent.name != "jobs"
    ]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def several(
    folder: Path,
    data: dict[str, LabelledData],
    *,
    jobs: int,
    settings: Settings = QUICK,
    own: dict[str, Settings] | None = None,
    **more: Any,
) -> Outcome:
    """Learn tasks with adapters, as `add` and `compare` do; some by settings of their `own`."""
    chosen = dict.fromkeys(data, replace(settings, method="adapter")) | (own or {})
    with chosen_place(jobs=jobs) as place:
        return learn_many(WorkspaceFolder(folder), data, settings=chosen, place=place, **more)


def test_tasks_that_are_learned_at_once_have_the_bytes_of_each_alone(
    tiny_workspace: Path, tmp_path: Path
) -> None:
    alone = Path(shutil.copytree(tiny_workspace, tmp_path / "alone"))
    for name, data in reversed(tasks().items()):
        learn(WorkspaceFolder(alone), name, data.train, settings=QUICK)
    for jobs in (1, 2):
        folder = Path(shutil.copytree(tiny_workspace, tmp_path / f"jobs-{jobs}"))
        listener = Listener()
        assert several(folder, tasks(), jobs=jobs, progress=listener).failed == {}
        assert contents(folder) == contents(alone)
        assert listener.done == listener.total == 300


def test_what_fails_fails_alone_by_name_with_its_errors_class(
    tiny_workspace: Path, tmp_path: Path
) -> None:
    bad = replace(
        drawn("animals", "-pet"),
        train=Examples(("purr", "bark"), ("cat-pet", "dog-pet"), "pets.csv"),
    )
    for jobs in (1, 2):
        folder = Path(shutil.copytree(tiny_workspace, tmp_path / f"jobs-{jobs}"))
        data = {**tasks(), "pets": bad, "wild": drawn("food", "-wild")}
        wild = {"wild": replace(QUICK, method="adapter", learning_rate=1e30)}
        failed = several(folder, data, jobs=jobs, own=wild).failed
        assert list(failed) == ["pets", "wild"]
        assert {type(error) for error in failed.values()} == {DataError}
        assert "expected a finite loss" in str(failed["wild"])
        assert "pets.csv: expected at least 2 different texts of label 'cat-pet'" in str(
            failed["pets"]
        )
        assert WorkspaceFolder(folder).tasks == ("animals", "colors", "food", "paint")


def test_what_cannot_be_is_refused_before_anything_is_learned(
    tiny_workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learning, "train_task", None)
    for words, data, settings in (
        (
            "--jobs: expected 1, and no --on, with --reuse, found another place",
            tasks(),
            replace(QUICK, reuse=True),
        ),
        ("found a task of that name; add examples", {"colors": drawn("colors", "-paint")}, QUICK),
        (
            r"task name: expected .* found 'More'",
            {"food": drawn("food"), "More": drawn("food")},
            QUICK,
        ),
    ):
        with pytest.raises((UsageError, TaskError), match=words):
            several(tiny_workspace, data, jobs=2, settings=settings)
    with pytest.raises(UsageError, match="--jobs: expected 1 to 1024, found 0"):
        several(tiny_workspace, tasks(), jobs=0)
    assert WorkspaceFolder(tiny_workspace).tasks == ("animals", "colors")


def test_a_run_that_was_interrupted_goes_on_where_it_was(
    tiny_workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And idempotent: what is there of the same job is not learned again; of other data it is
    refused as ever.
    """
    workspace, learned = WorkspaceFolder(tiny_workspace), []
    honest = learning.train_task

    def interrupted(source: object, name: str, *more: object) -> object:
        learned.append(name)
        if len(learned) == 2:
            raise KeyboardInterrupt
        return honest(source, name, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(learning, "train_task", interrupted)
    with pytest.raises(KeyboardInterrupt):
        several(tiny_workspace, tasks(), jobs=1)
    before = contents(tiny_workspace / "tasks")
    outcome = several(tiny_workspace, tasks(), jobs=1)
    assert outcome.failed == {}
    assert learned == ["food", "pets", "pets", "paint"]
    assert list(outcome.notes) == ["task 'food' was there, learned of the same data"]
    assert before.items() <= contents(tiny_workspace / "tasks").items()
    other = {"food": drawn("food", count=9)}
    with pytest.raises(TaskError, match="found a task of that name"):
        several(tiny_workspace, other, jobs=1)
    folder = workspace.folder / "tasks"
    (food,) = folder.glob("food-*")
    (food / "task.json").write_bytes(b"{}")  # damaged: it is learned anew
    monkeypatch.setattr(learning, "train_task", honest)
    assert several(tiny_workspace, {"food": drawn("food")}, jobs=1, replace=True).failed == {}
    assert WorkspaceFolder(tiny_workspace).task("food").record.name == "food"


def _add(workspace: Path, data: Path, *more: str) -> subprocess.Popen[str]:
    code = "import sys; from cfedge.cli import main; main(sys.argv[1:])"
    arguments = [
        "add",
        str(workspace),
        "--data",
        str(data),
        "--rank",
        "2",
        "--epochs",
        "1",
        "--threads",
        "1",
        *more,
    ]
    # Where the tests run in a shell's background SIGINT is ignored, and children inherit that.
    code = f"import signal; signal.signal(signal.SIGINT, signal.default_int_handler); {code}"
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdout=-1,
        stderr=-1,
        text=True,
        start_new_session=True,
    )


def folder_of(tmp_path: Path, count: int = 8) -> Path:
    folder = tmp_path / "tasks"
    folder.mkdir()
    for name, data in tasks().items():
        write_csv(
            folder / f"{name}.csv", list(zip(data.train.inputs, data.train.labels, strict=True))
        )
    return folder


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to see the processes")
def test_ctrl_c_ends_every_process_and_leaves_nothing_half_written(
    tiny_workspace: Path, tmp_path: Path
) -> None:
    process = _add(tiny_workspace, folder_of(tmp_path), "--jobs", "2", "--epochs", "100000")
    try:
        deadline = time.monotonic() + 120
        while sum(map(_has_torch, children := _children(process.pid))) < 2:
            assert time.monotonic() < deadline, "two workers were not learning in time"
            time.sleep(0.05)
        time.sleep(1)  # both train now, or are about to
        children = sorted({*children, *_children(process.pid)})
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=60)
        assert process.returncode != 0
        deadline = time.monotonic() + 30
        while any(_runs(one) for one in children) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert [one for one in children if _runs(one)] == []
    finally:
        process.kill()
    workspace = WorkspaceFolder(tiny_workspace)
    assert workspace.tasks == ("animals", "colors")
    for name in workspace.tasks:
        workspace.task(name)
    assert sorted(
        path.name.rpartition("-")[0] for path in (tiny_workspace / "tasks").iterdir()
    ) == ["animals", "colors"]


def _state(process: int) -> list[str]:
    """State and parent of a process, as the kernel tells them; nothing where there is none."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[:2]
    except OSError:
        return []


def _runs(process: int) -> bool:
    return _state(process)[:1] not in ([], ["Z"])


def _has_torch(process: int) -> bool:
    """Whether a process has loaded what adapters are learned with."""
    try:
        return "libtorch_cpu" in Path(f"/proc/{process}/maps").read_text()
    except OSError:
        return False


def _children(parent: int) -> list[int]:
    every = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
    return [one for one in every if _state(one)[1:] == [str(parent)]]


def test_the_command_adds_every_task_of_a_folder_and_tells_what_failed(
    tiny_workspace: Path, tmp_path: Path
) -> None:
    folder = folder_of(tmp_path)
    write_csv(folder / "bad.csv", [("one", "a"), ("two", "b")] * 3)
    words = ("--rank", 2, "--epochs", 1, "--threads", 1, "--train", "--json", "--jobs", 2)
    done = run("add", tiny_workspace, "--data", folder, *words)
    assert done.returncode == DataError.exit_code
    record, told = json.loads(done.stdout), done.stderr.decode()
    assert [row["task"] for row in record["learned"]] == ["food", "paint", "pets"]
    assert list(record["failed"]) == ["bad"]
    assert "task 'bad'" in told.splitlines()[-1]
    assert "3 of 4 tasks were added" in told.splitlines()[-1]
    assert WorkspaceFolder(tiny_workspace).tasks == ("animals", "colors", "food", "paint", "pets")
