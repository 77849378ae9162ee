"""Files that somebody else may have laid there, read only where they are plain ones: neither a folder
nor a FIFO, which would be waited for, nor a device, which never ends.
"""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader, FileIO

__all__ = ["LARGEST_BYTES", "NotPlainError", "open_plain", "read_plain"]

#: Of a file that is read whole where no other bound is given: lists and settings.
SMALL_BYTES = 64 << 20
#: Of any file that is read whole: weights, and what is learned from.
LARGEST_BYTES = 2 << 30
#: Of a file whose system says that it has no bytes: some of them are made as they are read.
_UNKNOWN_BYTES = 1 << 16


class NotPlainError(OSError):
    """What lies under a file's name is a folder, a FIFO, a device or the like."""


class _Plain(BufferedReader):
    """Reads without waiting: what says that it has nothing yet is no plain file, as logs of a
    kernel are that look like one.
    """

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the bytes, or raise NotPlainError."""
        data: bytes | None = super().read(size)
        if data is None:
            raise NotPlainError(errno.EAGAIN, "it is no plain file", self.name)
        return data


def open_plain(path: str | os.PathLike[str]) -> BufferedReader:
    """Open a file to read, if it is a plain one.

    Somebody else may have laid it there: a FIFO would be waited for until it has a writer, a device
    for ever.

    Raises
    ------
    NotPlainError
        It is no plain file.
    OSError
        The system refused.
    """
    flags = ("O_NONBLOCK", "O_CLOEXEC", "O_NOCTTY", "O_BINARY")
    handle = os.open(path, sum((getattr(os, name, 0) for name in flags), os.O_RDONLY))
    try:
        mode = os.fstat(handle).st_mode
        if stat.S_ISDIR(mode):
            raise NotPlainError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(mode):
            raise NotPlainError(errno.EINVAL, "it is no plain file", str(path))
        return _Plain(FileIO(handle))
    except BaseException:
        os.close(handle)
        raise


def read_plain(
    path: str | os.PathLike[str], most_bytes: int | None = None, *, whole_bytes: int = SMALL_BYTES
) -> bytes:
    """Read a file: at most `most_bytes` of it, or whole, where it is not larger than `whole_bytes`.

    Raises
    ------
    NotPlainError
        It is no plain file, or larger than it may be.
    OSError
        The system refused.
    """
    with open_plain(path) as file:
        if most_bytes is not None:
            return file.read(most_bytes)
        size = os.fstat(file.fileno()).st_size
        if size > whole_bytes:
            raise NotPlainError(errno.EFBIG, f"more than {whole_bytes >> 20} MB", str(path))
        return file.read(size or _UNKNOWN_BYTES)
