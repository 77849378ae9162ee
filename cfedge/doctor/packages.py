"""Do the packages import here and compute rightly? NumPy, ONNX Runtime, int8 products."""

from __future__ import annotations

from cfedge.device.board import Board
from cfedge.doctor.check import Check, how_it_ended, runs
from cfedge.doctor.child import Trial
from cfedge.doctor.host import Host
from cfedge.doctor.limits import Limits, version_of
from cfedge.kinds import DEFAULT_KIND

__all__ = ["imports", "int8", "numpy", "onnxruntime"]


_INSTALL = f"pip install 'cfedge[{DEFAULT_KIND}]' -c constraints.txt"


def numpy(board: Board, trial: Trial) -> Check:
    """Judge whether NumPy imports."""
    if trial.numpy:
        return Check("numpy", "ok", trial.numpy, "to import and to add")
    if trial.stopped == "numpy":
        return Check(
            "numpy",
            "fail",
            how_it_ended(trial),
            "to import and to add",
            _remedy(board, trial, "numpy"),
        )
    return Check("numpy", "fail", "not tried", "to import and to add", "see the checks before")


def onnxruntime(host: Host, trial: Trial, limits: Limits) -> Check:
    """Judge the version of ONNX Runtime."""
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


def imports(board: Board, host: Host, trial: Trial, limits: Limits) -> Check:
    """Judge whether ONNX Runtime imports, and what to do where it does not."""
    if runs(trial):
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
            f"that it {how_it_ended(trial)}: {cause[0]}",
            "onnxruntime to import",
            cause[1],
        )
    return Check(
        "import",
        "fail",
        f"that it {how_it_ended(trial)}",
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


def int8(trial: Trial) -> Check:
    """Judge whether a small int8 graph is computed exactly."""
    expected = "a small int8 graph to run, exact with 8-bit weights"
    if "int8" in trial.done:
        if trial.exact_8_bit and trial.exact_7_bit:
            return Check("int8", "ok", "exact with 8-bit weights", expected)
        if trial.exact_7_bit:
            return Check(
                "int8", "warn", "wrong sums with 8-bit weights; 7-bit weights are exact", expected,
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
            f"that it {how_it_ended(trial)}",
            expected,
            "install another version of onnxruntime",
        )
    return Check("int8", "fail", "not tried", expected, "see the checks before")
