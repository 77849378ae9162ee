"""A machine as its kernel describes it. Reading it is for `linux` and `darwin`; judging the facts is
for others.
"""

from __future__ import annotations

from dataclasses import dataclass

from cfedge.device.sensors import Heat, Speed

__all__ = ["Board"]


@dataclass(frozen=True)
class Board:
    """A machine as its kernel describes it; None where it does not.

    Attributes
    ----------
    machine, system
        As ``platform.machine()`` and ``platform.system()`` spell them.
    model, cpu
        Names for people.
    flags
        Those of `FLAGS` that every core has, in that order; None where the kernel does not list
        any.
    cores
        That the machine has, also those switched off, whatever this process may use.
    memory_bytes, available_bytes, memory_limit_bytes
        Of the machine; what can be had without swapping; the tightest control group's limit.
    cpu_limit
        Cores' worth of time that the tightest control group grants.
    load
        Mean of runnable processes over the last minute.
    cpu_lists
        Whether ``/sys/devices/system/cpu/possible`` and ``present`` can be read, which ONNX Runtime
        does on ARM.
    """

    machine: str
    system: str
    model: str | None
    cpu: str | None
    flags: tuple[str, ...] | None
    cores: int | None
    memory_bytes: int | None
    available_bytes: int | None
    memory_limit_bytes: int | None
    cpu_limit: float | None
    load: float | None
    heat: Heat
    speed: Speed
    cpu_lists: bool
