"""What a Linux kernel says of this machine: files under ``/proc`` and ``/sys``, read into a `Board`.

Every file is optional, may be closed to us and may hold anything: what cannot be read or is absurd
becomes None, never a guess. The root of the file system is an argument, so that a folder can stand
for a board.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from cfedge.device.board import Board
from cfedge.device.cgroup import cgroup_limits
from cfedge.device.cpu import cpu_entries, cpu_flags, cpu_name
from cfedge.device.kernel import core_count, kib, number, read
from cfedge.device.sensors import read_heat, read_speed

__all__ = ["linux_board"]


def linux_board(machine: str, system: str, root: Path) -> Board:
    """Describe the machine whose ``/proc`` and ``/sys`` are under `root`."""
    entries = cpu_entries(read(root / "proc/cpuinfo") or "")
    memory = dict(
        re.findall(r"^(\w+):\s+(\d+) kB$", read(root / "proc/meminfo") or "", re.MULTILINE)
    )
    limit, quota = cgroup_limits(root)
    return Board(
        machine=machine,
        system=system,
        model=_model(root, entries),
        cpu=cpu_name(entries),
        flags=cpu_flags(entries),
        cores=core_count(read(root / "sys/devices/system/cpu/present"))
        or sum("processor" in entry for entry in entries)
        or None,
        memory_bytes=kib(memory.get("MemTotal")),
        available_bytes=kib(memory.get("MemAvailable")),
        memory_limit_bytes=limit,
        cpu_limit=quota,
        load=number((read(root / "proc/loadavg") or "").split(" ")[0]),
        heat=read_heat(root),
        speed=read_speed(root),
        cpu_lists=all(
            read(root / f"sys/devices/system/cpu/{name}") is not None
            for name in ("possible", "present")
        ),
    )


def _model(root: Path, entries: Sequence[dict[str, str]]) -> str | None:
    for name in (
        "proc/device-tree/model",
        "sys/firmware/devicetree/base/model",
        "sys/class/dmi/id/product_name",
    ):
        name_of_board = (read(root / name) or "").strip("\0 \n\t")
        if name_of_board:
            return name_of_board
    return next((entry["Model"] for entry in entries if entry.get("Model")), None)
