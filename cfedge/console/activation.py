"""What is ready begins to answer, and goes back, on a person's click alone. Wherever it stops, what
answered goes on.

A bundle's folder is replaced in one step. A store takes only what its channel's keys signed, so a
change is published and synced: the store tries it and switches by its own rules. The workspace
follows, and is put back where the switch fails.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from cfedge.bundle.files import read_manifest
from cfedge.console.copies import copy_folder
from cfedge.console.job import Job
from cfedge.console.job_child import WITHOUT
from cfedge.console.jobs import Jobs
from cfedge.console.turn import alone
from cfedge.console.versions import bring, index_of
from cfedge.errors import StorageError, TaskError, UsageError
from cfedge.store import Store

__all__ = ["Place", "activate", "roll_back"]

#: Of a job's folder: it was published, whatever became of it.
_PUBLISHED = "published"
#: What to do where a click cannot go back: of a bundle, and of a store.
_BACK = ("teach what you need anew", "let an earlier generation answer, in Tasks")


@dataclass(frozen=True)
class Place:
    """What a console works on.

    Attributes
    ----------
    answers
        The bundle's folder, or the store.
    workspace
        Where tasks are taught; None: nothing is.
    repository, keys
        To publish; a store needs them.
    channel
        That is published to.
    synthetic_golden
        Bundles carry made-up inputs in the place of held-out ones.
    """

    answers: Path
    workspace: Path | None = None
    repository: Path | None = None
    keys: Path | None = None
    channel: str = "stable"
    synthetic_golden: bool = False

    @classmethod
    def checked(
        cls,
        answers: Path,
        workspace: Path | None,
        *,
        repository: Path | None,
        keys: Path | None,
        channel: str,
        synthetic_golden: bool = False,
    ) -> Place:
        """Return a place whose parts go together.

        Raises
        ------
        UsageError
            A repository without keys, or keys without one.
        WorkspaceError
            There is no such workspace.
        """
        if (repository is None) != (keys is None):
            raise UsageError("--repo, --keys: expected both or none, found one of them; add it")
        if workspace is not None:
            from cfedge.train.workspace.files import index_bytes

            index_bytes(workspace)
        return cls(answers, workspace, repository, keys, channel, synthetic_golden)

    @property
    def is_store(self) -> bool:
        """Whether a store answers."""
        return Store.exists(self.answers)

    @property
    def cannot_activate(self) -> str | None:
        """Why nothing can begin to answer here; None: it can."""
        if self.workspace is None:
            return "no workspace: start the console with one, as in: cfedge console bundle ws"
        if self.is_store and (self.repository is None or self.keys is None):
            return (
                "a store takes only what its channel's keys signed: start the console with --repo"
                " and --keys"
            )
        return None


def activate(place: Place, jobs: Jobs, name: str) -> None:
    """Let a job that is ready answer.

    Raises
    ------
    UsageError, TaskError
        It is not ready, or the workspace changed since it was made from it.
    CfedgeError
        It could not be switched to; what answered goes on.
    """
    if (why := place.cannot_activate) is not None:
        raise UsageError(f"could not switch it on: {why}")
    assert place.workspace is not None
    with alone(jobs.state):
        job = jobs.one(name)
        if job.state != "ready":
            raise UsageError(f"job: expected one that is ready, found one that is {job.state}")
        folder = jobs.folder(name)
        _check_base(place.workspace, str(job.result.get("base")), "teach it again")
        if not (folder / "bundle").is_dir():
            raise StorageError(f"{folder}: expected the bundle, found none; teach it again")
        _keep_before(place, folder)
        before = _answering(place)
        # of a store it is known once it has switched
        now = None if place.is_store else read_manifest(folder / "bundle").digest
        with (
            jobs.deciding(name, "answers", before=before, now=now),
            _brought(place.workspace, folder / "ws", folder / "before" / "ws"),
        ):
            _switch(place, jobs, job)
        if place.is_store:
            with suppress(StorageError):  # it answers all the same, and Tasks can go back
                jobs.decide(name, "answers", before=before, now=_answering(place))


def roll_back(place: Place, jobs: Jobs, name: str) -> None:
    """Let what answered before a job answer again.

    Raises
    ------
    UsageError, TaskError
        It does not answer, another began to answer after it, or the workspace changed since.
    CfedgeError
        It could not be switched back; what answers goes on.
    """
    with alone(jobs.state):
        last = next((job for job in jobs.all() if job.state == "answers"), None)
        if last is None or last.name != name or place.workspace is None:
            raise UsageError(
                "go back: expected the change that began to answer last, found another; take back"
                " later ones first"
            )
        folder = jobs.folder(name)
        decided = jobs.decided(name)
        if _answering(place) != decided.get("now"):
            raise UsageError(
                f"{place.answers}: expected what this change made, found that something else was"
                " switched on since; " + _BACK[place.is_store]
            )
        _check_base(place.workspace, index_of(folder / "ws"), _BACK[place.is_store])
        with (
            jobs.deciding(name, "taken back"),
            _brought(place.workspace, folder / "before" / "ws", folder / "ws"),
        ):
            if place.is_store:
                Store(place.answers).rollback(decided.get("before"))
            else:
                copy_folder(folder / "before" / "bundle", place.answers, replace=True)


@contextmanager
def _brought(workspace: Path, source: Path, back: Path) -> Iterator[None]:
    """Give the workspace the tasks of `source`; those of `back` where what follows fails."""
    bring(workspace, source)
    try:
        yield
    except BaseException:
        bring(workspace, back)
        raise


def _answering(place: Place) -> int | str | None:
    """What answers: a store's generation, or the digest of a bundle."""
    if not place.is_store:
        return read_manifest(place.answers).digest
    pointer = Store(place.answers).pointer()
    return None if pointer is None else pointer.generation


