"""Learning a task as a job: backbone, examples and settings in, the task's files out.

Several tasks are learned wherever a `Place` is; only this process writes to the workspace, a whole
task at a time. A task that is there already, of the same job, is not learned again.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import cfedge.inputs
from cfedge.bundle.canonical import typed
from cfedge.bundle.manifest import Backbone
from cfedge.counted import counted
from cfedge.device import usable_cores
from cfedge.errors import CfedgeError, UsageError
from cfedge.progress import Progress, Quiet
from cfedge.train.examples.examples import LabelledData
from cfedge.train.features.feature_cache import empty_cache
from cfedge.train.jobs.answer import Answer
from cfedge.train.jobs.job import Job
from cfedge.train.jobs.labelled import parsed_examples
from cfedge.train.jobs.marks import Marks
from cfedge.train.jobs.parity import check_parity
from cfedge.train.jobs.place import Place
from cfedge.train.jobs.running import Outcome, run
from cfedge.train.jobs.task_jobs import TaskJobs
from cfedge.train.jobs.versions import machine_class
from cfedge.train.learn.method import train_task
from cfedge.train.settings import Settings
from cfedge.train.workspace.backbone_source import SentBackbone
from cfedge.train.workspace.files import digest_of
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge.train.workspace.learned_task import LearnedTask
from cfedge.train.workspace.stored_task import StoredTask

__all__ = ["learn_many", "perform"]

#: Parts of a task's training that progress is counted in.
_PARTS = 100


def learn_many(
    workspace: WorkspaceFolder,
    tasks: Mapping[str, LabelledData],
    *,
    settings: Mapping[str, Settings],
    place: Place | None = None,
    replace: bool = False,
    title: str = "",
    progress: Progress | None = None,
) -> Outcome:
    """Learn tasks and add each to the workspace when it is done.

    Parameters
    ----------
    tasks, settings
        By name the examples, with held-out ones or None, and how to learn; ``method`` is decided.
    place
        Where they are learned; None: here, one after another.

    Returns
    -------
    Outcome
        What stopped tasks; the others are in the workspace.

    Raises
    ------
    UsageError, TaskError
        Before anything is learned: a place with `Settings.reuse`; a name or label that is taken, or
        given twice.
    """
    place, progress = place or Place(), progress or Quiet()
    _check_reuse(settings, place)
    marks = Marks(workspace)
    jobs = TaskJobs(workspace, tasks, _with_threads(settings, place))
    unread = jobs.unread()
    known = [name for name in tasks if name in workspace.tasks and name not in unread]
    # One that reuses units reads other tasks too.
    there = {name for name in known if not settings[name].reuse and marks.holds(jobs.job(name))}
    classes = {name: data.train.classes for name, data in tasks.items() if name not in there}
    workspace.check_several(classes, replace=replace)
    kind = "at once" if place.executor is not None else "one after another"
    with progress.track(
        f"{title}{counted(len(tasks), 'task')}, {kind}", _PARTS * len(tasks)
    ) as advance:
        advance(_PARTS * (len(there) + len(unread)))
        left = [name for name in tasks if name not in there and name not in unread]
        stored = _Stored(workspace, marks, replace)
        if place.executor is None:
            outcome = _here(workspace, jobs, left, stored, advance)
        else:
            orders, ended = map(jobs.order, left), lambda: advance(_PARTS)
            outcome = run(orders, place, jobs.shared(), done=stored, ended=ended)
    _tell_of_others(outcome, tasks, there, unread)
    empty_cache(workspace.cache)
    marks.prune()
    return outcome


def _tell_of_others(
    outcome: Outcome,
    names: Iterable[str],
    there: Collection[str],
    unread: Mapping[str, CfedgeError],
) -> None:
    """Add the tasks that were not begun to what became of the others, in the order of `names`."""
    names = list(names)
    outcome.notes |= {
        f"task {name!r} was there, learned of the same data": None
        for name in names
        if name in there
    }
    failed = {**outcome.failed, **unread}
    outcome.failed = {name: failed[name] for name in names if name in failed}


def _with_threads(settings: Mapping[str, Settings], place: Place) -> dict[str, Settings]:
    """The settings, with the place's threads where they are left open."""
    if place.threads is None:
        return dict(settings)
    return {
        name: dataclasses.replace(one, threads=one.threads or place.threads)
        for name, one in settings.items()
    }


