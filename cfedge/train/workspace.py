"""The workshop's folder: one backbone, its tasks, and the evidence kept with each.

::

    WS/workspace.json             the backbone's record and the tasks' folders; written last, in
                                  one step
    WS/backbone/                  trunk.onnx, tail.onnx, tokenizer.json (shipped); train_tail.onnx
                                  (what training sees: de-quantised weights); float_trunk.onnx,
                                  float_tail.onnx (for comparison); background.safetensors (shipped)
                                  and foreign.safetensors, where inputs of no task are known
    WS/tasks/<name>-<digest>/     task.json and the files of `cfedge.train.learned_task`
    WS/cache/                     trunk features of the task being learned
    WS/jobs/                      which tasks are of which job (`cfedge.train.jobs.marks`)

A task's folder never changes. Its training data are not kept; its held-out texts are, as evidence
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
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import cfedge.inputs
from cfedge.bundle.arrays import load_arrays
from cfedge.bundle.manifest import Backbone
from cfedge.errors import CfedgeError, StorageError, TaskError
from cfedge.inputs.modality import Stored
from cfedge.lookup import Background, Features, TaskSignature
from cfedge.runtime.encoder import Encoder
from cfedge.storage import write_file
from cfedge.train.folds import Folds
from cfedge.train.labels import check_task
from cfedge.train.learned_task import HeldOut, LearnedTask, TaskRecord
from cfedge.train.meanings import Meanings
from cfedge.train.statistics import TaskStatistics
from cfedge.train.stored_task import StoredTask
from cfedge.train.workspace_files import (
    checked_bytes,
    digest_of,
    exclusively,
    index_bytes,
    remove_unnamed,
    write_new,
    write_task,
)
from cfedge.train.workspace_index import FOREIGN, Index, backbone_files, file_name

__all__ = ["WorkspaceFolder"]


class WorkspaceFolder:
    """An opened workspace: its backbone and its tasks, read and written.

    Parameters
    ----------
    folder
        Made by `WorkspaceFolder.written`.

    Raises
    ------
    WorkspaceError
        It is missing, of another schema, or damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._index = Index.parsed(*index_bytes(folder))

    @classmethod
    def written(
        cls, folder: Path, backbone: Backbone, files: Mapping[str, bytes]
    ) -> WorkspaceFolder:
        """Write a new workspace around a prepared backbone; `files` holds the files of
        ``backbone/``.
        """
        assert set(files) == backbone_files(backbone)
        digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
        write_new(folder, Index(backbone, digests, {}).dumped(), files)
        return cls(folder)

    @property
    def backbone(self) -> Backbone:
        """The record of the backbone that its tasks are learned on."""
        return self._index.backbone

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks, sorted."""
        return tuple(sorted(self._index.tasks))

    def backbone_file(self, name: str) -> bytes:
        """Read one of the backbone's files and check its digest.

        Raises
        ------
        WorkspaceError
            It is missing or was changed.
        """
        return checked_bytes(self.folder / "backbone" / name, self._index.files[name])

    def backbone_digest(self, name: str) -> str:
        """Return the SHA-256 of one of the backbone's files."""
        return self._index.files[name]

    def encoder(self, *, threads: int = 1, float32: bool = False) -> Encoder:
        """Open the backbone: as it ships, or its float graphs."""
        files = {
            role: self.backbone_file(file_name(role, float32=float32))
            for role in self.backbone.files()
        }
        return Encoder.of(files, self.backbone, threads=threads)

    def background(self) -> Background | None:
        """Read what inputs of no task look like to the backbone; None: nobody knows."""
        if self.backbone.background is None:
            return None
        what = file_name("background")
        arrays = load_arrays(self.backbone_file(what), what)
        return Background.from_arrays(arrays, what, self.backbone.views[0], self.backbone.width)

    def foreign(self) -> Features | None:
        """Read the features of public inputs of no task, where there is a background; none of them
        is in it. Behind the trunk they are of the first view.
        """
        if self.backbone.background is None:
            return None
        arrays = load_arrays(self.backbone_file(FOREIGN), FOREIGN)
        trunk, tail = (
            arrays[part].astype(np.float32) * arrays[f"{part}_step"].astype(np.float32)
            for part in ("trunk", "tail")
        )
        return Features(trunk, tail)

    @property
    def stored(self) -> Stored:
        """How files hold the backbone's inputs."""
        return cfedge.inputs.stored(self.backbone.input)

    @property
    def kind(self) -> str:
        """What the backbone reads: a key of `cfedge.inputs.KINDS`."""
        return self.backbone.input.kind

    @cached_property
    def cache(self) -> Path:
        """Folder for trunk features."""
        path = self.folder / "cache"
        try:
            path.mkdir(exist_ok=True)
        except OSError as error:
            raise StorageError(
                f"could not make {path}: {error.strerror}; make room or check the rights"
            ) from error
        return path

    def record(self, name: str) -> TaskRecord:
        """Read a task's record."""
        return self._stored_task(name).record()

    def adapter(self, name: str) -> dict[str, NDArray[np.float32]]:
        """Read a task's adapter and head."""
        return self._stored_task(name).adapter()

    def signature(self, name: str) -> TaskSignature:
        """Read a task's signatures, of all stages."""
        return self._stored_task(name).signature()

    def statistics(self, name: str) -> TaskStatistics:
        """Read a task's exact statistics."""
        return self._stored_task(name).statistics()

    def held_out(self, name: str) -> HeldOut:
        """Read a task's held-out evidence."""
        return self._stored_task(name).held_out()

    def folds(self, name: str) -> Folds:
        """Read the signatures that the parts of a task's held-out evidence are judged by."""
        return self._stored_task(name).folds()

    def task(self, name: str) -> LearnedTask:
        """Read a task whole and check its digest."""
        return self._stored_task(name).whole()

    def meanings(self) -> Meanings:
        """Return which labels of its tasks mean the same."""
        return Meanings({name: self.record(name).same_labels for name in self.tasks})

    def check_new(self, name: str, classes: tuple[str, ...], *, replace: bool) -> None:
        """Refuse a task that cannot be added; errors as of `cfedge.train.labels.check_task`."""
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
        wait_s: float = 0.0,
        unless: Callable[[], bool] = lambda: False,
    ) -> None:
        """Add a learned task, or put it in the place of one of the same name, in one step.

        Parameters
        ----------
        wait_s
            For another process that holds the workspace.
        unless
            Asked once the workspace is held: where it says so, nothing is written.
        """
        self.exchange([task], replace=replace, wait_s=wait_s, unless=unless)

    def exchange(
        self,
        tasks: Sequence[LearnedTask],
        gone: Collection[str] = (),
        *,
        replace: bool = False,
        wait_s: float = 0.0,
        unless: Callable[[], bool] = lambda: False,
    ) -> None:
        """Put tasks in the place of those that are `gone`, in one step; as `put`."""
        files = {task.record.name: task.files(self.stored) for task in tasks}
        folders = {name: f"{name}-{digest_of(parts)}" for name, parts in files.items()}
        with self.locked(wait_s):
            if unless():
                return
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
    def locked(self, wait_s: float = 0.0) -> Iterator[None]:
        """Hold the workspace for writing, or wait so long for it; the index is read anew.

        Raises
        ------
        WorkspaceError
            Another process holds it.
        """
        with exclusively(self.folder, wait_s):
            self._index = WorkspaceFolder(self.folder)._index
            yield

    def _point(self, folders: dict[str, str]) -> None:
        """Make `folders` the tasks; then delete task folders that nothing points to."""
        index = dataclasses.replace(self._index, tasks=folders)
        write_file(self.folder / "workspace.json", index.dumped())
        self._index = index
        remove_unnamed(self.folder, set(folders.values()))

    def task_folder(self, name: str) -> Path:
        """Return a task's folder.

        Raises
        ------
        TaskError
            There is no such task.
        """
        if name not in self._index.tasks:
            raise TaskError(
                f"task: expected one of {', '.join(self.tasks) or 'none yet'}, found {name!r}; see:"
                f" cfedge list {self.folder}"
            )
        return self.folder / "tasks" / self._index.tasks[name]

    def _stored_task(self, name: str) -> StoredTask:
        return StoredTask(self.task_folder(name), self.backbone)