def _check_base(workspace: Path, expected: str, remedy: str) -> None:
    if index_of(workspace) != expected:
        raise TaskError(
            f"{workspace}: expected its tasks as they were, found that they changed meanwhile;"
            f" {remedy}"
        )


def _keep_before(place: Place, folder: Path) -> None:
    before = folder / "before"
    shutil.rmtree(before, ignore_errors=True)
    assert place.workspace is not None
    copy_folder(place.workspace, before / "ws", without=WITHOUT)
    if not place.is_store:
        copy_folder(place.answers, before / "bundle")


def _switch(place: Place, jobs: Jobs, job: Job) -> None:
    folder = jobs.folder(job.name)
    if not place.is_store:
        copy_folder(folder / "bundle", place.answers, replace=True)
        return
    assert place.repository is not None
    assert place.keys is not None
    from cfedge.publish.channel import publish, withdraw
    from cfedge.publish.keys import Keys
    from cfedge.sync.client import sync, utc_now
    from cfedge.sync.transport import source_of

    keys = Keys(place.keys, os.environ.get("CFEDGE_PASSPHRASE"))
    store = Store(place.answers)
    now, channel = utc_now(), place.channel
    published = publish(folder / "bundle", place.repository, keys, channel=channel, now=now)
    (folder / _PUBLISHED).touch()
    for task in sorted(_no_more(jobs, job) & set(published.only_here)):
        withdraw(place.repository, keys, task, channel=channel, now=now)
    pointer = store.pointer()
    if pointer is not None and pointer.pinned:
        store.unpin()
    sync(store, source_of([str(place.repository)]))


def _no_more(jobs: Jobs, job: Job) -> set[str]:
    """Tasks that a channel may have of this console's changes and is to have no more: what this one
    renames or removes, and what was published by changes that do not answer.
    """
    change = job.request["change"]
    gone = {change["task"]} if change["kind"] in ("rename", "remove") else set[str]()
    for one in jobs.all():
        if one.state != "answers" and (jobs.folder(one.name) / _PUBLISHED).exists():
            made = one.request["change"]
            gone.add(made["new"] if made["kind"] == "rename" else made["task"])
    return gone
