"""A limit on the memory of this process, so that what a request asks for fails that request, and
not the machine. Linux alone holds a process to it.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from cfedge.device import probe
from cfedge.runtime.child import LIMITS

__all__ = ["limit_memory", "room_for"]

#: Of a thread: its stack, and the heap that the C library gives it.
_THREAD_BYTES = 24 << 20


def room_for(bundle_bytes: int, workers: int) -> int:
    """Bytes that a server may take beyond what it has when it begins to answer: as much as the
    child that verified the bundle, and what its workers have as threads, but no more than half of
    the machine's memory.
    """
    room = LIMITS.room_bytes + LIMITS.copies * bundle_bytes + workers * _THREAD_BYTES
    there = probe().memory_bytes
    return room if there is None else min(room, there // 2)


def limit_memory(room_bytes: int) -> bool:
    """Hold this process to so many bytes more than it has now; whether the system does so.

    What is beyond raises MemoryError, or what ONNX Runtime makes of it.
    """
    try:
        import resource

        status = Path("/proc/self/status").read_text("ascii")
    except (ImportError, OSError):
        return False
    has = next(int(line.split()[1]) << 10 for line in status.splitlines() if "VmData:" in line)
    with contextlib.suppress(ValueError, OSError):  # the administrator's own limit is lower
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (has + room_bytes, hard))
        return True
    return False
