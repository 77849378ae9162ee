"""Changes that are made ready in the background: what they leave, what a click does, and what happens
where something goes wrong in the middle.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import desks
import here
import pytest
from clients import until
from desks import keep_food, label
from tiny import new_store, only, relearned, written

from cfedge import Engine
from cfedge.bundle.files import read, read_manifest, write
from cfedge.console import job_child
from cfedge.console.activation import Place, activate, roll_back
from cfedge.console.change import Change
from cfedge.console.jobs import Jobs
from cfedge.console.versions import bring, index_of
from cfedge.errors import CfedgeError, StorageError, TaskError, UsageError
from cfedge.inputs.text.stored import StoredTexts
from cfedge.train.change.edit import rename
from cfedge.train.workspace.folder import WorkspaceFolder


def done(console: desks.Opened, name: str) -> dict[str, Any]:
    """Wait for a job, and return it."""

    def one() -> dict[str, Any]:
        found = [job for job in console.good("/api/jobs")["jobs"] if job["name"] == name]
        return dict(found[0])

    until(lambda: time.sleep(0.1) or one()["state"] != "working")
    return one()


def taught(console: desks.Opened, change: dict[str, Any], numbers: list[int]) -> dict[str, Any]:
    begun = console.good("/api/teach", {"change": change, "numbers": numbers})
    assert begun["state"] == "working"
    return done(console, begun["name"])


class _Here(io.BytesIO):
    """A job's process as a thread of this one: loading torch anew is most of what it takes. That a
    process does the same is for the other jobs below.
    """

    def __init__(self, command: list[str], **_: object) -> None:
        super().__init__()
        self._words, self.stdin = command[-2:], self
        self._thread = threading.Thread(target=self._run)

    def close(self) -> None:
        """What it works on has come."""
        if not self.closed:
            self._content = self.getvalue()
            super().close()
            self._thread.start()

    def wait(self, timeout: float | None = None) -> int:
        self._thread.join(timeout)
        return 0

    def poll(self) -> int | None:
        return None if self._thread.is_alive() else 0

    def _run(self) -> None:
        with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            patch.setattr(sys, "argv", ["job_child", *self._words])
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(self._content)))
            patch.setattr(os, "nice", lambda by: by)
            job_child.main()


@pytest.fixture
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "cfedge.console.jobs.subprocess",
        SimpleNamespace(Popen=_Here, PIPE=subprocess.PIPE, STDOUT=subprocess.STDOUT),
    )
    here.use(monkeypatch)


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "console" not in path.parts and path.name != ".lock"
    }


@pytest.mark.slow
@pytest.mark.usefixtures("_here")
def test_a_selection_becomes_a_task_that_answers_on_a_click_and_goes_back_on_another(
    console: desks.Opened,
) -> None:
    assert console.place.workspace is not None
    numbers = label(console, keep_food(console))
    before = files(console.place.workspace), files(console.place.answers)
    job = taught(console, {"kind": "new task", "task": "food"}, numbers)
    assert job["state"] == "ready", job["result"]
    assert (files(console.place.workspace), files(console.place.answers)) == before
    assert list(console.good("/api/state")["tasks"]) == ["animals", "colors"]

    rows = {row["task"]: row for row in job["result"]["rows"]}
    assert rows["food"]["before"] is None
    assert rows["food"]["changed"]
    assert rows["colors"]["after"]["held_out"] == rows["colors"]["before"]["held_out"]
    assert job["result"]["method"] == "closed-form"
    assert job["result"]["outlook"]["examples"] > 0
    assert job["result"]["task_bytes"] > 1_000

    answers = console.good(f"/api/jobs/{job['name']}/activate", {})
    assert answers["state"] == "answers"
    state = console.good("/api/state")
    assert list(state["tasks"]) == ["animals", "colors", "food"]
    assert state["counts"]["taught"] == len(numbers)
    assert console.good("/api/try", {"text": "broth ladle"})["answers"][0]["task"] == "food"
    assert WorkspaceFolder(console.place.workspace).tasks == ("animals", "colors", "food")
    assert "food" in Engine.open(console.place.answers).tasks

    again = console.ask(f"/api/jobs/{job['name']}/activate", {})
    assert again.status == 400
    assert console.good(f"/api/jobs/{job['name']}/rollback", {})["state"] == "taken back"
    assert (files(console.place.workspace), files(console.place.answers)) == before
    state = console.good("/api/state")
    assert list(state["tasks"]) == ["animals", "colors"]
    assert state["counts"]["labelled"] == len(numbers)
    assert console.ask(f"/api/jobs/{job['name']}/rollback", {}).status == 400
    texts = b"".join(
        path.read_bytes()
        for path in (console.place.workspace / "console").rglob("*.json")
        if "ws" not in path.parts
    )
    assert b"broth" not in texts


@pytest.mark.slow
def test_a_job_goes_on_while_the_browser_and_the_console_are_gone(
    opened: Callable[..., desks.Opened], tiny_bundle: Path, tiny_workspace: Path, tmp_path: Path
) -> None:
    first = opened(tiny_bundle, tiny_workspace, tmp_path / "kept")
    numbers = label(first, keep_food(first))
    change = {"kind": "more", "task": "colors"}
    name = first.good("/api/teach", {"change": change, "numbers": numbers})["name"]
    busy = first.ask("/api/teach", {"change": {"kind": "remove", "task": "animals"}})
    assert "found a job at work" in busy.body["error"]
    first.stop(wait=False)
    second = opened(tiny_bundle, tiny_workspace, tmp_path / "kept")
    job = done(second, name)
    assert job["state"] == "ready", job["result"]
    row = next(one for one in job["result"]["rows"] if one["task"] == "colors")
    assert (row["before"]["classes"], row["after"]["classes"]) == (3, 5)
    first.stop()
    assert second.good(f"/api/jobs/{name}/drop", {})["state"] == "dropped"
    assert not (tiny_workspace / "console" / "jobs" / name / "ws").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("_here")
def test_of_two_consoles_one_switches_and_the_other_is_told(
    opened: Callable[..., desks.Opened], tiny_bundle: Path, tiny_workspace: Path, tmp_path: Path
) -> None:
    one, two = (opened(tiny_bundle, tiny_workspace, tmp_path / "kept") for _ in range(2))
    renamed = taught(one, {"kind": "rename", "task": "colors", "new": "paint"}, [])
    removed = taught(two, {"kind": "remove", "task": "colors"}, [])
    assert (renamed["state"], removed["state"]) == ("ready", "ready")
    row = next(row for row in renamed["result"]["rows"] if row["task"] == "paint")
    assert row["before"]["right"] == row["after"]["right"]
    one.good(f"/api/jobs/{renamed['name']}/activate", {})
    late = two.ask(f"/api/jobs/{removed['name']}/activate", {})
    assert late.status == 422
    assert "changed meanwhile; teach it again" in late.body["error"]
    assert list(two.good("/api/state")["tasks"]) == ["animals", "paint"]
    gone = two.ask("/api/teach", {"change": {"kind": "remove", "task": "colors"}})
    assert gone.status == 422
    assert "expected one of animals, paint" in gone.body["error"]


def test_what_cannot_be_taught_is_refused_at_once(console: desks.Opened) -> None:
    numbers = keep_food(console)

    def error(change: dict[str, Any], chosen: list[int]) -> str:
        answer = console.ask("/api/teach", {"change": change, "numbers": chosen})
        assert answer.status in (400, 422), answer.body
        return str(answer.body["error"])

    new = {"kind": "new task", "task": "food"}
    assert "expected inputs with labels, found none" in error(new, numbers["soup"])
    chosen = label(console, numbers)
    taken = error({**new, "task": "colors"}, chosen)
    assert "choose another name, or teach these as more examples of it" in taken
    assert "expected lower-case letters" in error({**new, "task": "<script>"}, chosen)
    assert "expected lower-case letters" in error({**new, "task": "x" * 10_000}, chosen)
    assert "expected one of animals, colors" in error({"kind": "more", "task": "gone"}, chosen)
    renamed = {"kind": "rename", "task": "colors", "new": "No Name"}
    assert "expected lower-case letters" in error(renamed, [])
    for name in ("../../etc", "a/b", "", "1-zz"):
        assert console.ask(f"/api/jobs/{name}/activate", {}).status in (400, 404)
    assert console.good("/api/jobs")["jobs"] == []


@pytest.fixture
def jobs(tiny_workspace: Path) -> Iterator[Jobs]:
    """Jobs whose processes are ended and waited for, also where a test fails."""
    made = Jobs(tiny_workspace / "console", tiny_workspace)
    yield made
    for process in made.processes.values():
        process.kill()
        process.wait()


def test_what_is_no_job_stops_none_and_what_is_left_of_one_goes(jobs: Jobs) -> None:
    folder = jobs.state / "jobs"
    (folder / "1-b" / "bundle").mkdir(parents=True)  # its console was killed while it forgot it
    (folder / "lost+found").mkdir()
    (folder / "0-a.txt").write_text("x", "utf-8")
    assert jobs.all() == []
    jobs._tidy()
    assert sorted(path.name for path in folder.iterdir()) == ["0-a.txt", "lost+found"]


@pytest.mark.slow
def test_a_process_that_dies_leaves_an_error_and_nothing_else(
    jobs: Jobs, tiny_workspace: Path
) -> None:
    before = files(tiny_workspace)
    job = jobs.begin(Change("remove", "colors"), None, StoredTexts())
    until(lambda: jobs.one(job.name).progress)
    process = jobs.processes[job.name]
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    found = jobs.one(job.name)
    assert found.state == "failed"
    assert "its process ended without a result" in found.result["error"]
    assert files(tiny_workspace) == before
    with pytest.raises(UsageError, match="expected one that is ready, found one that is failed"):
        activate(Place(tiny_workspace, tiny_workspace), jobs, job.name)


@pytest.mark.slow
def test_a_full_disk_while_it_teaches_costs_the_job_alone(jobs: Jobs, tiny_workspace: Path) -> None:
    """Files of this process and its children may be of 30 kB at most: the copy's task is larger."""
    before = files(tiny_workspace)
    code = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from cfedge.console.change import Change\n"
        "from cfedge.console.jobs import Jobs\n"
        "from cfedge.inputs.text.stored import StoredTexts\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))\n"
        "ws = Path(sys.argv[1]); jobs = Jobs(ws / 'console', ws)\n"
        "print(jobs.begin(Change('remove label', 'colors', label='red'), None, StoredTexts()).name)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, str(tiny_workspace)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},  # Python would leave it cut short
    )
    name = ran.stdout.strip()
    until(lambda: time.sleep(0.1) or jobs.one(name).state != "working")
    found = jobs.one(name)
    assert found.state == "failed"
    assert "could not" in found.result["error"]
    assert files(tiny_workspace) == before
    # What it had made takes no room where there is none.
    assert {path.name for path in jobs.folder(name).iterdir()} & {"ws", "bundle"} == set()


