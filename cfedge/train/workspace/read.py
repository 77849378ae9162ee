"""A workspace, read: its backbone, and of each task what is kept of it."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import cfedge.inputs
from cfedge.bundle.arrays import load_arrays
from cfedge.bundle.manifest import Backbone
from cfedge.counted import counted
from cfedge.errors import StorageError, TaskError
from cfedge.inputs.modality import Stored
from cfedge.lookup import Background, Features, TaskSignature
from cfedge.meanings import Meanings
from cfedge.runtime.encoder import Encoder
from cfedge.train.features.statistics import TaskStatistics
from cfedge.train.measures.folds import Folds
from cfedge.train.workspace.files import (
    checked_bytes,
    index_bytes,
)
from cfedge.train.workspace.index import FOREIGN, Index, file_name
from cfedge.train.workspace.learned_task import HeldOut, LearnedTask, TaskRecord
from cfedge.train.workspace.stored_task import StoredTask

__all__ = ["ReadWorkspace"]


class ReadWorkspace:
    """An opened workspace, to read.

    Parameters
    ----------
    folder
        Made by `cfedge.train.workspace.folder.WorkspaceFolder.written`.

    Raises
    ------
    WorkspaceError
        It is missing, of another schema, or damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._index = Index.parsed(*index_bytes(folder))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.folder}: {counted(len(self.tasks), 'task')}>"

    @property
    def backbone(self) -> Backbone:
        """The record of the backbone that its tasks are learned on."""
        return self._index.backbone

    @property
    def lookup(self) -> str:
        """The lookup of its bundles, unless another is asked for."""
        return self._index.lookup

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
        is in it. Behind the trunk they are what the lookup reads.
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

    def task_folder(self, name: str) -> Path:
        """Return a task's folder.

        Raises
        ------
        TaskError
            There is no such task.
        """
        if not isinstance(name, str) or name not in self._index.tasks:
            raise TaskError(
                f"task: expected one of {', '.join(self.tasks) or 'none yet'}, found {name!r}; see:"
                f" cfedge list {self.folder}"
            )
        return self.folder / "tasks" / self._index.tasks[name]

    def versions(self, *names: str) -> dict[str, str]:
        """Return which version of each of these tasks there is: a name that its content gives it."""
        return {name: self.task_folder(name).name for name in names}

    def _stored_task(self, name: str) -> StoredTask:
        return StoredTask(self.task_folder(name), self.backbone)
