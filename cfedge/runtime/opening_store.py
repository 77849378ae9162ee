"""Read the bundle that a store's pointer names and that an engine is to open, with every check.

A generation that has never opened is started under count (`cfedge.store.boot_attempts`), so that one
which kills whoever opens it is given up. The first time on a machine it is verified in a child
process before (`cfedge.runtime.verification`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator

from cfedge.bundle.files import Bundle
from cfedge.bundle.manifest import Manifest
from cfedge.errors import DamagedError
from cfedge.runtime.verification import verify_once
from cfedge.store import Store

__all__ = ["of_store"]


@contextlib.contextmanager
def of_store(
    store: Store,
    *,
    threads: int,
    keep_adapters: bool,
    shared: Callable[[Manifest], Collection[str]] = lambda manifest: (),
) -> Iterator[tuple[int, Bundle]]:
    """Give the generation that is to be opened, and its bundle; where the block ends without an
    error it has opened.

    Parameters
    ----------
    threads, keep_adapters
        See `cfedge.runtime.opening.of_folder`.
    shared
        SHA-256 of a manifest's files that the caller has already: they are not read.

    Raises
    ------
    BundleError, StorageError, MachineError
        See `cfedge.runtime.opening.of_folder`.
    """
    while True:
        generation = store.to_open()
        with store.boot_attempts.exclusive(generation):
            bundle = _attempt(store, generation, threads, keep_adapters, shared)
            if bundle is not None:
                yield generation, bundle
                store.boot_attempts.passed(generation)
                return


def _attempt(
    store: Store,
    generation: int,
    threads: int,
    keep_adapters: bool,
    shared: Callable[[Manifest], Collection[str]],
) -> Bundle | None:
    """Read a generation, its start counted; None: another is to be opened by now, since another
    process found that this one does not open, or since syncs went on and swept it away.
    """
    if store.to_open() != generation:
        return None
    store.boot_attempts.start(generation)
    try:
        manifest = store.manifest(generation)
        verify_once(store.folder, manifest, threads=threads, generation=generation)
        return store.bundle(generation, shared(manifest), keep_adapters=keep_adapters)
    except DamagedError:
        if store.to_open() == generation:
            raise
        return None
