"""What this machine has verified: noted in the user's cache under everything that decides the
arithmetic, so that a bundle is not verified again until one of these changes.

A note counts where nobody else could have written it: its folders and itself are of this user or of
root, for nobody else to write, and no links.
"""

from __future__ import annotations

import hashlib

import numpy as np

from cfedge.bundle.canonical import canonical_json
from cfedge.bundle.manifest import Manifest
from cfedge.device.fingerprint import this_cpu
from cfedge.inputs import versions
from cfedge.runtime.private_cache import PrivateCache
from cfedge.runtime.session import RUNTIME_VERSION
from cfedge.version import __version__

__all__ = ["is_verified", "note_verified"]

_ROOM = "verified"


def is_verified(manifest: Manifest, threads: int) -> bool:
    """Whether this machine is noted to have verified a bundle, by this user or by root."""
    name, content = _mark(manifest, threads)
    return PrivateCache(_ROOM).read(name, len(content)) == content


def note_verified(manifest: Manifest, threads: int) -> None:
    """Note that this machine verified a bundle; where nothing can be noted it does so every
    time.
    """
    PrivateCache(_ROOM).write(*_mark(manifest, threads))


def _mark(manifest: Manifest, threads: int) -> tuple[str, bytes]:
    """The note's name and content."""
    cpu = this_cpu()
    content = canonical_json({
        "cfedge": __version__, "bundle": manifest.digest,
        "cpu": [cpu.machine, cpu.name, *cpu.flags], "numpy": np.__version__,
        "onnxruntime": RUNTIME_VERSION, "threads": threads,
        **versions(manifest.backbone.input.kind),
    })  # fmt: skip
    return hashlib.sha256(content).hexdigest(), content
