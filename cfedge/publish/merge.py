"""Take in what another site published: the union of two logs, its files, and a report of where they meet."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import cast

from cfedge.bundle.files import load_note, reference
from cfedge.bundle.manifest import Backbone, FileRef, Manifest
from cfedge.catalogue.entry import Entry, Measured
from cfedge.catalogue.view import View, manifest_of, view
from cfedge.errors import IncompatibleError
from cfedge.progress import Progress, Quiet
from cfedge.publish.changes import next_clock
from cfedge.publish.channel import appended, bundle_of, checked, existing
from cfedge.publish.keys import Keys
from cfedge.publish.repository import Repository
from cfedge.runtime.engine import Engine
from cfedge.runtime.golden import golden_arrays
from cfedge.sync.feed import Feed
from cfedge.sync.fetch import Fetcher
from cfedge.sync.transport import Source
from cfedge.sync.trust import Trust

__all__ = ["Merged", "Overlap", "merge"]

#: Of a task's inputs, by the lookup's own model, that another one takes: less is not reported.
OVERLAP_SHARE = 0.01


@dataclass(frozen=True)
class Overlap:
    """Two tasks that the lookup may take for each other since the merge.

    Attributes
    ----------
    task, rival
        Inputs of `task` may go to `rival`.
    share
        Of its inputs, by the lookup's model: a union bound for Gaussian clusters, at most 1. No measurement.
    moved, texts
        Of the task's golden texts, those that went to it and now go to another task.
    """

    task: str
    rival: str
    share: float
    moved: int
    texts: int


@dataclass(frozen=True)
class Merged:
    """What a merge did.

    Attributes
    ----------
    adopted
        Entries of the other site that were appended, as ``kind name``.
    measured
        Tasks whose golden answers were made anew, since they changed.
    fetched_bytes
        Of files that this repository did not have.
    conflicts
        What was decided by rule and should be looked at.
    overlaps
        Pairs of tasks that may be taken for each other, of different sites.
    limits
        By task the limit of picking another one, before (None: it was not here) and after. Errors were counted at each site among
        its own tasks, so after is what the counts allow, until somebody publishes what was measured among all.
    """

    adopted: tuple[str, ...]
    measured: tuple[str, ...]
    fetched_bytes: int
    conflicts: tuple[str, ...]
    overlaps: tuple[Overlap, ...]
    limits: Mapping[str, tuple[float | None, float]]


def merge(
    folder: Path,
    keys: Keys,
    other: Source,
    root: bytes,
    *,
    channel: str = "stable",
    other_channel: str | None = None,
    now: datetime,
    wait: Callable[[float], None] = time.sleep,
    progress: Progress | None = None,
) -> Merged:
    """Append what `other` published and this repository does not know.

    Parameters
    ----------
    folder, keys
        The repository that takes it in.
    other, root
        Where the other one is, and the root that says which keys sign it.
    channel, other_channel
        Here and there; the same where `other_channel` is None.
    now
        Of this machine.

    Raises
    ------
    IncompatibleError
        The other site has another backbone.
    OfflineError, TamperedError, StaleError
        Of the other repository; nothing was changed.
    """
    repository = Repository(folder)
    with repository.writing(), tempfile.TemporaryDirectory() as temporary:
        index = existing(repository, channel)
        mine = repository.entries(index)
        scratch = Path(temporary)
        Trust.begin(scratch / "trust", root)
        fetcher = Fetcher(other, scratch / "partial", time.monotonic() + 3600.0, wait=wait)
        feed = Feed(scratch, other_channel or channel)
        theirs_index = feed.follow(fetcher, now)
        theirs = feed.entries(theirs_index, theirs_index.entries)
        _check_backbone(view(mine), view(theirs), other.name)
        known = {entry.digest for entry in mine}
        adopted = [entry for entry in theirs if entry.digest not in known]
        seen = view([*mine, *adopted])
        objects = _fetched(seen, repository, fetcher, scratch, progress or Quiet())
        before = manifest_of(view(mine), index)
        made, overlaps = _measured(
            seen, before, manifest_of(seen, index), repository, objects, keys, next_clock([*mine, *theirs])
        )
        new = [*adopted, *(entry for entry, _ in made)]
        objects.update({cast(Measured, entry.body).golden.sha256: data for entry, data in made})
        after, blocks = appended(index, channel, mine, new, looks=(index.second_look, index.third_look), now=now)
        if new:
            checked(repository, after, [*mine, *new], objects, progress)
            repository.commit(keys, after, {**objects, **blocks}, now)
        repository.delete(seen.erased)
        final = manifest_of(view([*mine, *new]), after)
    limits = {task.name: task.certificate.limit for task in before.tasks}
    return Merged(
        adopted=tuple(f"{entry.kind} {entry.name}" for entry in adopted),
        measured=tuple(entry.name for entry, _ in made),
        fetched_bytes=fetcher.fetched_bytes,
        conflicts=tuple(one.text for one in seen.conflicts),
        overlaps=overlaps,
        limits={task.name: (limits.get(task.name), task.certificate.limit) for task in final.tasks},
    )


def _check_backbone(mine: View, theirs: View, name: str) -> None:
    if mine.backbone is None or theirs.backbone is None:
        return
    here, there = cast(Backbone, mine.backbone.body).digest, cast(Backbone, theirs.backbone.body).digest
    if here != there:
        raise IncompatibleError(
            f"{name}: expected backbone {here[:12]}, as here, found {there[:12]}; learn its tasks again on this backbone, or publish that one"
        )


def _fetched(seen: View, repository: Repository, fetcher: Fetcher, scratch: Path, progress: Progress) -> dict[str, bytes]:
    """Files of everything that stands, also of what waits or lost: it may be wanted again."""
    wanted: dict[str, FileRef] = {}
    for entry in [head for heads in seen.standing.values() for head in heads]:
        files = dict(entry.files())
        if entry.digest in seen.measured:
            files[f"golden of task {entry.name!r}, measured"] = seen.measured[entry.digest].golden
        wanted |= {
            f"{role} ({entry.site})": ref
            for role, ref in files.items()
            if not (repository.folder / "objects" / ref.sha256).exists()
        }
    objects: dict[str, bytes] = {}
    with progress.track("fetching", sum(ref.size for ref in wanted.values())) as advance:
        for role, ref in wanted.items():
            if ref.sha256 not in objects:
                fetcher.into(scratch / ref.sha256, role, ref, advance)
                objects[ref.sha256] = (scratch / ref.sha256).read_bytes()
    return objects


def _measured(
    seen: View, before: Manifest, after: Manifest, repository: Repository, objects: Mapping[str, bytes], keys: Keys, clock: int
) -> tuple[list[tuple[Entry, bytes]], tuple[Overlap, ...]]:
    """Answer the golden texts among all tasks: what changed is published anew, and tells where tasks overlap."""
    bundle = bundle_of(after, repository, objects)
    engine = Engine(bundle)
    made: list[tuple[Entry, bytes]] = []
    moved: dict[tuple[str, str], int] = {}
    texts_of: dict[str, int] = {}
    for task in after.tasks:
        note = load_note(bundle[task.golden])
        texts, tasks = cast(list[str], note["texts"]), cast(list[str], note["tasks"])
        found = [one.task for one in engine.predict(texts)]
        texts_of[task.name] = len(texts)
        for expected, rival in zip(tasks, found, strict=True):
            if expected == task.name != rival:
                moved[task.name, rival] = moved.get((task.name, rival), 0) + 1
        if found != tasks:
            data = golden_arrays(engine, task.name, texts)
            entry = seen.tasks[task.name]
            golden = reference(data)
            body = Measured(entry.digest, task.certificate, task.threshold, task.false_reject_rate, golden)
            made.append((Entry("measured", task.name, keys.site, clock, (), body), data))
    here = {task.name for task in before.tasks}
    overlaps = []
    for name in engine.tasks:
        for rival, share in engine.router.first.confusions(name).items():
            apart = (name in here) != (rival in here)
            if (apart and share >= OVERLAP_SHARE) or (name, rival) in moved:
                overlaps.append(Overlap(name, rival, min(1.0, share), moved.get((name, rival), 0), texts_of[name]))
    return made, tuple(sorted(overlaps, key=lambda one: (-one.moved, -one.share, one.task, one.rival)))
