"""The processor by name and flags, from the kernel's account of it alone."""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["FLAGS", "INT8_FLAGS", "VNNI", "X86", "cpu_entries", "cpu_flags", "cpu_name"]

#: CPU flags that say something about int8 products or about which builds run, as Linux spells them.
FLAGS = (
    "sse4_2", "avx", "fma", "avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8",
    "asimd", "atomics", "asimdhp", "asimddp", "i8mm", "sve",
)  # fmt: skip

#: The flags that decide how int8 products are computed.
INT8_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm")

#: What ``platform.machine()`` calls x86, and the flags of which any says that four products of
#: unsigned with signed bytes are added in 32 bits.
X86 = ("x86_64", "AMD64", "amd64", "i686")
VNNI = ("avx512_vnni", "avx_vnni", "amx_int8")

#: ``CPU part`` of Arm's own cores (``CPU implementer`` 0x41) that the boards in devices/ and their
#: kin have.
_ARM_PARTS = {
    "0xd03": "Cortex-A53", "0xd04": "Cortex-A35", "0xd05": "Cortex-A55", "0xd07": "Cortex-A57", "0xd08": "Cortex-A72",
    "0xd09": "Cortex-A73", "0xd0a": "Cortex-A75", "0xd0b": "Cortex-A76", "0xd0c": "Neoverse-N1", "0xd0d": "Cortex-A77",
    "0xd40": "Neoverse-V1", "0xd41": "Cortex-A78", "0xd42": "Cortex-A78AE", "0xd44": "Cortex-X1", "0xd46": "Cortex-A510",
    "0xd47": "Cortex-A710", "0xd48": "Cortex-X2", "0xd49": "Neoverse-N2", "0xd4d": "Cortex-A715", "0xd4e": "Cortex-X3",
    "0xd4f": "Neoverse-V2",
}  # fmt: skip


def cpu_entries(cpuinfo: str) -> list[dict[str, str]]:
    """Return the fields of ``/proc/cpuinfo``, core by core."""
    entries: list[dict[str, str]] = []
    for block in re.split(r"\n\s*\n", cpuinfo):
        pairs = (line.split(":", 1) for line in block.splitlines() if ":" in line)
        entry = {name.strip(): value.strip() for name, value in pairs}
        if entry:
            entries.append(entry)
    return entries


def cpu_name(entries: Sequence[dict[str, str]]) -> str | None:
    """Return Arm's names of the cores, as some kernels say no more than "ARMv8 Processor"; else the
    model's name.
    """
    parts = {
        _ARM_PARTS[entry["CPU part"]]
        for entry in entries
        if entry.get("CPU implementer") == "0x41" and entry.get("CPU part") in _ARM_PARTS
    }
    if parts:
        return " + ".join(sorted(parts))
    return next((entry["model name"] for entry in entries if entry.get("model name")), None)


def cpu_flags(entries: Sequence[dict[str, str]]) -> tuple[str, ...] | None:
    """Return those of `FLAGS` that every core has; None where the kernel does not list any."""
    listed = [
        set((entry.get("flags") or entry["Features"]).split())
        for entry in entries
        if {"flags", "Features"} & set(entry)
    ]
    if not listed:
        return None
    everywhere = set.intersection(*listed)
    return tuple(flag for flag in FLAGS if flag in everywhere)
