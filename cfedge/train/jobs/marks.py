"""Which tasks of a workspace are the result of which job: a small file for each in ``jobs/``, so that
a run that was interrupted goes on where it was.

A mark is written before its task and counts only where the workspace has that very task, whole.
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

from cfedge.errors import CfedgeError, StorageError
from cfedge.plain_files import read_plain
from cfedge.storage import write_file
from cfedge.train.jobs.job import Job
from cfedge.train.workspace.folder import WorkspaceFolder

__all__ = ["Marks"]

#: Of a mark, which is the name of a folder.
_MOST_BYTES = 4096
_DIGEST = re.compile(r"[0-9a-f]{64}")


class Marks:
    """The marks of a workspace."""

    def __init__(self, workspace: WorkspaceFolder) -> None:
        self._workspace = workspace
        self._folder = workspace.folder / "jobs"

    def holds(self, job: Job) -> bool:
        """Whether the workspace has the whole result of `job`, under its name."""
        try:
            stated = read_plain(self._path(job), _MOST_BYTES).decode("utf-8")
            if stated != self._workspace.task_folder(job.name).name:
                return False
            self._workspace.task(job.name)
        except (OSError, ValueError, CfedgeError):
            return False
        return True

    def add(self, job: Job, folder: str) -> None:
        """Note that a task's folder is the result of `job`.

        Raises
        ------
        StorageError
            The disk refused.
        """
        try:
            self._folder.mkdir(exist_ok=True)
        except OSError as error:
            raise StorageError(
                f"could not make {self._folder}: {error.strerror}; make room or check the rights"
            ) from error
        write_file(self._path(job), folder.encode())

    def prune(self) -> None:
        """Delete the marks of tasks that are gone."""
        named = {self._workspace.task_folder(name).name for name in self._workspace.tasks}
        with contextlib.suppress(OSError, ValueError):
            for path in self._folder.iterdir():
                if (
                    _DIGEST.fullmatch(path.name)
                    and read_plain(path, _MOST_BYTES).decode("utf-8") not in named
                ):
                    path.unlink(missing_ok=True)

    def _path(self, job: Job) -> Path:
        return self._folder / job.digest
