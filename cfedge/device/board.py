"""What the kernel says of this machine: text under ``/proc`` and ``/sys``, read into a `Board`.

Every file is optional, may be closed to us and may hold anything: what cannot be read or is absurd
becomes None, never a guess. The root of the file system is an argument, so that a folder can stand
for a board. Judging the facts is for others.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cfedge.device.cpu import FLAGS, cpu_entries, cpu_flags, cpu_name

__all__ = ["Board", "Heat", "Speed", "darwin_board", "read_board"]

#: macOS: ``sysctl`` names of features, and what Linux calls them.
_DARWIN_FLAGS = {
    "hw.optional.AdvSIMD": "asimd", "hw.optional.arm.FEAT_LSE": "atomics", "hw.optional.arm.FEAT_FP16": "asimdhp",
    "hw.optional.arm.FEAT_DotProd": "asimddp", "hw.optional.arm.FEAT_I8MM": "i8mm", "hw.optional.avx1_0": "avx",
    "hw.optional.avx2_0": "avx2", "hw.optional.avx512f": "avx512f", "hw.optional.avx512vnni": "avx512_vnni",
    "hw.optional.sse4_2": "sse4_2", "hw.optional.fma": "fma",
}  # fmt: skip

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
#: Files of the kernel are small; what is longer is none.
_MAX_CHARS = 4_000_000
#: cgroup v1 writes about 2**63 for "no limit".
_NO_LIMIT_BYTES = 1 << 60


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


def read_board(machine: str, system: str, *, root: Path = Path("/")) -> Board:
    """Describe the machine whose ``/proc`` and ``/sys`` are under `root`.

    Parameters
    ----------
    machine, system
        Of the process (``platform``), which the files do not tell.
    root
        The root of the file system. Where it is the real one and `system` is Darwin, ``sysctl`` is
        asked instead.
    """
    if system == "Darwin":
        return darwin_board(_read(root, "sysctl.txt") or _sysctl(), machine)
    entries = cpu_entries(_read(root, "proc/cpuinfo") or "")
    memory = dict(
        re.findall(r"^(\w+):\s+(\d+) kB$", _read(root, "proc/meminfo") or "", re.MULTILINE)
    )
    limit, quota = _cgroup(root)
    return Board(
        machine=machine,
        system=system,
        model=_model(root, entries),
        cpu=cpu_name(entries),
        flags=cpu_flags(entries),
        cores=_cpu_list(_read(root, "sys/devices/system/cpu/present"))
        or sum("processor" in entry for entry in entries)
        or None,
        memory_bytes=_kib(memory.get("MemTotal")),
        available_bytes=_kib(memory.get("MemAvailable")),
        memory_limit_bytes=limit,
        cpu_limit=quota,
        load=_number((_read(root, "proc/loadavg") or "").split(" ")[0]),
        heat=_heat(root),
        speed=_speed(root),
        cpu_lists=all(
            _read(root, f"sys/devices/system/cpu/{name}") is not None
            for name in ("possible", "present")
        ),
    )


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
        cores=_whole(values.get("hw.physicalcpu")),
        memory_bytes=_whole(values.get("hw.memsize")),
        available_bytes=None,
        memory_limit_bytes=None,
        cpu_limit=None,
        load=_number(values.get("vm.loadavg", "").strip("{} ").split(" ")[0]),
        heat=Heat(None, None, None, None),
        speed=Speed(None, None, None, None),
        cpu_lists=True,
    )


def _read(root: Path, name: str) -> str | None:
    return _text(root / name)


def _text(path: Path) -> str | None:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(_MAX_CHARS)
    except OSError:
        return None


def _sysctl() -> str:
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
            text=True,
            errors="replace",
            timeout=10,
            check=False,
        ).stdout
    return ""


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and re.fullmatch(r"\s*[0-9]{1,20}\s*", text) else None


def _kib(text: str | None) -> int | None:
    value = _whole(text)
    return None if value is None else value * 1024


def _number(text: str | None) -> float | None:
    return (
        float(text)
        if text is not None and re.fullmatch(r"\s*[0-9]{1,12}(\.[0-9]{1,12})?\s*", text)
        else None
    )


def _cpu_list(text: str | None) -> int | None:
    """Count the cores of a list such as ``0-3,6``."""
    if text is None or not re.fullmatch(
        r"[0-9]{1,4}(-[0-9]{1,4})?(,[0-9]{1,4}(-[0-9]{1,4})?)*", text.strip()
    ):
        return None
    spans = (part.partition("-") for part in text.strip().split(","))
    return sum(max(0, int(last or first) - int(first) + 1) for first, _, last in spans) or None


def _model(root: Path, entries: Sequence[dict[str, str]]) -> str | None:
    for name in (
        "proc/device-tree/model",
        "sys/firmware/devicetree/base/model",
        "sys/class/dmi/id/product_name",
    ):
        text = (_read(root, name) or "").strip("\0 \n\t")
        if text:
            return text
    return next((entry["Model"] for entry in entries if entry.get("Model")), None)


def _cgroup(root: Path) -> tuple[int | None, float | None]:
    """Return the tightest limits of memory (bytes) and CPU time (cores) of this process's control
    groups, v1 or v2.
    """
    memory, quota = [], []
    for line in (_read(root, "proc/self/cgroup") or "").splitlines():
        controllers, _, group = line.partition(":")[2].partition(":")
        if ".." in group:  # a group outside of what this namespace shows
            group = "/"
        if not controllers:
            folders, files = ["sys/fs/cgroup"], ("memory.max", "cpu.max")
        elif "memory" in controllers.split(","):
            folders, files = ["sys/fs/cgroup/memory"], ("memory.limit_in_bytes", "")
        elif "cpu" in controllers.split(","):
            folders, files = (
                [f"sys/fs/cgroup/{controllers}", "sys/fs/cgroup/cpu"],
                ("", "cpu.cfs_quota_us"),
            )
        else:
            continue
        parts = [part for part in group.split("/") if part]
        for folder in folders:
            for depth in range(len(parts) + 1):
                place = "/".join([folder, *parts[:depth]])
                if files[0]:
                    memory.append(_whole(_read(root, f"{place}/{files[0]}")))
                if files[1]:
                    quota.append(_quota(root, place, files[1]))
    bounds = [value for value in memory if value is not None and value < _NO_LIMIT_BYTES]
    return min(bounds, default=None), min(
        (value for value in quota if value is not None), default=None
    )


def _quota(root: Path, place: str, file: str) -> float | None:
    words = (_read(root, f"{place}/{file}") or "").split()
    if file == "cpu.cfs_quota_us":
        words = [*words[:1], *(_read(root, f"{place}/cpu.cfs_period_us") or "").split()[:1]]
    granted, period = (_whole(words[0]), _whole(words[1])) if len(words) == 2 else (None, None)
    return granted / period if granted and period else None


def _heat(root: Path) -> Heat:
    zones: dict[bool, list[float]] = {True: [], False: []}
    for zone in sorted((root / "sys/class/thermal").glob("thermal_zone*")):
        value = _whole(_text(zone / "temp"))
        kind = _text(zone / "type") or ""
        if value is not None and _PLAUSIBLE_C[0] <= value / 1000 <= _PLAUSIBLE_C[1]:
            zones[bool(_PROCESSOR_ZONE.search(kind))].append(value / 1000)
    bits = None
    for path in sorted((root / "sys/devices/platform").glob("soc*/soc*:firmware/get_throttled")):
        text = (_text(path) or "").strip()
        bits = int(text, 16) if re.fullmatch(r"(0x)?[0-9a-fA-F]{1,8}", text) else bits
    counts = [
        _whole(_text(path))
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


def _speed(root: Path) -> Speed:
    fastest = Speed(None, None, None, None)
    for folder in sorted((root / "sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq")):
        one = Speed(
            now_mhz=_mhz(folder / "scaling_cur_freq"),
            allowed_mhz=_mhz(folder / "scaling_max_freq"),
            hardware_mhz=_mhz(folder / "cpuinfo_max_freq"),
            governor=(_text(folder / "scaling_governor") or "").strip() or None,
        )
        if (one.hardware_mhz or 0) > (fastest.hardware_mhz or 0) or fastest == Speed(
            None, None, None, None
        ):
            fastest = one
    return fastest


def _mhz(path: Path) -> int | None:
    khz = _whole(_text(path))
    return None if khz is None else khz // 1000
