"""One decision at a time: whoever begins, switches on, takes back or drops something holds the state
folder meanwhile, against the other pages of this console and against every other console. A job that
is dropped while it is being switched on would take away the bundle that is just being copied.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from cfedge.errors import StorageError, TaskError

__all__ = ["alone"]

#: That another decision is waited for, in seconds: then a person should look at what it did.
_TURN_S = 5.0


@contextmanager
def alone(state: Path) -> Iterator[None]:
    """Be the only one that decides about the jobs of a state folder.

    Raises
    ------
    TaskError
        Another one is still at it.
    StorageError
        The disk refused.
    """
    lock = filelock.FileLock(state / "deciding.lock")
    try:
        lock.acquire(timeout=_TURN_S)
    except filelock.Timeout as error:
        raise TaskError(
            "console: expected nobody else who switches or drops something now, found another page"
            " or console; wait, then look again"
        ) from error
    except OSError as error:
        raise StorageError(
            f"could not write in {state}: {error.strerror}; check the disk"
        ) from error
    try:
        yield
    finally:
        lock.release()
