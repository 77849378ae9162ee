"""The judgements: facts in, a list of checks out. Pure, so that a folder of files can be judged
like a board.

A check fails where cfedge will not work, warns where it will work worse or was not tried, and is ok
otherwise. What cannot be found out is ok and says so. Where a build for this system is not known
but one is installed and runs, it only warns: what runs, runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cfedge.device.board import Board
from cfedge.device.profile import Profile, contradictions
from cfedge.doctor.child import Trial
from cfedge.doctor.host import Host
from cfedge.doctor.limits import Limits, version_of

__all__ = ["Check", "Status", "judge"]

Status = Literal["ok", "warn", "fail"]

#: Flags of CPUs with dot products of int8.
_DOT = ("avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm")
_INSTALL = "pip install 'cfedge[text]' -c constraints.txt"


@dataclass(frozen=True)
class Check:
    """One judgement: what was found, what is expected, and what to do where it is not ok."""

    name: str
    status: Status
    found: str
    expected: str
    next: str | None = None


def judge(
    board: Board,
    host: Host,
    trial: Trial,
    *,
    limits: Limits,
    profile: Profile | None = None,
    with_bundle: bool = False,
) -> list[Check]:
    """Return every check, in the order in which one looks for a fault."""
    checks = [
        _word_size(board, host),
        _machine(board, trial, limits),
        _python(host, trial, limits),
        _libc(host, trial, limits),
        _cpu(board),
        _numpy(board, trial),
        _onnxruntime(host, trial, limits),
        _import(board, host, trial, limits),
        _int8(trial),
        _memory(board, trial, limits),
        _disk(host, limits),
        _cores(board, host, profile),
        _load(board, host, limits),
        _heat(board, limits),
        _clock(board),
    ]
    if with_bundle:
        checks.append(_bundle(trial))
    if profile:
        checks.append(_profile(board, profile))
        if with_bundle:
            checks.append(_budget(trial, profile))
    return checks


def _runs(trial: Trial) -> bool:
    return "onnxruntime" in trial.done


def _word_size(board: Board, host: Host) -> Check:
    if host.bits == 64:
        return Check("64-bit", "ok", "64 bits", "64 bits")
    kernel = " under a 64-bit kernel" if board.machine in ("aarch64", "x86_64") else ""
    return Check(
        "64-bit", "fail", f"a {host.bits}-bit Python{kernel}", "64 bits: ONNX Runtime has no 32-bit build",
        "install a 64-bit system (on a Raspberry Pi: Raspberry Pi OS, 64-bit)",
    )  # fmt: skip


def _machine(board: Board, trial: Trial, limits: Limits) -> Check:
    what = f"{board.system} {board.machine}{f' ({board.model})' if board.model else ''}"
    if board.machine in limits.machines:
        return Check("machine", "ok", what, "x86-64 or 64-bit ARM")
    return Check(
        "machine", "warn" if _runs(trial) else "fail", what, "x86-64 or 64-bit ARM: others have no wheel of ONNX Runtime",
        "use another machine, or build ONNX Runtime for this one",
    )  # fmt: skip


def _python(host: Host, trial: Trial, limits: Limits) -> Check:
    version = version_of(host.python)[:2]
    oldest, newest = limits.python_oldest, limits.python_newest
    expected = f"Python {_dotted(oldest)} - {_dotted(newest)}"
    if version < oldest:
        return Check(
            "python", "fail", host.python, expected, f"install Python {_dotted(oldest)} or later"
        )
    if version > newest:
        return Check(
            "python", "warn" if _runs(trial) else "fail", host.python, f"{expected}: later ones have no wheel of ONNX Runtime yet",
            f"use Python {_dotted(newest)}",
        )  # fmt: skip
    bound = ""
    if version == (3, 10):
        bound = f"; ONNX Runtime up to {limits.onnxruntime_newest_python_3_10} has wheels for it"
    elif version == (3, 14):
        bound = f"; ONNX Runtime from {limits.onnxruntime_oldest_python_3_14} on has wheels for it"
    return Check("python", "ok", f"{host.python}{bound}", expected)


def _libc(host: Host, trial: Trial, limits: Limits) -> Check:
    found = f"{host.libc} {host.libc_version}".strip()
    version = version_of(host.libc_version)[:2]
    expected = f"glibc >= {_dotted(limits.glibc_oldest)}, or macOS >= {limits.macos_oldest[0]}"
    if host.libc == "glibc" and version:
        if version < limits.glibc_oldest:
            status: Status = "warn" if _runs(trial) else "fail"
            return Check(
                "libc",
                status,
                found,
                expected,
                "update the system, or run in a container of a newer one",
            )
        if version < limits.glibc_newest_needs:
            found += (
                f"; ONNX Runtime up to {limits.onnxruntime_newest_glibc_2_27} has wheels for it"
            )
        return Check("libc", "ok", found, expected)
    if host.libc == "macos" and version:
        if version < limits.macos_oldest:
            return Check(
                "libc", "warn" if _runs(trial) else "fail", found, expected, "update macOS"
            )
        if version < limits.macos_newest_needs:
            found += f"; ONNX Runtime up to {limits.onnxruntime_newest_macos_13} has wheels for it"
        return Check("libc", "ok", found, expected)
    if host.libc == "windows":
        return Check("libc", "warn", found, expected, "cfedge was not tried on Windows")
    remedy = {
        "musl": (
            "use a system with glibc, such as debian:stable-slim or python:3.11-slim instead of"
            " alpine"
        ),
        "bionic": (
            "pkg install python-onnxruntime python-numpy (Termux builds its own), or a Debian in"
            " proot-distro"
        ),
    }.get(host.libc, "use a system with glibc")
    return Check(
        "libc",
        "warn" if _runs(trial) else "fail",
        found,
        f"{expected}: there is no wheel of ONNX Runtime for others",
        remedy,
    )


def _cpu(board: Board) -> Check:
    name = board.cpu or "unknown CPU"
    expected = f"int8 dot products ({', '.join(_DOT)})"
    if board.flags is None:
        return Check("cpu", "ok", f"{name}, flags not listed by the system", expected)
    found = f"{name}: {', '.join(board.flags) or 'none of the flags asked for'}"
    if set(board.flags) & set(_DOT):
        return Check("cpu", "ok", found, expected)
    if "avx2" in board.flags:
        return Check("cpu", "ok", f"{found}; no dot products: slower int8", expected)
    if "asimd" in board.flags:
        return Check("cpu", "ok", f"{found}; no dot products: slower int8", expected)
    return Check(
        "cpu",
        "warn",
        f"{found}; neither dot products nor AVX2",
        expected,
        "time it with: cfedge bench",
    )


def _numpy(board: Board, trial: Trial) -> Check:
    if trial.numpy:
        return Check("numpy", "ok", trial.numpy, "to import and to add")
    if trial.stopped == "numpy":
        return Check(
            "numpy", "fail", _how(trial), "to import and to add", _remedy(board, trial, "numpy")
        )
    return Check("numpy", "fail", "not tried", "to import and to add", "see the checks before")


def _onnxruntime(host: Host, trial: Trial, limits: Limits) -> Check:
    oldest, newest = limits.onnxruntime_oldest, limits.onnxruntime_newest
    expected = f"onnxruntime {oldest} - {newest}"
    version = trial.onnxruntime or (host.onnxruntime[0][1] if host.onnxruntime else None)
    if version is None:
        return Check("onnxruntime", "fail", "not installed", expected, _install(host, limits))
    found = " and ".join(f"{name} {number}" for name, number in host.onnxruntime) or version
    if version_of(version) < version_of(oldest):
        return Check("onnxruntime", "fail", found, expected, f"pip install 'onnxruntime>={oldest}'")
    if len(host.onnxruntime) > 1:
        return Check(
            "onnxruntime",
            "warn",
            found,
            f"{expected}, from one package: the later one overwrites the other",
            "uninstall both, install one",
        )
    if version_of(version) > version_of(newest):
        return Check(
            "onnxruntime",
            "warn",
            found,
            f"{expected}: later ones were not tried",
            "let the golden vectors judge: cfedge doctor BUNDLE",
        )
    return Check("onnxruntime", "ok", found, expected)


def _install(host: Host, limits: Limits) -> str:
    if host.bits != 64:
        return "none fits a 32-bit system: see 64-bit"
    version = version_of(host.libc_version)
    if host.libc in ("musl", "unknown") or (host.libc == "glibc" and version < limits.glibc_oldest):
        return "none fits this C library: see libc"
    if host.libc == "bionic":
        return "pkg install python-onnxruntime"
    return _INSTALL


def _import(board: Board, host: Host, trial: Trial, limits: Limits) -> Check:
    if _runs(trial):
        return Check(
            "import",
            "ok",
            f"onnxruntime {trial.onnxruntime} in a child process",
            "onnxruntime to import",
        )
    if trial.stopped != "onnxruntime":
        return Check(
            "import", "fail", "not tried", "onnxruntime to import", "see the checks before"
        )
    if not host.onnxruntime and (trial.how or "").startswith("ModuleNotFoundError"):
        return Check("import", "fail", "not installed", "onnxruntime to import", "see onnxruntime")
    cause = _known_fault(board, host, limits) if trial.signal == "SIGILL" else None
    if cause:
        return Check(
            "import",
            "fail",
            f"that it {_how(trial)}: {cause[0]}",
            "onnxruntime to import",
            cause[1],
        )
    return Check(
        "import",
        "fail",
        f"that it {_how(trial)}",
        "onnxruntime to import",
        _remedy(board, trial, "onnxruntime"),
    )


def _known_fault(board: Board, host: Host, limits: Limits) -> tuple[str, str] | None:
    versions = {version for _, version in host.onnxruntime}
    for fault in limits.faults:
        if (
            fault.release in versions
            and fault.machine == board.machine
            and fault.without not in (board.flags or (fault.without,))
        ):
            return fault.cause, fault.remedy
    return None


def _remedy(board: Board, trial: Trial, package: str) -> str:
    if (
        trial.signal == "SIGILL"
        and board.flags is not None
        and board.machine == "x86_64"
        and "avx" not in board.flags
    ):
        return f"this CPU has no AVX: build {package} on it, or use another machine"
    if trial.signal == "SIGILL":
        return (
            f"the build of {package} is not for this CPU: install another version, or build it here"
        )
    if trial.signal == "SIGKILL":
        return "make room in memory, or add swap, and try again"
    if board.machine == "aarch64" and not board.cpu_lists:
        return (
            "show /sys/devices/system/cpu to this process (a container or sandbox hides it); ONNX"
            " Runtime reads it when it starts"
        )
    return (
        f"see for yourself: python -c 'import {package}'; then: pip install --force-reinstall"
        f" {package}"
    )


def _int8(trial: Trial) -> Check:
    expected = "a small int8 graph to run, exact with 8-bit weights"
    if "int8" in trial.done:
        if trial.exact_8_bit and trial.exact_7_bit:
            return Check("int8", "ok", "exact with 8-bit weights", expected)
        if trial.exact_7_bit:
            return Check(
                "int8", "warn", "that 8-bit weights saturate; 7-bit weights are exact", expected,
                "let the golden vectors judge each bundle: cfedge doctor BUNDLE",
            )  # fmt: skip
        return Check(
            "int8",
            "fail",
            "wrong sums, even with 7-bit weights",
            expected,
            "do not use this build of ONNX Runtime: install another",
        )
    if trial.stopped == "int8":
        return Check(
            "int8",
            "fail",
            f"that it {_how(trial)}",
            expected,
            "install another version of onnxruntime",
        )
    return Check("int8", "fail", "not tried", expected, "see the checks before")


def _memory(board: Board, trial: Trial, limits: Limits) -> Check:
    bounds = [
        value for value in (board.available_bytes, board.memory_limit_bytes) if value is not None
    ]
    if not bounds and board.memory_bytes is None:
        return Check("memory", "ok", "not told by the system", "memory for one engine")
    room = min(bounds) if bounds else board.memory_bytes or 0
    total = f" of {_mb(board.memory_bytes)}" if board.memory_bytes else ""
    limited = board.memory_limit_bytes is not None and room == board.memory_limit_bytes
    kind = (
        " allowed by the control group"
        if limited
        else " available"
        if bounds
        else " in all, how much is free is not told"
    )
    found = f"{_mb(room)}{kind}{total if bounds else ''}"
    least, good, why = limits.memory_least_bytes, limits.memory_good_bytes, "one engine with MiniLM"
    if trial.peak_bytes is not None:
        least, good, why = trial.peak_bytes, 2 * trial.peak_bytes, "this bundle's engine, measured"
    expected = f">= {_mb(good)}, at the least {_mb(least)} ({why})"
    if room < least:
        return Check(
            "memory", "fail", found, expected, "stop other programs, add swap, or raise the limit"
        )
    return (
        Check("memory", "ok", found, expected)
        if room >= good
        else Check("memory", "warn", found, expected, "leave little else running")
    )


def _disk(host: Host, limits: Limits) -> Check:
    expected = (
        f">= {_mb(limits.disk_good_bytes)} free, at the least {_mb(limits.disk_least_bytes)} (two"
        " bundles and one on its way)"
    )
    if host.disk_free_bytes is None:
        return Check("disk", "ok", "not told by the system", expected)
    found = f"{_mb(host.disk_free_bytes)} free"
    if host.disk_free_bytes < limits.disk_least_bytes:
        return Check("disk", "fail", found, expected, "make room")
    if host.disk_free_bytes < limits.disk_good_bytes:
        return Check("disk", "warn", found, expected, "make room before the next update")
    return Check("disk", "ok", found, expected)


def _cores(board: Board, host: Host, profile: Profile | None) -> Check:
    wanted = profile.threads.value if profile else 1
    granted = (
        f", {board.cpu_limit:g} cores' worth of time allowed" if board.cpu_limit is not None else ""
    )
    found = f"{host.usable_cores} usable of {board.cores or host.usable_cores}{granted}"
    expected = f">= {wanted} for {wanted} thread{'s' if wanted > 1 else ''}"
    if host.usable_cores < wanted or (board.cpu_limit is not None and board.cpu_limit < wanted):
        return Check(
            "cores", "warn", found, expected, "raise the limit, or expect answers in bursts"
        )
    return Check("cores", "ok", found, expected)


def _load(board: Board, host: Host, limits: Limits) -> Check:
    most = limits.busy_load_per_core * host.usable_cores
    expected = f"<= {most:g} (half of the cores), so that timings mean something"
    if board.load is None:
        return Check("load", "ok", "not told by the system", expected)
    if board.load > most:
        return Check(
            "load", "warn", f"{board.load:g}", expected, "stop other programs before you measure"
        )
    return Check("load", "ok", f"{board.load:g}", expected)


def _heat(board: Board, limits: Limits) -> Check:
    heat = board.heat
    expected = f"< {limits.hot_celsius:g} degrees Celsius, and no throttling"
    parts = [f"{heat.celsius:.0f} degrees" if heat.celsius is not None else "no thermometer"]
    parts += [f"now: {', '.join(heat.now)}"] if heat.now else []
    parts += [f"since the start: {', '.join(heat.before)}"] if heat.before else []
    parts += [f"throttled {heat.events} times since the start"] if heat.events else []
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


def _clock(board: Board) -> Check:
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


def _bundle(trial: Trial) -> Check:
    expected = "every golden vector to be answered as in the workshop"
    other = trial.exported_with is not None and trial.exported_with != trial.onnxruntime
    origin = (
        f" (exported with onnxruntime {trial.exported_with}, here {trial.onnxruntime})"
        if other
        else ""
    )
    if "bundle" in trial.done:
        return Check(
            "bundle",
            "ok",
            f"{trial.tasks} tasks, smallest cosine {trial.cosine:.4f}{origin}",
            expected,
        )
    if trial.stopped == "bundle" and other:
        remedy = f"pip install onnxruntime=={trial.exported_with}, or export for this machine"
        return Check("bundle", "fail", f"that it {_how(trial)}{origin}", expected, remedy)
    if trial.stopped == "bundle":
        return Check(
            "bundle",
            "fail",
            f"that it {_how(trial)}",
            expected,
            "export for this machine and this onnxruntime, or fetch it again",
        )
    return Check("bundle", "fail", "not tried", expected, "see the checks before")


def _profile(board: Board, profile: Profile) -> Check:
    found = contradictions(profile, board)
    expected = f"the machine to be what {profile.name} says ({profile.title})"
    if found:
        return Check(
            "profile", "fail", "; ".join(found), expected, "choose another: cfedge devices"
        )
    return Check("profile", "ok", "nothing that contradicts it", expected)


def _budget(trial: Trial, profile: Profile) -> Check:
    budget = profile.memory_budget_bytes.value
    expected = f"<= {_mb(budget)} ({profile.memory_budget_bytes.source})"
    if trial.peak_bytes is None:
        return Check("budget", "ok", "not measured", expected)
    found = f"{_mb(trial.peak_bytes)} at the peak"
    if trial.peak_bytes > budget:
        return Check(
            "budget",
            "fail",
            found,
            expected,
            "export a smaller backbone or fewer tasks for this board",
        )
    return Check("budget", "ok", found, expected)


def _how(trial: Trial) -> str:
    how = trial.how or "stopped"
    return how if how.startswith(("died", "did", "ended", "could")) else f"raised {how}"


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _mb(size_bytes: int | None) -> str:
    return f"{(size_bytes or 0) / 1e6:,.0f} MB".replace(",", " ")
