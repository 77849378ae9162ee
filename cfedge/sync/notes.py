"""What a store remembers of its syncs: the state it is at, and what this machine refused."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from cfedge.bundle.canonical import canonical_json
from cfedge.errors import IncompatibleError
from cfedge.plain_files import read_plain
from cfedge.storage import write_file

__all__ = ["Notes"]


class Notes:
    """Notes in one folder; a lost one costs time and nothing else."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def done(self) -> str:
        """The state that the store is at, empty where that is not known."""
        try:
            return read_plain(self._folder / "done").decode("ascii", errors="replace")
        except OSError:
            return ""

    def note(self, state: str) -> None:
        """Note that the store is at this state of its channel."""
        if self.done != state:
            write_file(self._folder / "done", state.encode())

    def refuse(self, digest: str, reason: str) -> None:
        """Note that this machine refused a manifest."""
        write_file(self._folder / "refused", canonical_json({"manifest": digest, "reason": reason}))

    def check_refused(self, digest: str) -> None:
        """Raise what was raised when this manifest was refused before."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
            content = json.loads(read_plain(self._folder / "refused"))
            if content["manifest"] == digest:
                raise IncompatibleError(
                    f"{content['reason']} (refused before; --retry tries again)"
                )
