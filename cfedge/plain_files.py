"""Files that somebody else may have laid there, read only where they are plain ones: neither a folder
nor a FIFO, which would be waited for, nor a device, which never ends.
"""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader

__all__ = ["NotPlainError", "open_plain", "read_plain"]


class NotPlainError(OSError):
    """What lies under a file's name is a folder, a FIFO, a device or the like."""


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
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def read_plain(path: str | os.PathLike[str], most_bytes: int = -1) -> bytes:
    """Read a file, at most so many bytes of it; see `open_plain`."""
    with open_plain(path) as file:
        return file.read(most_bytes)
