"""Freed memory that stays with the process while a job is done.

Training takes and frees the same large arrays at every step. An allocator that is told to give freed
memory back at once, as Dask tells that of its workers, asks the kernel for them anew each time: a
third of a worker's time (docs/decisions/0039-executors.md).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator

__all__ = ["freed_memory_kept"]

#: Of glibc's mallopt: freed bytes at the heap's end that are given back, and the bytes from which
#: on an array is a mapping of its own.
_TRIM, _MAP = -1, -3
_TRIM_BYTES, _MAP_BYTES = 256 << 20, 32 << 20
#: What glibc begins with.
_FIRST_MAP_BYTES = 128 << 10
_ASKED = "MALLOC_TRIM_THRESHOLD_"


@contextlib.contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Keep freed memory; then give it back, as the environment asks. Nothing is changed where it
    asks for nothing, or where the allocator is another one.
    """
    asked = os.environ.get(_ASKED, "")
    library = ctypes.CDLL(None) if sys.platform == "linux" and asked.isdecimal() else None
    if library is None or not (hasattr(library, "mallopt") and hasattr(library, "malloc_trim")):
        yield
        return
    library.mallopt(_TRIM, _TRIM_BYTES)
    library.mallopt(_MAP, _MAP_BYTES)
    try:
        yield
    finally:
        library.mallopt(_TRIM, min(int(asked), _TRIM_BYTES))
        library.mallopt(_MAP, _FIRST_MAP_BYTES)
        library.malloc_trim(0)
