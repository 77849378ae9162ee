"""What cfedge needs of a machine, in one place, with reasons. How each was found out is in
docs/decisions/0012-doctor.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Fault", "Limits", "version_of"]


def version_of(version: str) -> tuple[int, ...]:
    """Return the leading numbers of a version, (1, 28, 0) of "1.28.0rc1"; () of what has none."""
    numbers: list[int] = []
    for part in version.split("."):
        digits = len(part) - len(part.lstrip("0123456789"))
        if not digits:
            break
        numbers.append(int(part[:digits]))
        if digits < len(part):
            break
    return tuple(numbers)


@dataclass(frozen=True)
class Fault:
    """A release known to die on some CPUs: on `machine` where `without` is missing from the flags."""

    release: str
    machine: str
    without: str
    cause: str
    remedy: str


@dataclass(frozen=True)
class Limits:
    """Ranges, sizes and times that the checks compare with."""

    #: The range tried: golden vectors of an exported bundle were answered with both ends.
    onnxruntime_oldest: str = "1.20.0"
    onnxruntime_newest: str = "1.32.0"
    #: cfedge's own floor; the newest that has wheels of ONNX Runtime.
    python_oldest: tuple[int, int] = (3, 10)
    python_newest: tuple[int, int] = (3, 14)
    #: The newest release with wheels for Python 3.10; the oldest for 3.14.
    onnxruntime_newest_python_3_10: str = "1.23.2"
    onnxruntime_oldest_python_3_14: str = "1.24.1"
    #: By the tags of the wheels: manylinux_2_27 up to 1.28, manylinux_2_28 from 1.29 on; macOS 13
    #: up to 1.23, 14 from 1.24 on.
    glibc_oldest: tuple[int, int] = (2, 27)
    glibc_newest_needs: tuple[int, int] = (2, 28)
    onnxruntime_newest_glibc_2_27: str = "1.28.0"
    macos_oldest: tuple[int, int] = (13, 0)
    macos_newest_needs: tuple[int, int] = (14, 0)
    onnxruntime_newest_macos_13: str = "1.23.2"
    #: There is no wheel for any other (armv7l, riscv64, i686).
    machines: tuple[str, ...] = ("x86_64", "aarch64", "arm64", "AMD64", "ARM64")
    #: One engine with MiniLM and ten tasks peaks at 146 MB (x86-64): less than that is no use,
    #: twice that is comfortable.
    memory_least_bytes: int = 150_000_000
    memory_good_bytes: int = 300_000_000
    #: A bundle of MiniLM is 26 MB; a store keeps two and fetches a third.
    disk_least_bytes: int = 30_000_000
    disk_good_bytes: int = 100_000_000
    #: Where a Raspberry Pi begins to throttle
    #: (raspberrypi.com/documentation/computers/raspberry-pi.html#frequency-management).
    hot_celsius: float = 80.0
    #: Runnable processes a core above which a measurement would measure them too.
    busy_load_per_core: float = 0.5
    #: Importing from a slow card takes tens of seconds; what takes longer than this hangs.
    start_timeout_s: float = 120.0
    #: The golden vectors of a hundred tasks on a slow board.
    bundle_timeout_s: float = 600.0
    faults: tuple[Fault, ...] = field(
        default=(
            Fault(
                "1.21.0", "aarch64", "atomics",
                "ONNX Runtime 1.21.0 was built with instructions that ARMv8.0 CPUs such as the Raspberry Pi 4's lack "
                "(github.com/microsoft/onnxruntime/issues/23957)",
                "install onnxruntime 1.20 or 1.22 and later",
            ),
        )
    )  # fmt: skip
