"""The workshop's folder: one backbone, its tasks, and the evidence kept with each.

::

    WS/workspace.json             the backbone's record and the tasks' folders; written last, in
                                  one step
    WS/backbone/                  trunk.onnx, tail.onnx, what reads inputs (shipped); train_tail.onnx
                                  (what training sees: de-quantised weights); float_trunk.onnx,
                                  float_tail.onnx (for comparison); background.safetensors (shipped)
                                  and foreign.safetensors, where inputs of no task are known
    WS/tasks/<name>-<digest>/     task.json and the files of `cfedge.train.workspace.learned_task`
    WS/cache/                     trunk features of the task being learned
    WS/jobs/                      which tasks are of which job (`cfedge.train.jobs.marks`)

A task's folder never changes. Its training data are not kept, but eight bytes of each example's
digest are (`cfedge.train.features.known_examples`); its held-out inputs are kept, as evidence
for the certificate, the parity check and the golden vectors, and no training reads them. What the
files mean is for the learner and the exporter.

Letters: D width, C classes, K factor rank, N held-out examples.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from cfedge.bundle.manifest import Backbone
from cfedge.errors import CfedgeError, TaskError, WorkspaceError
from cfedge.lookups import DEFAULT
from cfedge.storage import write_file
from cfedge.train.examples.labels import check_task
from cfedge.train.workspace.files import (
    digest_of,
    exclusively,
    remove_unnamed,
    write_new,
    write_task,
)
from cfedge.train.workspace.index import Index, backbone_files
from cfedge.train.workspace.learned_task import LearnedTask
from cfedge.train.workspace.read import ReadWorkspace

__all__ = ["PATIENCE_S", "WorkspaceFolder"]

#: Another process may hold the workspace for so long: it writes one task.
PATIENCE_S = 60.0
_NOTHING: Mapping[str, str] = MappingProxyType({})


class WorkspaceFolder(ReadWorkspace):
    """An opened workspace: its backbone and its tasks, read and written.

    Parameters
    ----------
    folder
        Made by `written`.

    Raises
    ------
    WorkspaceError
        It is missing, of another schema, or damaged.
    """

    @classmethod
    def written(
        cls, folder: Path, backbone: Backbone, files: Mapping[str, bytes], lookup: str = DEFAULT
    ) -> WorkspaceFolder:
        """Write a new workspace around a prepared backbone; `files` holds the files of
        ``backbone/``, `lookup` names one of `cfedge.lookup.rules`.
        """
        assert set(files) == backbone_files(backbone)
        digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
        write_new(folder, Index(backbone, digests, {}, lookup).dumped(), files)
        return cls(folder)

    def check_new(self, name: str, classes: tuple[str, ...], *, replace: bool) -> None:
        """Refuse a task that cannot be added, as `cfedge.train.examples.labels.check_task` does."""
        self.check_several({name: classes}, replace=replace)

    def check_several(self, tasks: Mapping[str, tuple[str, ...]], *, replace: bool) -> None:
        """Refuse tasks, classes by name, that cannot be added; errors as of `check_new`."""
        for name, classes in tasks.items():
            if name in self._index.tasks and not replace:
                raise TaskError(
                    f"task {name!r}: expected a new name, found a task of that name; add"
                    " examples or classes to it with: cfedge update; use --replace to learn it anew"
                )
            check_task(name, classes)

    def put(
        self,
        task: LearnedTask,
        *,
        replace: bool = False,
        made_of: Mapping[str, str] = _NOTHING,
        wait_s: float = PATIENCE_S,
        unless: Callable[[], bool] = lambda: False,
    ) -> None:
        """Add a learned task, or put it in the place of one of the same name, in one step.

        Parameters
        ----------
        made_of
            Versions of the tasks that this one was made of (`ReadWorkspace.versions`): where another
            process changed one meanwhile, nothing is written, as what it did would be lost.
        wait_s
            For another process that holds the workspace.
        unless
            Asked once the workspace is held: where it says so, nothing is written.

        Raises
        ------
        WorkspaceError
            Another process holds the workspace, or has changed what the task was made of.
        """
        self.exchange([task], replace=replace, made_of=made_of, wait_s=wait_s, unless=unless)

    def exchange(
        self,
        tasks: Sequence[LearnedTask],
        gone: Collection[str] = (),
        *,
        replace: bool = False,
        made_of: Mapping[str, str] = _NOTHING,
        wait_s: float = PATIENCE_S,
        unless: Callable[[], bool] = lambda: False,
    ) -> None:
        """Put tasks in the place of those that are `gone`, in one step; as `put`."""
        files = {task.record.name: task.files(self.stored) for task in tasks}
        folders = {name: f"{name}-{digest_of(parts)}" for name, parts in files.items()}
        with self.locked(wait_s):
            if unless():
                return
            self._check_unchanged(made_of)
            kept = {name: at for name, at in self._index.tasks.items() if name not in gone}
            for task in tasks:
                name = task.record.name
                self.check_new(name, task.record.classes, replace=replace or name not in kept)
            try:
                for name, parts in files.items():
                    write_task(self.folder / "tasks" / folders[name], parts)
                self._point({**kept, **folders})
            except CfedgeError:
                for name, folder in folders.items():
                    if self._index.tasks.get(name) != folder:
                        shutil.rmtree(self.folder / "tasks" / folder, ignore_errors=True)
                raise

    def remove(self, name: str) -> None:
        """Remove a task, or raise TaskError; nothing of the others changes."""
        self.task_folder(name)
        self.exchange((), {name})

    @contextlib.contextmanager
    def locked(self, wait_s: float = PATIENCE_S) -> Iterator[None]:
        """Hold the workspace for writing, or wait so long for it; the index is read anew.

        Raises
        ------
        WorkspaceError
            Another process holds it.
        """
        with exclusively(self.folder, wait_s):
            self._index = WorkspaceFolder(self.folder)._index
            yield

    def _check_unchanged(self, made_of: Mapping[str, str]) -> None:
        """Refuse where one of these versions is not the workspace's any more."""
        for name, version in made_of.items():
            now = self._index.tasks.get(name)
            if now != version:
                done = "removed or renamed" if now is None else "changed"
                raise WorkspaceError(
                    f"{self.folder}: expected task {name!r} as it was when this command began, found"
                    f" that another one has {done} it meanwhile; nothing was written: run it again"
                )

    def _point(self, folders: dict[str, str]) -> None:
        """Make `folders` the tasks; then delete task folders that nothing points to."""
        index = dataclasses.replace(self._index, tasks=folders)
        write_file(self.folder / "workspace.json", index.dumped())
        self._index = index
        remove_unnamed(self.folder, set(folders.values()))
