"""Folders for what is needed for a moment only. The disk that holds them may have no room while that
of the work has: it is named, with the way to choose another.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

from cfedge.errors import StorageError

__all__ = ["no_room", "scratch_folder"]

#: What another disk would not refuse.
_REFUSED = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
_NEXT = "make room, or name a folder of another disk in TMPDIR"


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """Give a new folder, which goes with all that is in it.

    Raises
    ------
    StorageError
        No place for temporary files has room for it, or for what the caller writes without saying
        where.
    """
    import tempfile

    try:
        folder = tempfile.TemporaryDirectory(prefix="cfedge-", ignore_cleanup_errors=True)
    except OSError as error:
        raise StorageError(
            f"could not make a temporary folder: {error.strerror or error}; {_NEXT}"
        ) from error
    with folder as name, no_room(Path(name)):
        yield Path(name)


@contextlib.contextmanager
def no_room(folder: Path) -> Iterator[None]:
    """Tell what the disk refuses as an error of the temporary folder that is written in, where the
    refusal names no file outside of it.

    Raises
    ------
    StorageError
    """
    try:
        yield
    except OSError as error:
        named = None if error.filename is None else Path(str(error.filename))
        if error.errno not in _REFUSED or (named is not None and folder not in named.parents):
            raise
        raise StorageError(
            f"could not write in the temporary folder {folder}: {error.strerror}; {_NEXT}"
        ) from error
