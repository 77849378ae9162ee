"""What this machine has verified: noted in the user's cache under everything that decides the
arithmetic, so that a bundle is not verified again until one of these changes.

A note counts where nobody else could have written it: its folders and itself are of this user or of
root, for nobody else to write, and no links.

NumPy and ONNX Runtime are imported where this process computes with them: a sync has a child verify,
which says with what it did, and waits for neither.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from cfedge.bundle.canonical import canonical_json
from cfedge.bundle.manifest import Manifest
from cfedge.device.fingerprint import this_cpu
from cfedge.inputs import versions
from cfedge.runtime.private_cache import PrivateCache
from cfedge.version import __version__

__all__ = ["arithmetic", "is_verified", "note_verified"]

_ROOM = "verified"


def is_verified(manifest: Manifest, threads: int) -> bool:
    """Whether this machine is noted to have verified a bundle, by this user or by root."""
    name, content = _mark(manifest, threads, arithmetic(manifest))
    return PrivateCache(_ROOM).read(name, len(content)) == content


def note_verified(manifest: Manifest, threads: int, by: Mapping[str, object] | None = None) -> None:
    """Note that this machine verified a bundle; where nothing can be noted it does so every time.

    Parameters
    ----------
    by
        The `arithmetic` of the process that did; None: of this one.
    """
    PrivateCache(_ROOM).write(*_mark(manifest, threads, by or arithmetic(manifest)))


def arithmetic(manifest: Manifest) -> dict[str, object]:
    """Return what decides, beside a bundle's bytes, what this process computes of its inputs: the
    processor, and versions by package; as JSON types.
    """
    import numpy as np

    from cfedge.runtime.session import RUNTIME_VERSION

    cpu = this_cpu()
    return {
        "cpu": [cpu.machine, cpu.name, *cpu.flags], "numpy": np.__version__,
        "onnxruntime": RUNTIME_VERSION, **versions(manifest.backbone.input.kind),
    }  # fmt: skip


def _mark(manifest: Manifest, threads: int, by: Mapping[str, object]) -> tuple[str, bytes]:
    """The note's name and content."""
    content = canonical_json(
        {"cfedge": __version__, "bundle": manifest.digest, "threads": threads, **by}
    )
    return hashlib.sha256(content).hexdigest(), content
