"""What a worker keeps by digest: the backbone's files, fetched once, checked whenever they are read.

They lie in ``jobs`` of the cache folder. Training data never do. Where nothing can be written they
are kept in memory for as long as the process lives, and the worker says so.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

from cfedge.errors import StorageError
from cfedge.plain_files import LARGEST_BYTES, read_plain
from cfedge.storage import write_file
from cfedge.train.jobs.job import digest_of_bytes

__all__ = ["Contents", "MOST_BYTES"]

#: On the disk, in all: some ten backbones. The oldest go first.
MOST_BYTES = 1 << 30


class Contents:
    """Bytes by their SHA-256.

    Parameters
    ----------
    folder
        Where they lie; None: in memory alone.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._memory: dict[str, bytes] = {}
        self.trouble = ""

    @classmethod
    def of_user(cls) -> Contents:
        """Return those of this user: in ``$CFEDGE_CACHE`` or the user's cache folder."""
        own = os.environ.get("CFEDGE_CACHE")
        user = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111
        cache = Path(own) if own else Path(user) / "cfedge"
        return cls(cache / "jobs" if cache.is_absolute() else None)

    def get(self, sha256: str, hint: str | None = None) -> bytes | None:
        """Return the bytes of that digest, or None where they are not here; a file with others is
        deleted.

        Parameters
        ----------
        hint
            Path of a file that may have them.
        """
        if (known := self._memory.get(sha256)) is not None:
            return known
        paths = [Path(hint)] if hint else []
        own = None if self.folder is None else self.folder / sha256
        for path in (*paths, *([own] if own else [])):
            data = None
            with contextlib.suppress(OSError):
                data = read_plain(path, whole_bytes=LARGEST_BYTES)
            if data is not None and digest_of_bytes(data) == sha256:
                return data
            if data is not None and path == own:
                with contextlib.suppress(OSError):
                    path.unlink()
        return None

    def keep(self, given: Mapping[str, bytes]) -> None:
        """Keep bytes by digest, on the disk or else in memory; `trouble` then says why.

        Raises
        ------
        StorageError
            They have another digest.
        """
        for sha256, data in given.items():
            if digest_of_bytes(data) != sha256:
                raise StorageError(
                    f"content {sha256[:12]}: expected bytes of that SHA-256, found"
                    f" {digest_of_bytes(data)[:12]}; send the job again"
                )
            try:
                if self.folder is None:
                    raise StorageError("could not keep contents: there is no cache folder")
                self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                write_file(self.folder / sha256, data, mode=0o600)
                self._make_room(set(given))
            except (OSError, StorageError) as error:
                self._memory[sha256] = data
                self.trouble = f"{error}; it is kept in memory while this worker runs"

    def _make_room(self, kept: set[str]) -> None:
        """Delete the oldest beyond `MOST_BYTES`."""
        assert self.folder is not None
        found = []
        for path in self.folder.iterdir():
            with contextlib.suppress(FileNotFoundError):  # of another process, renamed meanwhile
                known = path.stat()
                found.append((known.st_mtime, known.st_size, path))
        left = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if left <= MOST_BYTES:
                return
            if path.name not in kept:
                path.unlink(missing_ok=True)
                left -= size
