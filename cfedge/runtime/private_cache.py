"""Files in the user's cache that count only where nobody but this user or root could have written
them: in folders of theirs that nobody else may write to, by no link.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from cfedge.errors import StorageError
from cfedge.storage import write_file

__all__ = ["OF_BUNDLES", "PrivateCache"]

#: Rooms of what engines compute of bundles, and so of their tasks.
OF_BUNDLES = ("tables", "records")

_NO_LINK, _NO_WAIT = getattr(os, "O_NOFOLLOW", 0), getattr(os, "O_NONBLOCK", 0)
_BINARY, _BLOCKS = getattr(os, "O_BINARY", 0), hasattr(os.stat_result, "st_blocks")


class PrivateCache:
    """One room of the cache: a folder in ``$CFEDGE_CACHE``, or in ``cfedge`` in the user's cache.
    Where that is no absolute path there is none: what lies in the current folder is anybody's.

    Parameters
    ----------
    room
        Name of the folder.
    """

    def __init__(self, room: str) -> None:
        own = os.environ.get("CFEDGE_CACHE")
        # Path.home raises without a home
        user = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111
        cache = Path(own) if own else Path(user) / "cfedge"
        self._folder = cache / room if cache.is_absolute() else None

    def read(self, name: str, most_bytes: int) -> bytes | None:
        """Return a file's bytes; None where there is none of at most so many that counts."""
        handle = self.open(name)
        if handle is None:
            return None
        with contextlib.suppress(OSError), os.fdopen(handle, "rb") as file:
            data = file.read(min(os.fstat(handle).st_size, most_bytes) + 1)
            return data if len(data) <= most_bytes else None
        return None

    def write(self, name: str, content: bytes) -> None:
        """Write a file; where nothing can be written, or not by this user alone, do nothing.

        A power cut may spoil it: what is read is compared, or begins with its own digest.
        """
        with contextlib.suppress(OSError, StorageError):
            if (folder := self._made()) is not None:
                write_file(folder / name, content, mode=0o600, durable=False)

    def open(self, name: str, *, write: bool = False) -> int | None:
        """Return a file descriptor to read at any place, and with `write` to write too, of a new
        file where there is none; None where none counts, or can be made. Who has it closes it.
        """
        flags = os.O_RDWR | os.O_CREAT if write else os.O_RDONLY
        with contextlib.suppress(OSError):
            if (folder := self._made() if write else self._there()) is not None:
                handle = os.open(folder / name, flags | _NO_LINK | _NO_WAIT | _BINARY, 0o600)
                if _is_private(os.fstat(handle), stat.S_IFREG):
                    return handle
                os.close(handle)
        return None

    def _there(self) -> Path | None:
        """The folder; None where there is none that is this user's alone."""
        folder = self._folder
        ours = folder is not None and _is_ours(folder.parent) and _is_ours(folder)
        return folder if ours else None

    def _made(self) -> Path | None:
        """The folder, made where it is not there; None where it is not this user's alone."""
        if (folder := self._folder) is None:
            return None
        folder.parent.parent.mkdir(parents=True, exist_ok=True)
        for made in (folder.parent, folder):
            made.mkdir(mode=0o700, exist_ok=True)
            if not _is_ours(made):
                return None
        return folder

    def keep_newest(self, count: int, most_bytes: int) -> None:
        """Delete all files but those that were written last: `count` of them, and others while all
        take at most so many bytes of the disk.
        """
        folder = self._folder
        if folder is None or not _is_ours(folder):
            return
        with contextlib.suppress(OSError):
            files = [(path.lstat(), path) for path in folder.iterdir()]
            files.sort(key=lambda one: one[0].st_mtime_ns, reverse=True)
            size = 0
            for place, (found, path) in enumerate(files):
                size += _taken(found)
                if place >= count and size > most_bytes:
                    path.unlink(missing_ok=True)


def _taken(found: os.stat_result) -> int:
    """Bytes of the disk: of a file with holes not those."""
    return min(found.st_size, 512 * found.st_blocks) if _BLOCKS else found.st_size


def _is_ours(folder: Path) -> bool:
    """Whether it is a folder, no link to one, that nobody else can write to."""
    try:
        return _is_private(os.lstat(folder), stat.S_IFDIR)
    except OSError:
        return False


def _is_private(found: os.stat_result, kind: int) -> bool:
    """Whether it is of the kind, of this user or of root, and for nobody else to write."""
    if stat.S_IFMT(found.st_mode) != kind:
        return False
    if not hasattr(os, "geteuid"):  # Windows, whose user folders are the user's
        return True
    return found.st_uid in (os.geteuid(), 0) and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
