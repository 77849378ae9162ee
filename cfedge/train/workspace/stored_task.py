"""One task's folder in a workspace, read: each of its files parsed, and its digest checked.

Which folders are a workspace's tasks, and how they are written, is
`cfedge.train.workspace.folder`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

import cfedge.inputs
from cfedge.bundle.arrays import load_arrays
from cfedge.bundle.manifest import Backbone
from cfedge.errors import BundleError, UsageError, WorkspaceError
from cfedge.lookup import TaskSignature
from cfedge.plain_files import LARGEST_BYTES, read_plain
from cfedge.train.features.statistics import TaskStatistics
from cfedge.train.measures.folds import Folds
from cfedge.train.workspace.files import digest_of
from cfedge.train.workspace.learned_task import (
    TASK_FILES,
    HeldOut,
    LearnedTask,
    TaskRecord,
    parsed_adapter,
)

__all__ = ["StoredTask"]

Floats = NDArray[np.float32]
_Parsed = TypeVar("_Parsed")


@dataclass(frozen=True)
class StoredTask:
    """A task's folder, and the backbone that the task was learned on. Each method reads one file:
    of the folder, or where there is none yet of those that were `sent`.

    Raises
    ------
    WorkspaceError
        A file is missing, or is not what was written; or another command has replaced or removed
        the task since the workspace was opened.
    """

    folder: Path
    backbone: Backbone
    sent: Mapping[str, bytes] | None = None

    def record(self) -> TaskRecord:
        """Read the record."""
        return self._loaded("task.json", TaskRecord.parsed)

    def adapter(self) -> dict[str, Floats]:
        """Read adapter and head, float32 by name."""
        return self._loaded("adapter.safetensors", parsed_adapter)

    def signature(self) -> TaskSignature:
        """Read the signatures, of all stages."""
        one = self.backbone
        return self._loaded(
            "signature.safetensors",
            lambda data, what: TaskSignature.from_arrays(
                load_arrays(data, what), what, one.width, one.views, one.frozen_views
            ),
        )

    def statistics(self) -> TaskStatistics:
        """Read the exact statistics."""
        return self._loaded("statistics.safetensors", TaskStatistics.parsed)

    def held_out(self) -> HeldOut:
        """Read the held-out evidence."""
        stored = cfedge.inputs.stored(self.backbone.input)
        return self._loaded(
            "held_out.safetensors", lambda data, what: HeldOut.parsed(data, what, stored)
        )

    def folds(self) -> Folds:
        """Read the signatures that the parts of the held-out evidence are judged by."""
        one = self.backbone
        return self._loaded(
            "folds.safetensors",
            lambda data, what: Folds.parsed(data, what, one.width, one.views, one.frozen_views),
        )

    def parsed(self) -> LearnedTask:
        """Read all files."""
        return LearnedTask(
            self.record(),
            self.adapter(),
            self.signature(),
            self.statistics(),
            self.held_out(),
            self.folds(),
        )

    def whole(self) -> LearnedTask:
        """Read all files and check the digest in the folder's name."""
        task = self.parsed()
        digest = digest_of(
            {part: self._loaded(part, lambda data, what: data) for part in TASK_FILES}
        )
        if not self.folder.name.endswith(digest):
            raise WorkspaceError(
                f"{self.folder}: expected the digest in its name, found {digest}: a file was"
                " changed; learn the task again with --replace"
            )
        return task

    def _loaded(self, file: str, parse: Callable[[bytes, str], _Parsed]) -> _Parsed:
        path = self.folder / file
        try:
            data = (
                read_plain(path, whole_bytes=LARGEST_BYTES)
                if self.sent is None
                else self.sent[file]
            )
            return parse(data, str(path))
        except OSError as error:
            if self._gone():
                raise WorkspaceError(
                    f"{self.folder.parents[1]}: expected the task in {self.folder.name}, found that"
                    " another command has replaced or removed it meanwhile; run it again"
                ) from error
            raise WorkspaceError(
                f"{path}: expected the task's file, found {error.strerror}; learn the task again"
                " with --replace"
            ) from error
        except (BundleError, UsageError, ValueError, KeyError, TypeError) as error:
            reason = str(error).removeprefix(str(path)).lstrip(".: ")
            if self.sent is not None and file not in self.sent:
                reason = "expected the task's file, found none"
            elif isinstance(error, KeyError):
                reason = f"expected {error.args[0]} in it, found none"
            elif "expected " in reason:
                reason = reason.rpartition("; ")[0] or reason  # its next step is for a bundle
            else:
                reason = f"expected the task's file, found {reason}"
            raise WorkspaceError(
                f"{path}: {reason}; learn the task again with --replace"
            ) from error

    def _gone(self) -> bool:
        """Whether the workspace does not name the folder any more."""
        try:
            index = read_plain(self.folder.parents[1] / "workspace.json")
        except OSError:
            return False
        return self.folder.name.encode() not in index
