"""Bring a store to the state of its channel: trust, catalogue, objects, probe, switch. Every step
leaves a store that works.

In this order, each on the disk before the next: signed metadata; the log; objects; the generation;
the probe; the pointer. Whatever fails, the generation that answered goes on.

What was damaged on this disk: the pointer, its generation's file, metadata and the index are put
right by the next sync; the log and objects by the next one that finds something new, or with
`Plan.retry` at once. The trusted root is for `Trust.begin`.
"""

from __future__ import annotations

import contextlib
import fnmatch
import hashlib
import json
import time
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

from cfedge.bundle.manifest import FileRef, Manifest, Task, canonical_json, serialize
from cfedge.catalogue.view import View, manifest_of, view
from cfedge.errors import BundleError, IncompatibleError, NoSpaceError, StorageError, TaskError
from cfedge.progress import Progress, Quiet
from cfedge.storage import sync_folder, write_file
from cfedge.store import Pointer, Store
from cfedge.store.space import check_room, clear, collect
from cfedge.sync.feed import Feed
from cfedge.sync.fetch import Fetcher, digest_of
from cfedge.sync.probe import probe
from cfedge.sync.transport import Source
from cfedge.sync.trust import freshness

__all__ = ["Plan", "Synced", "sync", "utc_now"]

#: Longest one sync may take.
DEADLINE_S = 3600.0


@dataclass(frozen=True)
class Plan:
    """What is asked of one sync.

    Attributes
    ----------
    wanted
        Patterns of task names (``fnmatch``); a task is wanted where one fits.
    budget_bytes
        Of all objects in the store; None: the disk.
    deadline_s
        Longest time.
    dry_run
        Fetch what is signed and say what would come; change no generation.
    retry
        Check all that is here, and fetch again what is damaged; try again what this machine refused
        before.
    """

    wanted: tuple[str, ...] = ("*",)
    budget_bytes: int | None = None
    deadline_s: float = DEADLINE_S
    dry_run: bool = False
    retry: bool = False


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


def utc_now() -> datetime:
    """The machine's time."""
    return datetime.now(timezone.utc)


def sync(
    store: Store,
    source: Source,
    plan: Plan | None = None,
    *,
    now: Callable[[], datetime] = utc_now,
    probing: Callable[[Store, int, Collection[str]], None] = probe,
    wait: Callable[[float], None] = time.sleep,
    progress: Progress | None = None,
) -> Synced:
    """Sync once.

    Parameters
    ----------
    store
        Whose folder ``trust`` holds a trusted root (`Trust.begin`).
    source
        Of the repository.
    plan
        What is asked.
    now, wait, probing
        The clock, how to wait between attempts, and how a generation is tried before it answers.
    progress
        Of the download.

    Raises
    ------
    OfflineError, TamperedError, RolledBackError, StaleError
        Of the repository; what was installed goes on.
    NoSpaceError, StorageError
        Of the disk.
    BundleError
        What is published does not work on this machine; what was installed goes on.
    TaskError
        No task is wanted. Where what answered was erased, the store is empty then: a task's files
        go with the task, also where a rollback pinned them.
    """
    plan = plan or Plan()
    with store.writing():
        fetcher = Fetcher(
            source, store.folder / "partial", time.monotonic() + plan.deadline_s, wait=wait
        )
        feed = Feed(store.folder, store.channel)
        index = feed.follow(fetcher, now(), verify=plan.retry)
        notes = _Notes(store.folder / "log")
        installed = _installed(store)
        state = hashlib.sha256(
            canonical_json([hashlib.sha256(index.bytes()).hexdigest(), *plan.wanted])
        ).hexdigest()
        report = _Report(store, fetcher, freshness(store.folder / "trust", now(), index.time))
        if installed and not plan.retry and notes.done == f"{state} {installed.manifest}":
            return report.done()
        seen = view(feed.entries(index, index.entries_for(store.device), fetcher))
        index = replace(index, margins=index.margins_for(store.device))
        before = store.manifest(installed.generation) if installed else None
        must_go = before is not None and not seen.erased.isdisjoint(
            ref.sha256 for ref in before.files().values()
        )
        try:
            manifest = manifest_of(
                seen, index, lambda name: any(fnmatch.fnmatchcase(name, one) for one in plan.wanted)
            )
        except TaskError:
            if must_go and not plan.dry_run:
                clear(store)  # nothing is left to run, and what ran may not stay
            raise
        digest = hashlib.sha256(serialize(manifest)).hexdigest()
        report.see(before, manifest, seen)
        missing = _missing(store, manifest)
        is_here = installed is not None and installed.manifest == digest and not missing
        if plan.dry_run:
            return report.done(missing=missing)
        if installed and installed.pinned and not is_here and not must_go:
            if plan.retry:
                pinned = store.manifest(installed.generation)
                _fetch(store, fetcher, pinned, _missing(store, pinned), plan, progress or Quiet())
            return report.done(missing=missing)
        if not is_here:
            if not plan.retry:
                notes.check_refused(digest)
            _fetch(store, fetcher, manifest, missing, plan, progress or Quiet())
            generation = store.add(manifest)
            try:
                probing(store, generation, {*report.added, *report.updated})
            except BundleError as error:
                notes.refuse(digest, str(error))
                store.drop(generation)
                raise
            store.switch(generation)
        freed = collect(store, seen.erased)
        notes.note(f"{state} {digest}")
        return report.done(missing=missing, changed=not is_here, freed_bytes=freed)


