"""What this machine has verified: noted in the user's cache under everything that decides the
arithmetic, so that a bundle is not verified again until one of these changes.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

import numpy as np

from cfedge.bundle.canonical import canonical_json
from cfedge.bundle.manifest import Manifest
from cfedge.device.fingerprint import this_cpu
from cfedge.inputs import versions
from cfedge.runtime.session import RUNTIME_VERSION
from cfedge.version import __version__

__all__ = ["is_verified", "note_verified"]


def is_verified(manifest: Manifest, threads: int) -> bool:
    """Whether this machine is noted to have verified a bundle."""
    return _mark(manifest, threads)[0].is_file()


def note_verified(manifest: Manifest, threads: int) -> None:
    """Note that this machine verified a bundle; where nothing can be noted it does so every time."""
    path, content = _mark(manifest, threads)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _mark(manifest: Manifest, threads: int) -> tuple[Path, bytes]:
    cpu = this_cpu()
    content = canonical_json({
        "cfedge": __version__, "bundle": manifest.digest, "cpu": [cpu.machine, cpu.name, *cpu.flags],
        "numpy": np.__version__, "onnxruntime": RUNTIME_VERSION, "threads": threads,
        **versions(manifest.backbone.input.kind),
    })  # fmt: skip
    return _cache() / "verified" / hashlib.sha256(content).hexdigest(), content


def _cache() -> Path:
    """``$CFEDGE_CACHE``, or ``cfedge`` in the user's cache."""
    own = os.environ.get("CFEDGE_CACHE")
    return (
        Path(own)
        if own
        else Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")) / "cfedge"  # noqa: PTH111 - Path.home raises without a home
    )