def _here(
    workspace: WorkspaceFolder,
    jobs: TaskJobs,
    names: list[str],
    stored: _Stored,
    advance: Callable[[int], None],
) -> Outcome:
    """Learn in this process: the workspace is read as it is, and features stay in its cache."""
    outcome = Outcome()
    for name in names:
        parts = _Parts(advance)
        try:
            task = train_task(workspace, name, jobs.tasks[name], jobs.settings[name], parts)
            stored.put(jobs.job(name), task)
        except CfedgeError as error:
            outcome.failed[name] = error
        advance(parts.left)
    return outcome


@dataclasses.dataclass(frozen=True)
class _Stored:
    """Takes tasks in: checked, then written."""

    workspace: WorkspaceFolder
    marks: Marks
    replace: bool

    def __call__(self, job: Job, answer: Answer) -> None:
        """Take what a worker gave."""
        assert answer.files is not None
        backbone = self.workspace.backbone
        task = StoredTask(Path(f"task {job.name} of a worker"), backbone, answer.files).parsed()
        record = task.record
        if (record.name, record.base) != (job.name, self.workspace.backbone.digest):
            raise CfedgeError(
                f"worker {answer.worker}: expected task {job.name!r} on backbone"
                f" {self.workspace.backbone.digest[:12]}, found task {record.name!r} on"
                f" {record.base[:12]}; do not trust it"
            )
        if answer.machine != machine_class():
            check_parity(task, self.workspace, answer.worker)
        self.put(job, task)

    def put(self, job: Job, task: LearnedTask) -> None:
        """Write a task and what job it is of; two coordinators wait for each other."""
        parts = task.files(self.workspace.stored)
        self.marks.add(job, f"{job.name}-{digest_of(parts)}")
        self.workspace.put(
            task,
            replace=self.replace,
            unless=lambda: self.marks.holds(job),
        )


def perform(job: Job, contents: Mapping[str, bytes]) -> tuple[dict[str, bytes], str]:
    """Learn a task, where the work is done; return its files, and what people should know.

    Raises
    ------
    TaskError, DataError
        The task cannot be learned.
    """
    record = typed(Backbone, json.loads(contents["backbone"]), "backbone")
    files = {
        role.removeprefix("backbone/"): data
        for role, data in contents.items()
        if role.startswith("backbone/")
    }
    settings: Settings = typed(Settings, job.arguments["settings"], "settings")
    cores, note = usable_cores(), ""
    if settings.threads is not None and settings.threads > cores:
        note = (
            f"expected {settings.threads} cores for a task, found {cores}: it learned with"
            f" {cores}, and the bits may differ from another worker's"
        )
    held_out = contents.get("held_out")
    data = LabelledData(
        parsed_examples(contents["train"]),
        None if held_out is None else parsed_examples(held_out),
    )
    source = SentBackbone(record, files)
    capped = dataclasses.replace(settings, threads=min(settings.threads or 1, cores))
    task = train_task(source, job.name, data, capped, Quiet())
    return task.files(cfedge.inputs.stored(record.input)), note


class _Parts:
    """Tells `_PARTS` of the training as it goes on; other stages are short and count for
    nothing.
    """

    def __init__(self, tell: Callable[[int], None]) -> None:
        self._tell, self.left = tell, _PARTS

    @contextmanager
    def track(self, title: str, total: int) -> Iterator[Callable[[int], None]]:
        """Begin a stage."""
        done = 0

        def advance(steps: int) -> None:
            nonlocal done
            done += steps
            if title == "adapter" and (new := self.left - _PARTS + done * _PARTS // total) > 0:
                self.left -= new
                self._tell(new)

        yield advance


def _check_reuse(settings: Mapping[str, Settings], place: Place) -> None:
    if place.executor is not None and any(chosen.reuse for chosen in settings.values()):
        raise UsageError(
            "--jobs: expected 1, and no --on, with --reuse, found another place; a task that reuses"
            " others' units waits for them"
        )
