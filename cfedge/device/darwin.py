"""What ``sysctl`` says of a Mac, read into a `Board`."""

from __future__ import annotations

import contextlib

from cfedge.device.board import Board
from cfedge.device.cpu import FLAGS
from cfedge.device.kernel import number, whole
from cfedge.device.sensors import Heat, Speed

__all__ = ["darwin_board", "sysctl"]

#: macOS: ``sysctl`` names of features, and what Linux calls them.
_DARWIN_FLAGS = {
    "hw.optional.AdvSIMD": "asimd", "hw.optional.arm.FEAT_LSE": "atomics", "hw.optional.arm.FEAT_FP16": "asimdhp",
    "hw.optional.arm.FEAT_DotProd": "asimddp", "hw.optional.arm.FEAT_I8MM": "i8mm", "hw.optional.avx1_0": "avx",
    "hw.optional.avx2_0": "avx2", "hw.optional.avx512f": "avx512f", "hw.optional.avx512vnni": "avx512_vnni",
    "hw.optional.sse4_2": "sse4_2", "hw.optional.fma": "fma",
}  # fmt: skip


def darwin_board(sysctl: str, machine: str) -> Board:
    """Describe a Mac by the output of ``sysctl -a`` (or of the names of interest)."""
    values = dict(line.split(": ", 1) for line in sysctl.splitlines() if ": " in line)
    known = [flag for name, flag in _DARWIN_FLAGS.items() if values.get(name) == "1"]
    return Board(
        machine=machine,
        system="Darwin",
        model=values.get("hw.model"),
        cpu=values.get("machdep.cpu.brand_string"),
        flags=tuple(flag for flag in FLAGS if flag in known) if known else None,
        cores=whole(values.get("hw.physicalcpu")),
        memory_bytes=whole(values.get("hw.memsize")),
        available_bytes=None,
        memory_limit_bytes=None,
        cpu_limit=None,
        load=number(values.get("vm.loadavg", "").strip("{} ").split(" ")[0]),
        heat=Heat(None, None, None, None),
        speed=Speed(None, None, None, None),
        cpu_lists=True,
    )


def sysctl() -> str:
    """Return what ``sysctl`` says of the names of interest; nothing where it cannot be run."""
    names = [
        "hw.model",
        "hw.physicalcpu",
        "hw.memsize",
        "machdep.cpu.brand_string",
        "vm.loadavg",
        *_DARWIN_FLAGS,
    ]
    import subprocess  # some milliseconds, which the others need not wait for

    with contextlib.suppress(OSError, subprocess.SubprocessError):
        return subprocess.run(
            ["/usr/sbin/sysctl", *names],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=10,
            check=False,
        ).stdout
    return ""
