"""Open a bundle in a child process under limits, and answer its golden vectors there, before it is
opened here.

A graph may run for ever, fill the memory or kill the process that opens it, already while ONNX
Runtime loads it. It does so to nobody but the child. Done once on a machine: that a bundle passed
is noted (`cfedge.runtime.verified`). The child runs `cfedge.runtime.verify_here`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from cfedge.bundle.manifest import Manifest
from cfedge.runtime.verified import is_verified, note_verified

if TYPE_CHECKING:
    from cfedge.runtime.child import Limits

__all__ = ["verify", "verify_once"]


def verify_once(
    folder: Path, manifest: Manifest, *, threads: int, generation: int | None = None
) -> None:
    """`verify` a bundle unless this machine has verified it before.

    Raises
    ------
    BundleError, StorageError, MachineError
        See `verify`.
    """
    if not is_verified(manifest, threads):
        by = verify(folder, manifest, threads=threads, generation=generation)
        note_verified(manifest, threads, by)


def verify(
    folder: Path,
    manifest: Manifest,
    *,
    threads: int = 1,
    generation: int | None = None,
    vectors: Mapping[str, int] | None = None,
    limits: Limits | None = None,
) -> dict[str, object]:
    """Open a bundle and answer its golden vectors in a child process; return that process's
    `cfedge.runtime.verified.arithmetic`.

    Parameters
    ----------
    folder
        Of the bundle, or of the store that `generation` is of.
    manifest
        Of the bundle; the child must find the same.
    threads
        Of ONNX Runtime.
    vectors
        How many to answer of each task, by name; otherwise all.

    Raises
    ------
    BundleError, StorageError
        What the child was refused with; or it died, or took longer or more memory than it may
        (IncompatibleError).
    MachineError
        No child could be started.
    """
    from cfedge.runtime.child import ask_child  # which most openings do without

    asked = {
        "digest": manifest.digest,
        "threads": threads,
        "generation": generation,
        "vectors": vectors,
    }
    said = ask_child(
        "cfedge.runtime.verify_here", folder, manifest, asked, threads=threads, limits=limits
    )
    by: dict[str, object] = said["arithmetic"]
    return by
