"""Try a generation before it answers: open it and answer golden vectors, in a child process under
limits.
"""

from __future__ import annotations

from collections.abc import Collection

from cfedge.errors import BundleError, IncompatibleError
from cfedge.runtime.verification import verify
from cfedge.runtime.verified import note_verified
from cfedge.store import Store

__all__ = ["PROBE_VECTORS", "probe", "probe_here"]

#: Golden vectors that are answered: of new tasks first, then of the others, evenly. Some 4 ms each
#: on a desktop CPU.
PROBE_VECTORS = 256


def probe(store: Store, generation: int, new: Collection[str]) -> None:
    """Open `generation` in a child process.

    Raises
    ------
    IncompatibleError
        It does not open or does not answer as it should; naming the cause.
    MachineError
        No child could be started.
    """
    try:
        manifest = store.manifest(generation)
        names = [task.name for task in manifest.tasks]
        by = verify(store.folder, manifest, generation=generation, vectors=_shares(names, new))
    except BundleError as error:
        raise IncompatibleError(
            f"could not switch to generation {generation}: {error}; what was installed before"
            " goes on"
        ) from error
    note_verified(manifest, 1, by)


def probe_here(store: Store, generation: int, new: Collection[str]) -> None:
    """Open `generation` and answer golden vectors in this process.

    Raises
    ------
    BundleError
        See `verify_here`.
    """
    from cfedge.runtime.verify_here import verify_here  # an engine, which `probe` leaves to a child

    bundle = store.bundle(generation)
    verify_here(bundle, vectors=_shares([task.name for task in bundle.manifest.tasks], new))
    note_verified(bundle.manifest, 1)


def _shares(tasks: Collection[str], new: Collection[str]) -> dict[str, int]:
    """Deal `PROBE_VECTORS` out, one to each task and round again, new ones first."""
    order = sorted(tasks, key=lambda name: (name not in new, name))
    every, more = divmod(PROBE_VECTORS, max(1, len(order)))
    return {name: every + (place < more) for place, name in enumerate(order)}
