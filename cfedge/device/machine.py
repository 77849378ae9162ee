"""The machine that runs this process: what its kernel says, what a measurement records of it, and the
cores that the process may use. Its name and flags also decide which golden vectors count as
answered here.
"""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

from cfedge.device.board import Board
from cfedge.device.cgroup import cgroup_limits
from cfedge.device.cpu import INT8_FLAGS
from cfedge.device.kernel import read
from cfedge.device.linux import linux_board

__all__ = ["Machine", "probe", "read_board", "this_board", "usable_cores"]


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


def read_board(machine: str, system: str, *, root: Path = Path("/")) -> Board:
    """Describe the machine whose ``/proc`` and ``/sys`` are under `root`.

    Parameters
    ----------
    machine, system
        Of the process (``platform``), which the files do not tell.
    root
        The root of the file system. Where it holds no ``sysctl.txt`` and `system` is Darwin,
        ``sysctl`` is asked.
    """
    if system != "Darwin":
        return linux_board(machine, system, root)
    from cfedge.device.darwin import darwin_board, sysctl  # no other system needs them

    return darwin_board(read(root / "sysctl.txt") or sysctl(), machine)


def this_board() -> Board:
    """Read the kernel's account of this machine."""
    return read_board(platform.machine(), platform.system())


def probe() -> Machine:
    """Describe this machine."""
    board = this_board()
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


def usable_cores(root: Path = Path("/")) -> int:
    """Return how many cores this process may use: of those that it may run on, no more than its
    control groups grant time for, and at least one.
    """
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    _, granted = cgroup_limits(root)
    return cores if granted is None else max(1, min(cores, int(granted)))
