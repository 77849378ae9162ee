"""Records of one size in a file of the user's cache: each is there once somebody left it, whole, and
counts for itself.

A record begins with the SHA-256 of its number and content. So what a power cut, a full disk or two
writers at once leave half done does not count, and nothing is read before it is needed. A number
has one place; where there are more numbers than places, the one that was written last has it. A file
is opened for writing when there is something to write, and read until then.
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
#: In place of a file descriptor: nothing was written yet.
_NOT_YET = -1


class KeptRecords:
    """Those of one file, safe to use from several threads and processes.

    Parameters
    ----------
    name
        Of the file, in the cache; where it cannot be there, no record ever is.
    count
        Numbers are below it.
    size_bytes
        Of a record's content.
    """

    def __init__(self, name: str, count: int, size_bytes: int) -> None:
        self._cache, self._name = PrivateCache(_ROOM), name
        self._bytes = _DIGEST_BYTES + size_bytes
        self._places = max(1, min(count, _FILE_BYTES // self._bytes))
        self._lock = threading.Lock()
        self._reading = self._opened(write=False)
        self._writing: int | None = _NOT_YET

    def read(self, number: int) -> bytes | None:
        """Return the content that was left under a number; None where it is not there whole."""
        if self._reading is None:
            return None
        with contextlib.suppress(OSError):
            data = self._read(self._reading, number % self._places * self._bytes)
            content = data[_DIGEST_BYTES:]
            if len(data) == self._bytes and data.startswith(_digest(number, content)):
                return content
        return None

    def write(self, number: int, content: bytes) -> None:
        """Leave content under a number; do nothing where the disk refuses."""
        with self._lock:
            if self._writing == _NOT_YET:
                self._writing = self._opened(write=True)
                if self._writing is not None:
                    self._reading = self._writing
                    self._cache.keep_newest(_FILES, _ALL_BYTES)
        if self._writing is not None:
            data = _digest(number, content) + content
            with contextlib.suppress(OSError):
                self._write(self._writing, number % self._places * self._bytes, data)

    def _opened(self, *, write: bool) -> int | None:
        handle = self._cache.open(self._name, write=write)
        if handle is not None:
            weakref.finalize(self, os.close, handle)
        return handle

    def _read(self, handle: int, start: int) -> bytes:
        if _ANYWHERE:
            return os.pread(handle, self._bytes, start)
        with self._lock:  # Windows, where nobody forks
            os.lseek(handle, start, os.SEEK_SET)
            return os.read(handle, self._bytes)

    def _write(self, handle: int, start: int, data: bytes) -> None:
        if _ANYWHERE:
            os.pwrite(handle, data, start)
            return
        with self._lock:
            os.lseek(handle, start, os.SEEK_SET)
            os.write(handle, data)


def _digest(number: int, content: bytes) -> bytes:
    return hashlib.sha256(number.to_bytes(8, "little") + content).digest()
