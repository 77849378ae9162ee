"""What an attack may cost: so much time, and so much memory above the process as it was before.

Time is the process's own on the CPU, so that other work on the machine does not count; what blocks
takes none of that, so a clock on the wall stops it, later.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest

__all__ = ["ROOM_BYTES", "SECONDS", "bounded"]

SECONDS = 5.0
ROOM_BYTES = 256 << 20
_WALL_S = 30.0


@contextmanager
def bounded(seconds: float = SECONDS, room_bytes: int = ROOM_BYTES) -> Iterator[None]:
    """Fail where the body takes more of either; what it raises goes on."""
    _forget_peak()
    before, start = _memory("VmRSS"), time.process_time()
    earlier = signal.signal(signal.SIGALRM, _held_up)
    signal.setitimer(signal.ITIMER_REAL, _WALL_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, earlier)
        took, grown = time.process_time() - start, _memory("VmHWM") - before
        assert took <= seconds, f"expected at most {seconds} s of the CPU, found {took:.1f}"
        assert grown <= room_bytes, f"expected {room_bytes >> 20} MB more, found {grown >> 20}"


def _held_up(_: int, __: FrameType | None) -> None:
    pytest.fail(f"held up for {_WALL_S} s")


def _forget_peak() -> None:
    if sys.platform == "linux":
        Path("/proc/self/clear_refs").write_text("5")  # proc(5): begin a new high-water mark


def _memory(field: str) -> int:
    """A field of this process's status, in bytes; 0 where the system has none."""
    if sys.platform != "linux":
        return 0
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) << 10
    raise AssertionError(field)
