"""Temperature, throttling and clock of the processor, as the kernel reports them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from cfedge.device.kernel import read, whole

__all__ = ["Heat", "Speed", "read_heat", "read_speed"]

#: Bits of the Raspberry Pi firmware's get_throttled
#: (raspberrypi.com/documentation/computers/os.html#get_throttled); the same bits 16 higher say that
#: it has happened since the machine was started.
_THROTTLED = {
    0: "under-voltage",
    1: "frequency capped",
    2: "throttled",
    3: "soft temperature limit",
}

#: Thermal zones of this kind are of the processor; a power chip's are not, and some report a
#: constant.
_PROCESSOR_ZONE = re.compile(r"cpu|soc|pkg|package|core|k10temp|acpitz", re.IGNORECASE)
#: What a sensor can measure, in degrees Celsius; outside it is broken (0 is what absent ones often
#: say).
_PLAUSIBLE_C = (1.0, 150.0)


@dataclass(frozen=True)
class Heat:
    """Temperature of the processor, degrees Celsius; what throttles it now, and what did since the
    start.

    `now` and `before` are None where the board has no such report; `events` counts an x86 CPU's
    throttling since the start.
    """

    celsius: float | None
    now: tuple[str, ...] | None
    before: tuple[str, ...] | None
    events: int | None


@dataclass(frozen=True)
class Speed:
    """Clock of the fastest core in MHz: now, the highest allowed, the highest that the hardware
    has; and the governor.
    """

    now_mhz: int | None
    allowed_mhz: int | None
    hardware_mhz: int | None
    governor: str | None


def read_heat(root: Path) -> Heat:
    """Read temperature and throttling of the board whose ``/sys`` is under `root`."""
    zones: dict[bool, list[float]] = {True: [], False: []}
    for zone in sorted((root / "sys/class/thermal").glob("thermal_zone*")):
        value = whole(read(zone / "temp"))
        kind = read(zone / "type") or ""
        if value is not None and _PLAUSIBLE_C[0] <= value / 1000 <= _PLAUSIBLE_C[1]:
            zones[bool(_PROCESSOR_ZONE.search(kind))].append(value / 1000)
    bits = None
    for path in sorted((root / "sys/devices/platform").glob("soc*/soc*:firmware/get_throttled")):
        reported = (read(path) or "").strip()
        bits = int(reported, 16) if re.fullmatch(r"(0x)?[0-9a-fA-F]{1,8}", reported) else bits
    counts = [
        whole(read(path))
        for path in (root / "sys/devices/system/cpu").glob(
            "cpu[0-9]*/thermal_throttle/core_throttle_count"
        )
    ]
    known = [count for count in counts if count is not None]
    return Heat(
        celsius=max(zones[True] or zones[False], default=None),
        now=(
            None
            if bits is None
            else tuple(name for bit, name in _THROTTLED.items() if bits >> bit & 1)
        ),
        before=(
            None
            if bits is None
            else tuple(name for bit, name in _THROTTLED.items() if bits >> bit + 16 & 1)
        ),
        events=max(known, default=None),
    )


def read_speed(root: Path) -> Speed:
    """Read the clock of the fastest core of the board whose ``/sys`` is under `root`."""
    fastest = Speed(None, None, None, None)
    for folder in sorted((root / "sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq")):
        core = Speed(
            now_mhz=_mhz(folder / "scaling_cur_freq"),
            allowed_mhz=_mhz(folder / "scaling_max_freq"),
            hardware_mhz=_mhz(folder / "cpuinfo_max_freq"),
            governor=(read(folder / "scaling_governor") or "").strip() or None,
        )
        if (core.hardware_mhz or 0) > (fastest.hardware_mhz or 0) or fastest == Speed(
            None, None, None, None
        ):
            fastest = core
    return fastest


def _mhz(path: Path) -> int | None:
    khz = whole(read(path))
    return None if khz is None else khz // 1000
