"""Records of one size in a file of the user's cache: each is there once somebody left it, whole, and
counts for itself.

A record begins with the SHA-256 of its number and content. So what a power cut, a full disk or two
writers at once leave half done does not count, and nothing is read before it is needed. A number
has one place; where there are more numbers than places, the one that was written last has it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
import weakref

from cfedge.runtime.private_cache import PrivateCache

__all__ = ["KeptRecords"]

#: Of one file, holes included: the classes of one look at a thousand tasks of thirteen take 84 MB.
_FILE_BYTES = 96 << 20
#: Those of one bundle stay, two kinds of each of three parts; of more while all take so many bytes.
_FILES, _ALL_BYTES = 6, 256 << 20
_DIGEST_BYTES = 32
_ROOM = "records"
_ANYWHERE = hasattr(os, "pread")


class KeptRecords:
    """Those of one file, safe to use from several threads and processes.

    Parameters
    ----------
    handle
        Of the file, to read and to write; this closes it.
    count
        Numbers are below it.
    size_bytes
        Of a record's content.
    """

    def __init__(self, handle: int, count: int, size_bytes: int) -> None:
        self._handle, self._bytes = handle, _DIGEST_BYTES + size_bytes
        self._places = max(1, min(count, _FILE_BYTES // self._bytes))
        self._lock = threading.Lock()
        weakref.finalize(self, os.close, handle)

    @classmethod
    def named(cls, name: str, count: int, size_bytes: int) -> KeptRecords | None:
        """Return those of a file of the cache; None where there can be none."""
        cache = PrivateCache(_ROOM)
        handle = cache.open(name)
        if handle is None:
            return None
        cache.keep_newest(_FILES, _ALL_BYTES)
        return cls(handle, count, size_bytes)

    def read(self, number: int) -> bytes | None:
        """Return the content that was left under a number; None where it is not there whole."""
        with contextlib.suppress(OSError):
            data = self._read(number % self._places * self._bytes)
            content = data[_DIGEST_BYTES:]
            if len(data) == self._bytes and data.startswith(_digest(number, content)):
                return content
        return None

    def write(self, number: int, content: bytes) -> None:
        """Leave content under a number; do nothing where the disk refuses."""
        data = _digest(number, content) + content
        with contextlib.suppress(OSError):
            self._write(number % self._places * self._bytes, data)

    def _read(self, start: int) -> bytes:
        if _ANYWHERE:
            return os.pread(self._handle, self._bytes, start)
        with self._lock:  # Windows, where nobody forks
            os.lseek(self._handle, start, os.SEEK_SET)
            return os.read(self._handle, self._bytes)

    def _write(self, start: int, data: bytes) -> None:
        if _ANYWHERE:
            os.pwrite(self._handle, data, start)
            return
        with self._lock:
            os.lseek(self._handle, start, os.SEEK_SET)
            os.write(self._handle, data)


def _digest(number: int, content: bytes) -> bytes:
    return hashlib.sha256(number.to_bytes(8, "little") + content).digest()
