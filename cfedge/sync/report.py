"""What a sync found and did."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from dataclasses import asdict, dataclass

from cfedge.bundle.fileref import FileRef
from cfedge.bundle.manifest import Manifest, Task
from cfedge.catalogue.view import View
from cfedge.errors import BundleError
from cfedge.store import Pointer, Store
from cfedge.sync.fetch import Fetcher

__all__ = ["Report", "Synced"]


@dataclass(frozen=True)
class Synced:
    """What a sync found and did.

    Attributes
    ----------
    generation
        That answers now; None where none does.
    changed
        Whether this sync changed it.
    pinned
        Whether a rollback holds it.
    added, updated, removed
        Tasks, against the generation before; with `Plan.dry_run` or `pinned` what would change.
    fetched_bytes, requests
        Of all that was asked for, metadata included.
    missing_bytes
        Of objects that were not here.
    freed_bytes
        Of what is no longer needed.
    conflicts
        What was decided by rule and should be looked at, one line each.
    freshness
        See `cfedge.sync.trust.freshness`.
    """

    generation: int | None
    changed: bool
    pinned: bool
    added: tuple[str, ...]
    updated: tuple[str, ...]
    removed: tuple[str, ...]
    fetched_bytes: int
    requests: int
    missing_bytes: int
    freed_bytes: int
    conflicts: tuple[str, ...]
    freshness: str


class Report:
    """Gathers what `Synced` says."""

    def __init__(self, store: Store, fetcher: Fetcher, fresh: str) -> None:
        self._store, self._fetcher, self._fresh = store, fetcher, fresh
        self.added: tuple[str, ...] = ()
        self.updated: tuple[str, ...] = ()
        self._removed: tuple[str, ...] = ()
        self._conflicts: tuple[str, ...] = ()

    def see(self, before: Manifest | None, after: Manifest, seen: View) -> None:
        """Compare what answers with what is published."""
        old = {task.name: task for task in before.tasks} if before else {}
        new = {task.name: task for task in after.tasks}
        changed = {
            name for name in old.keys() & new.keys() if _content(old[name]) != _content(new[name])
        }
        self.added = tuple(sorted(new.keys() - old.keys()))
        self.updated = tuple(sorted(changed))
        self._removed = tuple(sorted(old.keys() - new.keys()))
        self._conflicts = tuple(one.message for one in seen.conflicts)

    def lose(self, generations: Collection[int], installed: Pointer | None) -> None:
        """Say which generations are lost, since the keys that signed them no longer count."""
        for number in generations:
            pinned = installed and installed.pinned and installed.generation == number
            was = "was pinned by a rollback, and is" if pinned else "is"
            self._conflicts += (
                f"generation {number} {was} signed by keys that no longer count: it is deleted, and"
                " nothing goes back to it",
            )

    def done(
        self,
        *,
        missing: dict[str, FileRef] | None = None,
        changed: bool = False,
        freed_bytes: int = 0,
    ) -> Synced:
        """Return all of it; the pointer is read now."""
        pointer: Pointer | None = None
        with contextlib.suppress(BundleError):
            pointer = self._store.pointer()
        return Synced(
            generation=pointer.generation if pointer else None,
            changed=changed,
            pinned=bool(pointer and pointer.pinned),
            added=self.added,
            updated=self.updated,
            removed=self._removed,
            fetched_bytes=self._fetcher.fetched_bytes,
            requests=self._fetcher.requests,
            missing_bytes=sum(ref.size for ref in (missing or {}).values()),
            freed_bytes=freed_bytes,
            conflicts=self._conflicts,
            freshness=self._fresh,
        )


def _content(task: Task) -> dict[str, object]:
    """What a task computes; its certificate changes with the others."""
    return {key: value for key, value in asdict(task).items() if key != "certificate"}
