"""Bring a store to the state of its channel: trust, catalogue, objects, probe, switch. Every step
leaves a store that works.

In this order, each on the disk before the next: signed metadata; the log; objects; the generation;
the probe; the pointer. Whatever fails, the generation that answered goes on.

What was damaged on this disk: the pointer, its generation's file, metadata and the index are put
right by the next sync; the log and objects by the next one that finds something new, or with
`Plan.retry` at once. The trusted root is for `Trust.begin`.
"""

from __future__ import annotations

import fnmatch
import hashlib
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime, timezone

from cfedge.bundle.canonical import canonical_json
from cfedge.bundle.fileref import FileRef
from cfedge.bundle.manifest import Manifest, serialize
from cfedge.catalogue.erased import erased_files
from cfedge.catalogue.index import Index
from cfedge.catalogue.view import View, manifest_of, view
from cfedge.errors import BundleError, TaskError
from cfedge.progress import Progress, Quiet
from cfedge.runtime.private_cache import OF_BUNDLES, PrivateCache
from cfedge.store import Store
from cfedge.store.space import clear, collect
from cfedge.sync.feed import Feed
from cfedge.sync.fetch import Fetcher
from cfedge.sync.notes import Notes
from cfedge.sync.objects import fetch, installed_in, missing_of
from cfedge.sync.patience import Patience
from cfedge.sync.probe import probe
from cfedge.sync.report import Report, Synced
from cfedge.sync.steps import Facts, Step, next_step
from cfedge.sync.transport import Source
from cfedge.sync.trust import freshness, signers_of

__all__ = ["Plan", "sync", "utc_now"]

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
        patience = Patience(time.monotonic() + plan.deadline_s, wait=wait)
        fetcher = Fetcher(source, store.folder / "partial", patience)
        return _Sync(store, fetcher, plan, now(), probing, progress or Quiet()).run()


class _Sync:
    """One sync, under the store's lock."""

    def __init__(
        self,
        store: Store,
        fetcher: Fetcher,
        plan: Plan,
        now: datetime,
        probing: Callable[[Store, int, Collection[str]], None],
        progress: Progress,
    ) -> None:
        self._store, self._fetcher, self._plan = store, fetcher, plan
        self._probing, self._progress = probing, progress
        self._trust = store.folder / "trust"
        self._feed = Feed(store.folder, store.channel)
        self._index = self._feed.follow(fetcher, now, verify=plan.retry)
        self._notes = Notes(store.folder / "log")
        self._report = Report(store, fetcher, freshness(self._trust, now, self._index.time))
        self._installed = installed_in(store)

    def run(self) -> Synced:
        store, plan, installed = self._store, self._plan, self._installed
        digests = [hashlib.sha256(self._index.bytes()).hexdigest(), *plan.wanted]
        state = hashlib.sha256(canonical_json(digests)).hexdigest()
        vouched = installed is None or store.vouchers.count(installed.generation)
        settled = installed and self._notes.done == f"{state} {installed.manifest}"
        if settled and vouched and not plan.retry:
            return self._report.done()
        count = self._index.entries_for(store.device)
        entries = self._feed.entries(self._index, count, self._fetcher)
        seen, erased = view(entries), erased_files(entries, self._index.site)
        before = store.manifest(installed.generation) if installed else None
        facts = Facts(
            pinned=bool(installed and installed.pinned),
            vouched=vouched,
            must_go=bool(before and _names(before) & erased),
            dry_run=plan.dry_run,
            retry=plan.retry,
        )
        try:
            manifest = _wanted(seen, self._index, store.device, plan)
        except TaskError:
            if next_step(replace(facts, wanted=False)) is Step.CLEAR:
                self._forget(erased)
                clear(store)  # nothing is left to run, and what ran may not stay
            raise
        digest = hashlib.sha256(serialize(manifest)).hexdigest()
        self._report.see(before, manifest, seen)
        missing = missing_of(store, manifest)
        is_here = bool(installed and installed.manifest == digest and not missing)
        step = next_step(replace(facts, is_here=is_here))
        if step in (Step.REPORT, Step.REPAIR):
            if step is Step.REPAIR and before is not None:
                self._fetch(before, missing_of(store, before))
            return self._report.done(missing=missing)
        if step is Step.INSTALL:
            self._install(manifest, digest, missing)
        return self._tidy(erased, f"{state} {digest}", missing, changed=step is Step.INSTALL)

    def _fetch(self, manifest: Manifest, missing: dict[str, FileRef]) -> None:
        budget_bytes = self._plan.budget_bytes
        fetch(self._store, self._fetcher, manifest, missing, budget_bytes, self._progress)

    def _install(self, manifest: Manifest, digest: str, missing: dict[str, FileRef]) -> None:
        """Fetch a manifest's files, try it, and let it answer."""
        store, report = self._store, self._report
        if not self._plan.retry:
            self._notes.check_refused(digest)
        self._fetch(manifest, missing)
        generation = store.add(manifest, signers_of(self._trust))
        try:
            self._probing(store, generation, {*report.added, *report.updated})
        except BundleError as error:
            self._notes.refuse(digest, str(error))
            store.drop(generation)
            raise
        store.switch(generation)

    def _tidy(
        self,
        erased: Collection[str],
        state: str,
        missing: dict[str, FileRef],
        *,
        changed: bool,
    ) -> Synced:
        """What is published answers: note whose word that is, and delete what nobody needs."""
        store, pointer = self._store, self._store.pointer()
        if pointer is not None:
            store.vouchers.note(pointer.generation, signers_of(self._trust))
        self._report.lose(
            [number for number in store.generations() if not store.vouchers.count(number)],
            self._installed,
        )
        was = None if self._installed is None else self._installed.generation
        self._forget(erased)
        freed = collect(store, erased, before=was)
        self._notes.note(state)
        return self._report.done(missing=missing, changed=changed, freed_bytes=freed)

    def _forget(self, erased: Collection[str]) -> None:
        """Where a file that is to be erased is here, delete what engines computed of bundles too."""
        if any((self._store.objects / one).exists() for one in erased):
            for room in OF_BUNDLES:
                PrivateCache(room).keep_newest(0, 0)


def _wanted(seen: View, index: Index, device: str, plan: Plan) -> Manifest:
    """The manifest of what this device is to run."""
    index = replace(index, margins=index.margins_for(device))
    return manifest_of(
        seen,
        index,
        lambda name: any(fnmatch.fnmatchcase(name, pattern) for pattern in plan.wanted),
    )


def _names(manifest: Manifest) -> set[str]:
    """SHA-256 of a manifest's files."""
    return {ref.sha256 for ref in manifest.files().values()}
