"""Read a bundle that an engine is to open from a folder, with every check. What a store's pointer names,
`cfedge.runtime.opening_store` reads.

The first time on a machine a bundle is verified in a child process before any of it is opened here
(`cfedge.runtime.verification`).
"""

from __future__ import annotations

from pathlib import Path

from cfedge.bundle.files import Bundle, read, read_manifest
from cfedge.runtime.verification import verify_once
from cfedge.store import check_there

__all__ = ["of_folder"]


def of_folder(folder: Path, *, threads: int, keep_adapters: bool) -> Bundle:
    """Read a bundle that this machine has verified, now or before.

    Parameters
    ----------
    threads
        Of ONNX Runtime, in the child too.
    keep_adapters
        Hold the files of tasks in memory; see `cfedge.bundle.objects.read_objects`.

    Raises
    ------
    BundleError, StorageError, MachineError
        See `cfedge.bundle.files.read` and `cfedge.runtime.verification.verify`.
    """
    check_there(folder)
    while True:
        manifest = read_manifest(folder)
        verify_once(folder, manifest, threads=threads)
        bundle = read(folder, keep_adapters=keep_adapters, known=manifest)
        if bundle.manifest == manifest:  # else another took its place meanwhile
            return bundle