@pytest.mark.slow
def test_a_job_that_is_dropped_ends_whoever_began_it(jobs: Jobs, tiny_workspace: Path) -> None:
    for dropping in (jobs, Jobs(jobs.state, tiny_workspace)):  # its own, and another console's
        job = jobs.begin(Change("remove", "colors"), None, StoredTexts())
        until(lambda name=job.name: jobs.one(name).progress)
        dropping.drop(job.name)
        assert jobs.one(job.name).state == "dropped"
        jobs.processes[job.name].wait(60)
        until(lambda name=job.name: not jobs.one(name).result or "error" in jobs.one(name).result)
        with pytest.raises(UsageError, match="found one that is dropped"):
            activate(Place(tiny_workspace, tiny_workspace), jobs, job.name)


def _ready(jobs: Jobs, workspace: Path, bundle: Path) -> str:
    """A job as its process leaves it: the tasks with another name of one, and any bundle."""
    folder = jobs.state / "jobs" / "1-a"
    shutil.copytree(workspace, folder / "ws", ignore=shutil.ignore_patterns("console"))
    rename(WorkspaceFolder(folder / "ws"), "colors", "paint")
    shutil.copytree(bundle, folder / "bundle")
    request = {"change": {"kind": "rename", "task": "colors"}, "begun": time.time()}
    (folder / "request.json").write_text(json.dumps(request))
    (folder / "result.json").write_text(json.dumps({"base": index_of(workspace), "rows": []}))
    return "1-a"


