"""The machine as a measurement records it; its name and flags also decide which golden vectors
count as answered here.
"""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass

from cfedge.device.board import Board, read_board
from cfedge.device.cpu import INT8_FLAGS

__all__ = ["Machine", "here", "probe", "usable_cores"]


@dataclass(frozen=True)
class Machine:
    """A description of the machine, for the record of a measurement."""

    machine: str
    cpu: str
    cores: int
    memory_bytes: int | None
    system: str
    python: str
    flags: tuple[str, ...]


def here() -> Board:
    """Read the kernel's account of this machine."""
    return read_board(platform.machine(), platform.system())


def probe() -> Machine:
    """Describe this machine."""
    board = here()
    memory = (
        os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else None
    )
    return Machine(
        machine=board.machine,
        cpu=board.cpu or platform.processor() or "unknown",
        cores=usable_cores(),
        memory_bytes=board.memory_bytes or memory,
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        flags=tuple(flag for flag in INT8_FLAGS if flag in (board.flags or ())),
    )


def usable_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
