"""Is there a build of ONNX Runtime for this system? Word size, machine, Python, C library,
processor.
"""

from __future__ import annotations

from cfedge.device.board import Board
from cfedge.doctor.check import Check, Status, dotted, runs
from cfedge.doctor.child import Trial
from cfedge.doctor.host import Host
from cfedge.doctor.limits import Limits, version_of

__all__ = ["cpu", "libc", "machine", "python", "word_size"]


#: Flags of CPUs with dot products of int8.
_DOT = ("avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm")


def word_size(board: Board, host: Host) -> Check:
    """Judge the word size: there is no 32-bit build."""
    if host.bits == 64:
        return Check("64-bit", "ok", "64 bits", "64 bits")
    kernel = " under a 64-bit kernel" if board.machine in ("aarch64", "x86_64") else ""
    return Check(
        "64-bit", "fail", f"a {host.bits}-bit Python{kernel}", "64 bits: ONNX Runtime has no 32-bit build",
        "install a 64-bit system (on a Raspberry Pi: Raspberry Pi OS, 64-bit)",
    )  # fmt: skip


def machine(board: Board, trial: Trial, limits: Limits) -> Check:
    """Judge the kind of processor."""
    what = f"{board.system} {board.machine}{f' ({board.model})' if board.model else ''}"
    if board.machine in limits.machines:
        return Check("machine", "ok", what, "x86-64 or 64-bit ARM")
    return Check(
        "machine", "warn" if runs(trial) else "fail", what, "x86-64 or 64-bit ARM: others have no wheel of ONNX Runtime",
        "use another machine, or build ONNX Runtime for this one",
    )  # fmt: skip


def python(host: Host, trial: Trial, limits: Limits) -> Check:
    """Judge Python's version."""
    version = version_of(host.python)[:2]
    oldest, newest = limits.python_oldest, limits.python_newest
    expected = f"Python {dotted(oldest)} - {dotted(newest)}"
    if version < oldest:
        return Check(
            "python", "fail", host.python, expected, f"install Python {dotted(oldest)} or later"
        )
    if version > newest:
        return Check(
            "python", "warn" if runs(trial) else "fail", host.python, f"{expected}: later ones have no wheel of ONNX Runtime yet",
            f"use Python {dotted(newest)}",
        )  # fmt: skip
    bound = ""
    if version == (3, 10):
        bound = f"; ONNX Runtime up to {limits.onnxruntime_newest_python_3_10} has wheels for it"
    elif version == (3, 14):
        bound = f"; ONNX Runtime from {limits.onnxruntime_oldest_python_3_14} on has wheels for it"
    return Check("python", "ok", f"{host.python}{bound}", expected)


def libc(host: Host, trial: Trial, limits: Limits) -> Check:
    """Judge the C library and its version."""
    found = f"{host.libc} {host.libc_version}".strip()
    version = version_of(host.libc_version)[:2]
    expected = f"glibc >= {dotted(limits.glibc_oldest)}, or macOS >= {limits.macos_oldest[0]}"
    if host.libc == "glibc" and version:
        if version < limits.glibc_oldest:
            status: Status = "warn" if runs(trial) else "fail"
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
            return Check("libc", "warn" if runs(trial) else "fail", found, expected, "update macOS")
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
        "warn" if runs(trial) else "fail",
        found,
        f"{expected}: there is no wheel of ONNX Runtime for others",
        remedy,
    )


def cpu(board: Board) -> Check:
    """Judge which int8 products the processor has."""
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
