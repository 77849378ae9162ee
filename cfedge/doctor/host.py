"""What only the running process knows of its machine: word size, Python, C library, what is
installed, room on the disk.
"""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import struct
import sysconfig
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from cfedge.device.machine import usable_cores

__all__ = ["Host", "name_libc", "read_host"]


@dataclass(frozen=True)
class Host:
    """The process and what surrounds it.

    Attributes
    ----------
    bits
        Of the process, whatever the kernel has.
    libc, libc_version
        ``glibc``, ``musl``, ``bionic`` (Android), ``macos`` (with the system's version),
        ``windows`` or ``unknown``.
    usable_cores
        That this process may use.
    disk_free_bytes
        Where the bundle or the cache lies; None where it cannot be told.
    onnxruntime
        Name and version of each installed distribution that brings the package ``onnxruntime``.
    """

    bits: int
    python: str
    libc: str
    libc_version: str
    usable_cores: int
    disk_free_bytes: int | None
    onnxruntime: tuple[tuple[str, str], ...]


def read_host(disk: Path) -> Host:
    """Ask this process; `disk` is where room is needed."""
    libc, version = name_libc(
        _confstr(),
        str(sysconfig.get_config_var("HOST_GNU_TYPE") or ""),
        platform.system(),
        platform.mac_ver()[0],
    )
    return Host(
        bits=8 * struct.calcsize("P"),
        python=platform.python_version(),
        libc=libc,
        libc_version=version,
        usable_cores=usable_cores(),
        disk_free_bytes=_free(disk),
        onnxruntime=_distributions(),
    )


def name_libc(confstr: str | None, host_type: str, system: str, macos: str) -> tuple[str, str]:
    """Return the C library and its version, "" where unknown.

    Parameters
    ----------
    confstr
        Of ``CS_GNU_LIBC_VERSION``: "glibc 2.36"; None where the library is another one.
    host_type
        That Python was built for: "x86_64-pc-linux-musl", "aarch64-unknown-linux-android24".
    """
    if system == "Darwin":
        return "macos", macos
    if system == "Windows":
        return "windows", ""
    if confstr and confstr.startswith("glibc "):
        return "glibc", confstr.removeprefix("glibc ").strip()
    if "android" in host_type or system == "Android":
        return "bionic", ""
    if "musl" in host_type:
        return "musl", ""
    return "unknown", ""


def _confstr() -> str | None:
    with contextlib.suppress(AttributeError, ValueError, OSError):
        return os.confstr("CS_GNU_LIBC_VERSION")
    return None


def _free(path: Path) -> int | None:
    for place in (path, *path.absolute().parents):
        with contextlib.suppress(OSError):
            return shutil.disk_usage(place).free
    return None


def _distributions() -> tuple[tuple[str, str], ...]:
    found = (one for one in metadata.distributions() if _brings_onnxruntime(one))
    return tuple(sorted({one.metadata["Name"]: one.version for one in found}.items()))


def _brings_onnxruntime(installed: metadata.Distribution) -> bool:
    """Look for its folder in the list of files as it stands: `packages_distributions` takes every
    line of every package apart, which takes a second where many are installed.
    """
    if stated := (installed.read_text("top_level.txt") or "").split():
        return "onnxruntime" in stated
    files = f"\n{installed.read_text('RECORD') or ''}"
    return "\nonnxruntime/" in files
