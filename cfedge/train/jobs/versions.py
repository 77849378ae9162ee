"""What of a machine decides a job's result: the versions of packages, cfedge's own sources among
them, and the class of its processor.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import sys
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import cfedge
import cfedge.inputs
from cfedge.device.fingerprint import this_cpu
from cfedge.errors import CfedgeError
from cfedge.version import __version__

__all__ = ["differences", "machine_class", "versions_here", "worker_name"]

#: Packages whose versions every job names.
_ALWAYS = ("numpy", "onnxruntime")
_NONE = "none"


def versions_here(kind: str, *, torch: bool) -> dict[str, str]:
    """Return the versions that decide what is computed here; ``none`` of what is not installed.

    Parameters
    ----------
    kind
        Of inputs: a key of `cfedge.inputs.KINDS`.
    torch
        Whether an adapter is to be trained.
    """
    found = {"cfedge": f"{__version__}+{_sources()}"}
    for package in (*_ALWAYS, *(("torch",) if torch else ())):
        found[package] = _NONE
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    with contextlib.suppress(CfedgeError):
        found |= cfedge.inputs.versions(kind)
    return found


def differences(wanted: Mapping[str, str], found: Mapping[str, str]) -> str:
    """Return how versions differ, as an error says it; empty where they do not."""
    odd = [name for name in sorted(wanted) if found.get(name, _NONE) != wanted[name]]
    if not odd:
        return ""
    return (
        f"expected {', '.join(f'{name} {wanted[name]}' for name in odd)}, found"
        f" {', '.join(f'{name} {found.get(name, _NONE)}' for name in odd)}"
    )


def machine_class() -> str:
    """Return what of this machine decides the bits of a result: machines of one class give the
    same.
    """
    cpu = this_cpu()
    return " ".join((sys.platform, cpu.machine, cpu.name, *cpu.flags))


def worker_name() -> str:
    """Return how this process is told from other workers: its address in a cluster, or its host and
    number.
    """
    distributed = sys.modules.get("distributed")  # a worker of Dask has imported it
    if distributed is not None:
        with contextlib.suppress(ValueError):
            return str(distributed.get_worker().address)
    return f"{socket.gethostname()} process {os.getpid()}"


@cache
def _sources() -> str:
    """The first digits of the digest of cfedge's Python files: a checkout that was changed is
    another version.
    """
    digest = hashlib.sha256()
    root = Path(cfedge.__file__).parent
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:12]
