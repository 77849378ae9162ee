"""Handing out and taking in, on executors that lose workers, lack contents and refuse: fakes of the
one seam there is, `concurrent.futures.Executor`, around the honest worker.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from made import make_texts

from cfedge.errors import CfedgeError, DataError, ParityError, WorkspaceError
from cfedge.train.examples.examples import Examples, LabelledData
from cfedge.train.jobs import worker
from cfedge.train.jobs.contents import Contents
from cfedge.train.jobs.learning import learn_many
from cfedge.train.jobs.place import Place
from cfedge.train.jobs.running import ATTEMPTS, Outcome
from cfedge.train.settings import Settings
from cfedge.train.workspace.folder import WorkspaceFolder

#: Learned in a moment.
QUICK = Settings(method="closed-form", threads=1)


def tasks(*names: str) -> dict[str, LabelledData]:
    data = {}
    for name in names:
        rows = [(text, f"{label} {name}") for text, label in make_texts("food", 8, 0)]
        data[name] = LabelledData(Examples(*zip(*rows, strict=True), f"{name}.csv"))
    return data


class Odd(Executor):
    """Does each call at once, in this process, after `change` has seen it: the call's number, and
    what does it honestly.
    """

    def __init__(self, change: Callable[[int, Callable[[], Any]], Any]) -> None:
        self._change, self.calls = change, 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.calls += 1
        future: Future[Any] = Future()
        try:
            future.set_result(self._change(self.calls, lambda: fn(*args, **kwargs)))
        except Exception as error:
            future.set_exception(error)
        return future


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Contents:
    """What the worker in this process keeps: nothing yet."""
    contents = Contents(tmp_path / "worker")
    monkeypatch.setattr(worker, "_contents", lambda: contents)
    return contents


def learned(workspace: Path, executor: Executor, *names: str, **more: Any) -> Outcome:
    return learn_many(
        WorkspaceFolder(workspace),
        tasks(*names),
        settings=dict.fromkeys(names, QUICK),
        place=Place(executor, 2, 1),
        **more,
    )


def test_any_executor_will_do_and_contents_are_fetched_once(
    tiny_workspace: Path, kept: Contents
) -> None:
    sent = []

    def counted(call: int, honest: Callable[[], Any]) -> Any:
        answer = honest()
        sent.append(len(answer["missing"]))
        return answer

    assert kept.folder is not None
    kept.folder.mkdir()
    # as another worker's file that is listed and then renamed
    (kept.folder / "gone").symlink_to("nowhere")
    outcome = learned(tiny_workspace, Odd(counted), "one", "two", "three")
    assert (outcome.failed, kept.trouble) == ({}, "")
    (kept.folder / "gone").unlink()
    # two are out at once; both lacked the backbone, and nobody did after that
    assert [bool(count) for count in sent].count(True) <= 4
    assert sent[-1] == 0
    assert WorkspaceFolder(tiny_workspace).tasks == ("animals", "colors", "one", "three", "two")
    with ThreadPoolExecutor(3) as threads:
        assert learned(tiny_workspace, threads, "four").failed == {}
    held = b"".join(path.read_bytes() for path in kept.folder.iterdir())
    assert len(list(kept.folder.iterdir())) >= 3
    for text, _ in make_texts("food", 8, 0):
        assert text.encode() not in held  # of the data nothing is kept


def test_a_lost_worker_leaves_its_job_to_another(tiny_workspace: Path) -> None:
    def lost(call: int, honest: Callable[[], Any]) -> Any:
        if call in (1, 4):
            raise ConnectionError("gone")
        return honest()

    outcome = learned(tiny_workspace, Odd(lost), "one", "two")
    assert outcome.failed == {}
    assert any("is tried again: ConnectionError: gone" in note for note in outcome.notes)


def test_what_no_worker_can_do_fails_by_name_and_the_others_go_on(tiny_workspace: Path) -> None:
    def poisoned(call: int, honest: Callable[[], Any]) -> Any:
        answer = honest()
        if answer["files"] and b'"one"' in answer["files"]["task.json"]:
            raise MemoryError
        return answer

    executor = Odd(poisoned)
    outcome = learned(tiny_workspace, executor, "one", "two")
    assert list(outcome.failed) == ["one"]
    assert f"tried {ATTEMPTS} times, at last MemoryError" in str(outcome.failed["one"])
    assert WorkspaceFolder(tiny_workspace).tasks == ("animals", "colors", "two")


def test_an_executor_that_takes_no_more_work_fails_what_is_left(tiny_workspace: Path) -> None:
    with ThreadPoolExecutor(1) as closed:
        pass
    outcome = learned(tiny_workspace, closed, "one", "two")
    assert list(outcome.failed) == ["one", "two"]
    assert "could not do its job: RuntimeError" in str(outcome.failed["two"])


def test_a_worker_of_another_version_is_refused_by_name(
    tiny_workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = worker.versions_here
    monkeypatch.setattr(
        worker, "versions_here", lambda kind, torch: {**real(kind, torch=torch), "numpy": "1.0"}
    )
    outcome = learned(tiny_workspace, Odd(lambda call, honest: honest()), "one")
    told = str(outcome.failed["one"])
    assert "at last worker " in told
    assert "expected numpy " in told
    assert "found numpy 1.0; install the coordinator's versions there" in told


def test_a_worker_on_a_full_disk_says_so_and_works_on(
    tiny_workspace: Path, kept: Contents, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"")
    kept.folder = tmp_path / "file" / "worker"  # no folder can be made there
    outcome = learned(tiny_workspace, Odd(lambda call, honest: honest()), "one", "two")
    assert outcome.failed == {}
    assert any("it is kept in memory while this worker runs" in note for note in outcome.notes)


def test_contents_that_were_changed_on_the_disk_are_fetched_anew(
    tiny_workspace: Path, kept: Contents
) -> None:
    honest = Odd(lambda call, honest: honest())
    assert learned(tiny_workspace, honest, "one").failed == {}
    assert kept.folder is not None
    for path in kept.folder.iterdir():
        path.write_bytes(b"other" + path.read_bytes())
    assert learned(tiny_workspace, honest, "two").failed == {}


def _answers(**changed: Any) -> Odd:
    return Odd(lambda call, honest: {**honest(), **changed})


def test_an_answer_is_checked_before_it_is_believed(tiny_workspace: Path) -> None:
    """A machine of another class is asked to answer alike; files, names and forms are checked."""
    other = {"machine": "a board of another kind"}
    assert learned(tiny_workspace, _answers(**other), "one").failed == {}

    def turned(call: int, honest: Callable[[], Any]) -> Any:
        answer = honest()
        if answer["files"]:
            task = dict(answer["files"])
            from cfedge.bundle.arrays import dump_arrays, load_arrays

            arrays = load_arrays(task["adapter.safetensors"], "adapter")
            arrays |= {name: -arrays[name] for name in ("head.weight", "base.weight")}
            task["adapter.safetensors"] = dump_arrays(arrays)
            answer = {**answer, **other, "files": task}
        return answer

    def renamed(call: int, honest: Callable[[], Any]) -> Any:
        answer = honest()
        if answer["files"]:
            record = answer["files"]["task.json"].replace(b'"name":"two"', b'"name":"colors"')
            answer["files"]["task.json"] = record
        return answer

    for executor, error, words in (
        (Odd(turned), ParityError, "a machine of another class, found"),
        (Odd(renamed), CfedgeError, "found task 'colors'"),
        (_answers(missing=[], files={}), WorkspaceError, "expected the task's file"),
        (_answers(missing=[], files=None), CfedgeError, "it gave no result"),
        (_answers(missing=[], error=["DataError", "bad"]), DataError, "bad"),
        (_answers(missing=[], error=["Surprise", "odd"]), CfedgeError, "odd"),
        (Odd(lambda call, honest: "nothing"), CfedgeError, "expected an answer of cfedge"),
    ):
        failed = learned(tiny_workspace, executor, "two").failed
        assert isinstance(failed["two"], error)
        assert words in str(failed["two"])
    assert WorkspaceFolder(tiny_workspace).tasks == ("animals", "colors", "one")


def test_data_that_cannot_be_read_fail_their_own_task(tiny_workspace: Path, tmp_path: Path) -> None:
    gone = Examples((tmp_path / "gone.png",) * 4, ("a", "b") * 2, "pictures.csv", kind="image")
    data = {**tasks("one"), "pictures": LabelledData(gone)}
    outcome = learn_many(
        WorkspaceFolder(tiny_workspace),
        data,
        settings=dict.fromkeys(data, QUICK),
        place=Place(Odd(lambda call, honest: honest()), 2, 1),
    )
    assert list(outcome.failed) == ["pictures"]
    assert "could not read pictures.csv, input 1" in str(outcome.failed["pictures"])
    assert "one" in WorkspaceFolder(tiny_workspace).tasks


def test_ctrl_c_keeps_what_is_finished(tiny_workspace: Path) -> None:
    def interrupted(call: int, honest: Callable[[], Any]) -> Any:
        return honest()

    stopped = []

    class Listener:
        def track(self, title: str, total: int) -> Any:
            from contextlib import nullcontext

            def advance(steps: int) -> None:
                if steps:
                    stopped.append(steps)
                    raise KeyboardInterrupt

            return nullcontext(advance)

    with pytest.raises(KeyboardInterrupt):
        learned(tiny_workspace, Odd(interrupted), "one", "two", "three", progress=Listener())
    # Which is finished first is for the executor to say.
    finished = {"one", "two", "three"} & set(WorkspaceFolder(tiny_workspace).tasks)
    assert finished
    again = learned(tiny_workspace, Odd(interrupted), "one", "two", "three")
    assert again.failed == {}
    assert {"one", "two", "three"} <= set(WorkspaceFolder(tiny_workspace).tasks)
    for name in finished:
        assert f"task {name!r} was there, learned of the same data" in again.notes