def test_where_the_switch_fails_the_workspace_is_put_back_and_nobody_drops_it_meanwhile(
    jobs: Jobs, tiny_workspace: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = _ready(jobs, tiny_workspace, tiny_bundle)
    monkeypatch.setattr("cfedge.console.turn._TURN_S", 0.1)
    before = files(tiny_workspace), files(tiny_bundle)
    place, other = Place(tiny_bundle, tiny_workspace), Jobs(jobs.state, tiny_workspace)
    real, tries = os.replace, iter([True])

    def full(source: Any, target: Any) -> None:
        if Path(target) == tiny_bundle and next(tries, False):
            for deciding in (other.drop, lambda name: roll_back(place, other, name)):
                with pytest.raises(TaskError, match="expected nobody else who switches or drops"):
                    deciding(name)
            raise OSError(28, "No space left on device")
        real(source, target)

    monkeypatch.setattr("cfedge.storage._exchanged", lambda *_: False)
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(StorageError, match="No space left"):
        activate(place, jobs, name)
    monkeypatch.undo()
    assert (files(tiny_workspace), files(tiny_bundle)) == before
    assert jobs.one(name).state == "ready"
    activate(place, jobs, name)
    assert WorkspaceFolder(tiny_workspace).tasks == ("animals", "paint")
    with pytest.raises(UsageError, match="expected one that does not answer"):
        jobs.drop(name)


def test_a_disk_without_room_for_the_decision_changes_nothing(
    jobs: Jobs, tiny_workspace: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, place = _ready(jobs, tiny_workspace, tiny_bundle), Place(tiny_bundle, tiny_workspace)

    def refused(*_: Any, **__: Any) -> None:
        raise StorageError("could not write it: No space left on device")

    for what, state in ((activate, "ready"), (roll_back, "answers")):
        before = files(tiny_workspace), files(tiny_bundle)
        for part in ("jobs.write_file", "activation.copy_folder"):  # the note, and the switch
            with monkeypatch.context() as full:
                full.setattr(f"cfedge.console.{part}", refused)
                with pytest.raises(StorageError, match="No space left"):
                    what(place, jobs, name)
            assert (files(tiny_workspace), files(tiny_bundle)) == before
            assert jobs.one(name).state == state
        what(place, jobs, name)
    assert jobs.one(name).state == "taken back"


def test_nothing_is_taken_back_that_others_changed_since(
    jobs: Jobs, tiny_workspace: Path, tiny_bundle: Path
) -> None:
    place = Place(tiny_bundle, tiny_workspace)
    name = _ready(jobs, tiny_workspace, tiny_bundle)
    activate(place, jobs, name)
    mine = read(tiny_bundle)
    write(only(mine, "colors"), tiny_bundle, replace=True)  # as somebody else exports
    with pytest.raises(UsageError, match="something else was switched on since; teach what you"):
        roll_back(place, jobs, name)
    assert read_manifest(tiny_bundle).tasks[0].name == "colors"
    write(mine, tiny_bundle, replace=True)
    rename(WorkspaceFolder(tiny_workspace), "animals", "pets")
    with pytest.raises(TaskError, match="changed meanwhile"):
        roll_back(place, jobs, name)
    assert WorkspaceFolder(tiny_workspace).tasks == ("paint", "pets")
    rename(WorkspaceFolder(tiny_workspace), "pets", "animals")
    roll_back(place, jobs, name)
    assert WorkspaceFolder(tiny_workspace).tasks == ("animals", "colors")


def test_a_workspace_is_brought_to_another_ones_tasks(tiny_workspace: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(tiny_workspace, tmp_path / "other"))
    rename(WorkspaceFolder(other), "colors", "paint")
    index = index_of(tiny_workspace)
    bring(tiny_workspace, other)
    assert index_of(tiny_workspace) == index_of(other) != index


def test_a_store_without_keys_says_what_it_needs(
    jobs: Jobs, tiny_workspace: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    from cfedge.store import Store

    Store.create(tmp_path / "store", "stable")
    name = _ready(jobs, tiny_workspace, tiny_bundle)
    with pytest.raises(UsageError, match="start the console with --repo and --keys"):
        activate(Place(tmp_path / "store", tiny_workspace), jobs, name)
    with pytest.raises(UsageError, match="expected both or none"):
        Place.checked(tiny_bundle, None, repository=tmp_path, keys=None, channel="stable")
    with pytest.raises(CfedgeError, match="expected a workspace"):
        Place.checked(tiny_bundle, tmp_path, repository=None, keys=None, channel="stable")


@pytest.mark.slow
@pytest.mark.usefixtures("_here")
def test_a_store_is_switched_by_publishing_and_syncing_and_goes_back_by_its_own_rules(
    opened: Callable[..., desks.Opened], tiny_bundle: Path, tiny_workspace: Path, tmp_path: Path
) -> None:
    from cfedge.publish.channel import publish
    from cfedge.publish.keys import Keys
    from cfedge.store import Store
    from cfedge.sync.client import sync, utc_now
    from cfedge.sync.transport import source_of

    repository, keys = tmp_path / "site" / "repo", tmp_path / "site" / "keys"
    made = Keys.create(keys, site="here", root_keys=1, root_threshold=1)
    publish(tiny_bundle, repository, made, now=utc_now())
    sync(new_store(tmp_path / "site", tmp_path / "store"), source_of([str(repository)]))
    console = opened(tmp_path / "store", tiny_workspace, repository=repository, keys=keys)
    job = taught(console, {"kind": "rename", "task": "colors", "new": "paint"}, [])
    assert job["state"] == "ready", job["result"]
    console.good(f"/api/jobs/{job['name']}/activate", {})
    assert list(console.good("/api/state")["tasks"]) == ["animals", "paint"]
    generations = console.good("/api/tasks")["generations"]
    assert [one["answers"] for one in generations].count(True) == 1
    console.good(f"/api/jobs/{job['name']}/rollback", {})
    state = console.good("/api/state")
    assert list(state["tasks"]) == ["animals", "colors"]
    pointer = Store(tmp_path / "store").pointer()
    assert pointer is not None
    assert pointer.pinned
    console.good("/api/generation", {"unpin": True})
    assert console.ask("/api/generation", {"to": 99}).status == 500
    # What was taken back is published still, and does not come back with the next change.
    other = taught(console, {"kind": "rename", "task": "animals", "new": "pets"}, [])
    console.good(f"/api/jobs/{other['name']}/activate", {})
    assert list(console.good("/api/state")["tasks"]) == ["colors", "pets"]
    # The store goes on to what others published: the click would go back to something else.
    publish(
        written(relearned(read(tiny_bundle), "animals"), tmp_path / "other"),
        repository,
        made,
        now=utc_now(),
    )
    assert sync(Store(tmp_path / "store"), source_of([str(repository)])).changed
    late = console.ask(f"/api/jobs/{other['name']}/rollback", {})
    assert late.status == 400
    assert "something else was switched on since; let an earlier" in late.body["error"]
