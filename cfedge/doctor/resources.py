"""What is free for an engine: memory, disk, cores; and whether load, heat or a slow clock spoils
timings.
"""

from __future__ import annotations

from cfedge.counted import counted
from cfedge.device.board import Board
from cfedge.device.profile import Profile
from cfedge.doctor.check import Check, mb
from cfedge.doctor.child import Trial
from cfedge.doctor.host import Host
from cfedge.doctor.limits import Limits

__all__ = ["clock", "cores", "disk", "heat", "load", "memory"]


def memory(board: Board, trial: Trial, limits: Limits) -> Check:
    """Judge the memory that can be had."""
    bounds = [
        value for value in (board.available_bytes, board.memory_limit_bytes) if value is not None
    ]
    if not bounds and board.memory_bytes is None:
        return Check("memory", "ok", "not told by the system", "memory for one engine")
    room = min(bounds) if bounds else board.memory_bytes or 0
    total = f" of {mb(board.memory_bytes)}" if board.memory_bytes else ""
    limited = board.memory_limit_bytes is not None and room == board.memory_limit_bytes
    kind = (
        " allowed by the control group"
        if limited
        else " available"
        if bounds
        else " in all, how much is free is not told"
    )
    found = f"{mb(room)}{kind}{total if bounds else ''}"
    least, good, why = limits.memory_least_bytes, limits.memory_good_bytes, "one engine with MiniLM"
    if trial.peak_bytes is not None:
        least, good, why = trial.peak_bytes, 2 * trial.peak_bytes, "this bundle's engine, measured"
    expected = f">= {mb(good)}, at the least {mb(least)} ({why})"
    if room < least:
        return Check(
            "memory", "fail", found, expected, "stop other programs, add swap, or raise the limit"
        )
    return (
        Check("memory", "ok", found, expected)
        if room >= good
        else Check("memory", "warn", found, expected, "leave little else running")
    )


def disk(host: Host, limits: Limits) -> Check:
    """Judge the room on the disk."""
    expected = (
        f">= {mb(limits.disk_good_bytes)} free, at the least {mb(limits.disk_least_bytes)} (two"
        " bundles and one on its way)"
    )
    if host.disk_free_bytes is None:
        return Check("disk", "ok", "not told by the system", expected)
    found = f"{mb(host.disk_free_bytes)} free"
    if host.disk_free_bytes < limits.disk_least_bytes:
        return Check("disk", "fail", found, expected, "make room")
    if host.disk_free_bytes < limits.disk_good_bytes:
        return Check("disk", "warn", found, expected, "make room before the next update")
    return Check("disk", "ok", found, expected)


def cores(board: Board, host: Host, profile: Profile | None) -> Check:
    """Judge the cores that this process may use."""
    wanted = profile.threads.value if profile else 1
    granted = (
        f", {board.cpu_limit:g} cores' worth of time allowed" if board.cpu_limit is not None else ""
    )
    found = f"{host.usable_cores} usable of {board.cores or host.usable_cores}{granted}"
    expected = f">= {wanted} for {counted(wanted, 'thread')}"
    if host.usable_cores < wanted or (board.cpu_limit is not None and board.cpu_limit < wanted):
        return Check(
            "cores", "warn", found, expected, "raise the limit, or expect answers in bursts"
        )
    return Check("cores", "ok", found, expected)


def load(board: Board, host: Host, limits: Limits) -> Check:
    """Judge what else runs."""
    most = limits.busy_load_per_core * host.usable_cores
    expected = f"<= {most:g} (half of the cores), so that timings mean something"
    if board.load is None:
        return Check("load", "ok", "not told by the system", expected)
    if board.load > most:
        return Check(
            "load", "warn", f"{board.load:g}", expected, "stop other programs before you measure"
        )
    return Check("load", "ok", f"{board.load:g}", expected)


def heat(board: Board, limits: Limits) -> Check:
    """Judge temperature and throttling."""
    heat = board.heat
    expected = f"< {limits.hot_celsius:g} degrees Celsius, and no throttling"
    parts = [f"{heat.celsius:.0f} degrees" if heat.celsius is not None else "no thermometer"]
    parts += [f"now: {', '.join(heat.now)}"] if heat.now else []
    parts += [f"since the start: {', '.join(heat.before)}"] if heat.before else []
    parts += [f"throttled {counted(heat.events, 'time')} since the start"] if heat.events else []
    found = "; ".join(parts)
    troubles = (*(heat.now or ()), *(heat.before or ()))
    if "under-voltage" in troubles:
        return Check(
            "heat", "warn", found, expected, "use a stronger power supply and a short cable"
        )
    if troubles or heat.events or (heat.celsius is not None and heat.celsius >= limits.hot_celsius):
        return Check(
            "heat", "warn", found, expected, "cool it: a heat sink, a fan, or fewer threads"
        )
    return Check("heat", "ok", found, expected)


def clock(board: Board) -> Check:
    """Judge the clock that is allowed."""
    speed = board.speed
    expected = "the hardware's highest clock allowed"
    if speed.allowed_mhz is None and speed.now_mhz is None:
        return Check("clock", "ok", "not told by the system", expected)
    governor = f", governor {speed.governor}" if speed.governor else ""
    found = (
        f"{speed.now_mhz} MHz now, {speed.allowed_mhz} allowed, {speed.hardware_mhz}"
        f" possible{governor}"
    )
    if (
        speed.allowed_mhz is not None
        and speed.hardware_mhz is not None
        and speed.allowed_mhz < speed.hardware_mhz
    ):
        return Check(
            "clock",
            "warn",
            found,
            expected,
            "choose a faster power mode, or measure in this one and say so",
        )
    return Check("clock", "ok", found, expected)
