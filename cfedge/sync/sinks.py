"""Where an object's bytes go while they come: memory, or a file that keeps them over a power cut."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Callable
from io import BufferedRandom
from pathlib import Path
from typing import Protocol

from cfedge.bundle.fileref import FileRef
from cfedge.plain_files import open_plain

__all__ = ["Memory", "Part", "Sink", "digest_of"]

#: Bytes after which what came is made durable: what a power cut may cost.
_DURABLE_BYTES = 256 << 10


class Sink(Protocol):
    """Where an object's bytes go."""

    size: int

    def is_whole(self, ref: FileRef) -> bool:
        """Whether this is the object."""

    def write(self, piece: bytes) -> None:
        """Append."""

    def restart(self) -> None:
        """Begin again from nothing."""


class Memory:
    """A sink for what is small."""

    def __init__(self, data: bytearray) -> None:
        self.data, self.size = data, len(data)

    def write(self, piece: bytes) -> None:
        """Append."""
        self.data += piece
        self.size += len(piece)

    def restart(self) -> None:
        """Begin again from nothing."""
        self.data.clear()
        self.size = 0

    def is_whole(self, ref: FileRef) -> bool:
        """Whether this is the object."""
        return len(self.data) == ref.size and hashlib.sha256(self.data).hexdigest() == ref.sha256


class Part:
    """A file that grows, durably as it goes, and knows its digest."""

    def __init__(self, path: Path, advance: Callable[[int], None]) -> None:
        self._file = _appended(path)
        self._advance, self._undurable = advance, 0
        self._file.seek(0)
        self._digest = hashlib.sha256()
        self.size = 0
        while piece := self._file.read(1 << 20):
            self._digest.update(piece)
            self.size += len(piece)
        advance(self.size)

    def write(self, piece: bytes) -> None:
        """Append."""
        self._file.write(piece)
        self._digest.update(piece)
        self.size += len(piece)
        self._advance(len(piece))
        self._undurable += len(piece)
        if self._undurable >= _DURABLE_BYTES:
            self._sync()

    def restart(self) -> None:
        """Begin again from nothing."""
        self._file.truncate(0)
        self._digest = hashlib.sha256()
        self._advance(-self.size)
        self.size = 0

    def is_whole(self, ref: FileRef) -> bool:
        """Whether this is the object."""
        return self.size == ref.size and self._digest.hexdigest() == ref.sha256

    def close(self) -> None:
        """Make durable what came."""
        try:
            self._sync()
        finally:
            self._file.close()

    def _sync(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._undurable = 0


def _appended(path: Path) -> BufferedRandom:
    """Open what came of a file to go on with it; what is no plain file is none of it."""
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISREG(os.lstat(path).st_mode):
            os.unlink(path)
    return path.open("a+b")


def digest_of(path: Path) -> str:
    """SHA-256 of a file."""
    found = hashlib.sha256()
    with open_plain(path) as file:
        while piece := file.read(1 << 20):
            found.update(piece)
    return found.hexdigest()
