"""The machine: board profiles (``devices/*.toml``) and what this CPU says of itself.

A profile only sets budgets; flags are probed. Reading a bundle or running a graph is for others.
"""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from cfedge.errors import UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["Machine", "Profile", "load_profile", "probe", "profiles"]


@dataclass(frozen=True)
class Profile:
    """A board: name, architecture as ``platform.machine()`` spells it, threads for one engine, and why."""

    name: str
    machine: str
    threads: int
    source: str


@dataclass(frozen=True)
class Machine:
    """A description of the machine, for the record of a measurement."""

    machine: str
    cpu: str
    cores: int
    memory_bytes: int | None
    system: str
    python: str
    flags: tuple[str, ...]


#: The flags that decide how int8 products are computed.
_INT8_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm")


def probe() -> Machine:
    """Describe this machine."""
    return Machine(
        machine=platform.machine(),
        cpu=_cpu_field("model name") or platform.processor() or "unknown",
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else None,
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        flags=tuple(flag for flag in _INT8_FLAGS if flag in (_cpu_field("flags") or _cpu_field("Features") or "").split()),
    )


def profiles() -> dict[str, Profile]:
    """Return every known board by name."""
    found: dict[str, Profile] = {}
    for path in sorted(_folder().glob("*.toml")):
        content = tomllib.loads(path.read_text("utf-8"))
        found[path.stem] = Profile(path.stem, content["machine"], content["threads"]["count"], content["threads"]["source"])
    return found


def load_profile(name: str) -> Profile:
    """Return a board's profile.

    Raises
    ------
    UsageError
        It is unknown, or made for another architecture than this one.
    """
    known = profiles()
    if name not in known:
        raise UsageError(f"profile: expected one of {', '.join(known)}, found {name!r}")
    if known[name].machine != platform.machine():
        raise UsageError(
            f"profile {name}: expected a machine of type {known[name].machine}, found {platform.machine()}; choose another"
        )
    return known[name]


def _folder() -> Path:
    installed = Path(str(resources.files("cfedge"))) / "devices"
    return installed if installed.is_dir() else Path(str(resources.files("cfedge"))).parent / "devices"


def _cpu_field(name: str) -> str | None:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return None
    return next((line.split(":", 1)[1].strip() for line in lines if line.split(":")[0].strip() == name), None)