def _installed(store: Store) -> Pointer | None:
    """The pointer; None where there is none, or where it or its generation is damaged: this sync
    then puts it right.
    """
    try:
        pointer = store.pointer()
        if (
            pointer is None
            or digest_of(store.folder / "generations" / f"{pointer.generation}.json")
            == pointer.manifest
        ):
            return pointer
    except (BundleError, FileNotFoundError):
        pass
    return None


class _Notes:
    """What a store remembers of its syncs: the state it is at, and what this machine refused."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def done(self) -> str:
        """The state that the store is at, empty where that is not known."""
        try:
            return (self._folder / "done").read_text("ascii", errors="replace")
        except OSError:
            return ""

    def note(self, state: str) -> None:
        """Note that the store is at this state of its channel."""
        if self.done != state:
            write_file(self._folder / "done", state.encode())

    def refuse(self, digest: str, reason: str) -> None:
        """Note that this machine refused a manifest."""
        write_file(self._folder / "refused", canonical_json({"manifest": digest, "reason": reason}))

    def check_refused(self, digest: str) -> None:
        """Raise what was raised when this manifest was refused before."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            content = json.loads((self._folder / "refused").read_bytes())
            if content["manifest"] == digest:
                raise IncompatibleError(
                    f"{content['reason']} (refused before; --retry tries again)"
                )


def _missing(store: Store, manifest: Manifest) -> dict[str, FileRef]:
    """Files of a manifest that are not here whole, by role; a damaged one is deleted."""
    missing: dict[str, FileRef] = {}
    seen: set[str] = set()
    for role, ref in manifest.files().items():
        path = store.objects / ref.sha256
        if ref.sha256 in seen:
            continue
        seen.add(ref.sha256)
        try:
            whole = path.stat().st_size == ref.size and digest_of(path) == ref.sha256
            if not whole:
                path.unlink()
        except FileNotFoundError:
            whole = False
        except OSError as error:
            raise StorageError(
                f"{path} ({role}): expected to read it, found {error.strerror}; check the disk"
            ) from error
        if not whole:
            missing[role] = ref
    return missing


def _fetch(
    store: Store,
    fetcher: Fetcher,
    manifest: Manifest,
    missing: dict[str, FileRef],
    plan: Plan,
    progress: Progress,
) -> None:
    try:
        check_room(store, missing.values(), plan.budget_bytes)
    except NoSpaceError:
        with contextlib.suppress(BundleError):  # a damaged pointer, which this sync puts right
            collect(store, keep=[ref.sha256 for ref in manifest.files().values()])
        check_room(store, missing.values(), plan.budget_bytes)
    pointer = _installed(store)
    before = store.manifest(pointer.generation).files() if pointer else {}
    if missing:
        with progress.track("fetching", sum(ref.size for ref in missing.values())) as advance:
            for role, ref in missing.items():
                like = store.objects / before[role].sha256 if role in before else None
                fetcher.into(
                    store.objects / ref.sha256,
                    role,
                    ref,
                    advance,
                    like if like and like.exists() else None,
                )
    sync_folder(store.objects)


class _Report:
    """Gathers what `Synced` says."""

    def __init__(self, store: Store, fetcher: Fetcher, fresh: str) -> None:
        self._store, self._fetcher, self._fresh = store, fetcher, fresh
        self.added: tuple[str, ...] = ()
        self.updated: tuple[str, ...] = ()
        self._removed: tuple[str, ...] = ()
        self._conflicts: tuple[str, ...] = ()

    def see(self, before: Manifest | None, after: Manifest, seen: View) -> None:
        old = {task.name: task for task in before.tasks} if before else {}
        new = {task.name: task for task in after.tasks}
        changed = {
            name for name in old.keys() & new.keys() if _content(old[name]) != _content(new[name])
        }
        self.added = tuple(sorted(new.keys() - old.keys()))
        self.updated = tuple(sorted(changed))
        self._removed = tuple(sorted(old.keys() - new.keys()))
        self._conflicts = tuple(one.text for one in seen.conflicts)

    def done(
        self,
        *,
        missing: dict[str, FileRef] | None = None,
        changed: bool = False,
        freed_bytes: int = 0,
    ) -> Synced:
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
