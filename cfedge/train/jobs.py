"""Learn several tasks at once, each in a process of its own; only this one writes to the workspace,
a whole task at a time.

With the same `Settings.threads` a task has the same bytes as learned alone: it reads nothing of the
others. What fails, fails alone, by name. Stopping this process stops the others, and what was
stored stays.
"""

from __future__ import annotations

import dataclasses
import multiprocessing
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path

from cfedge.device import usable_cores
from cfedge.errors import CfedgeError, UsageError
from cfedge.progress import Progress, Quiet
from cfedge.train.examples import Examples, LabelledData
from cfedge.train.feature_cache import empty_cache
from cfedge.train.learned_task import LearnedTask
from cfedge.train.learner import train
from cfedge.train.settings import Settings
from cfedge.train.workspace import WorkspaceFolder

__all__ = ["learn_many"]

#: Parts of a task's training that progress is counted in.
_PARTS = 100


def learn_many(
    workspace: WorkspaceFolder,
    tasks: Mapping[str, LabelledData],
    *,
    settings: Settings,
    jobs: int = 1,
    replace: bool = False,
    title: str = "",
    progress: Progress | None = None,
) -> dict[str, CfedgeError]:
    """Learn tasks, `jobs` at a time, and add each to the workspace when it is done.

    Parameters
    ----------
    tasks
        By name; of each the examples, and held-out ones or None, as for
        `cfedge.train.learner.learn`.
    settings
        Where `threads` is None and there are several jobs, they share the cores.

    Returns
    -------
    dict of CfedgeError
        By task, what stopped it; the others are in the workspace.

    Raises
    ------
    UsageError, TaskError
        Before anything is learned: several jobs with `Settings.reuse`; a name or label that is
        taken, or given twice.
    """
    if jobs < 1:
        raise UsageError(f"--jobs: expected >= 1, found {jobs}")
    if jobs > 1 and settings.reuse:
        raise UsageError(
            f"--jobs: expected 1 with --reuse, found {jobs}; a task that reuses others' units waits"
            " for them"
        )
    workspace.check_several(
        {name: data.train.classes for name, data in tasks.items()}, replace=replace
    )
    progress = progress or Quiet()
    if jobs > 1 and len(tasks) > 1:
        if settings.threads is None:
            settings = dataclasses.replace(settings, threads=max(1, usable_cores() // jobs))
        failed = _at_once(workspace, tasks, settings, jobs, replace, title, progress)
    else:
        failed = _one_by_one(workspace, tasks, settings, replace, title, progress)
    empty_cache(workspace.cache)
    return failed


def _one_by_one(
    workspace: WorkspaceFolder,
    tasks: Mapping[str, LabelledData],
    settings: Settings,
    replace: bool,
    title: str,
    progress: Progress,
) -> dict[str, CfedgeError]:
    failed: dict[str, CfedgeError] = {}
    with progress.track(f"{title}{len(tasks)} tasks", _PARTS * len(tasks)) as advance:
        for name, data in tasks.items():
            parts = _Parts(advance)
            try:
                task = train(
                    workspace, name, data.train, data.held_out, settings=settings, progress=parts
                )
                workspace.put(task, replace=replace)
            except CfedgeError as error:
                failed[name] = error
            advance(parts.left)
    return failed


def _at_once(
    workspace: WorkspaceFolder,
    tasks: Mapping[str, LabelledData],
    settings: Settings,
    jobs: int,
    replace: bool,
    title: str,
    progress: Progress,
) -> dict[str, CfedgeError]:
    context = multiprocessing.get_context(
        "spawn"
    )  # a fork would share the threads of torch and ONNX Runtime
    waiting = list(tasks)
    running: dict[Connection, _Job] = {}
    failed: dict[str, CfedgeError] = {}
    try:
        with progress.track(
            f"{title}{len(tasks)} tasks, {jobs} at once", _PARTS * len(tasks)
        ) as advance:
            while waiting or running:
                while waiting and len(running) < jobs:
                    job = _Job.begun(
                        context, workspace.folder, waiting[0], tasks[waiting.pop(0)], settings
                    )
                    running[job.connection] = job
                for connection in wait(list(running)):
                    assert isinstance(connection, Connection)
                    job = running[connection]
                    message = job.message()
                    if isinstance(message, int):
                        job.left -= message
                        advance(message)
                        continue
                    del running[connection]
                    job.end()
                    advance(job.left)
                    try:
                        if isinstance(message, CfedgeError):
                            raise message
                        workspace.put(message, replace=replace)
                    except CfedgeError as error:
                        failed[job.name] = error
    finally:
        for job in running.values():
            job.end()
    return {name: failed[name] for name in tasks if name in failed}


@dataclasses.dataclass
class _Job:
    """A process that learns one task, and our end of its pipe."""

    name: str
    process: SpawnProcess
    connection: Connection
    left: int = _PARTS

    @classmethod
    def begun(
        cls, context: SpawnContext, folder: Path, name: str, data: LabelledData, settings: Settings
    ) -> _Job:
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(
            target=_work,
            args=(theirs, folder, name, data.train, data.held_out, settings),
            name=name,
            daemon=True,
        )
        process.start()
        theirs.close()
        return cls(name, process, ours)

    def message(self) -> int | LearnedTask | CfedgeError:
        """Return the next message: parts done, the task, or why there is none."""
        try:
            found: int | LearnedTask | CfedgeError = self.connection.recv()
        except EOFError:
            self.process.join()
            return CfedgeError(
                "expected its process to learn it, found that it ended with code"
                f" {self.process.exitcode} (-9: killed, perhaps for its memory); try fewer --jobs"
            )
        return found

    def end(self) -> None:
        """Stop the process, if it still runs."""
        self.connection.close()
        self.process.terminate()
        self.process.join()


def _work(
    connection: Connection,
    folder: Path,
    name: str,
    examples: Examples,
    held_out: Examples | None,
    settings: Settings,
) -> None:
    """Learn a task in a process of its own and send it."""
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C reaches the whole group; whoever began this process ends it
    try:
        connection.send(
            train(
                WorkspaceFolder(folder),
                name,
                examples,
                held_out,
                settings=settings,
                progress=_Parts(connection.send),
            )
        )
    except CfedgeError as error:
        connection.send(error)


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
