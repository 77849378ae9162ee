"""Take in what another site published: the union of two logs, its files, and a report of where they
meet.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import cast

from cfedge.bundle.graph import check_graphs
from cfedge.bundle.manifest import Backbone, FileRef, Task
from cfedge.catalogue.entry import Entry
from cfedge.catalogue.log import Index
from cfedge.catalogue.view import View, manifest_of, view
from cfedge.errors import IncompatibleError, TamperedError
from cfedge.progress import Progress, Quiet
from cfedge.publish.channel import appended, bundle_of, existing, remeasured
from cfedge.publish.diff import next_clock
from cfedge.publish.keys import Keys
from cfedge.publish.repository import Repository
from cfedge.publish.restate_golden import Restated, restate
from cfedge.runtime.engine import Engine
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
        Of its inputs, by the lookup's model: a union bound for Gaussian clusters, at most 1. No
        measurement.
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
        By task the limit of picking another one, before (None: it was not here) and after. Errors
        were counted at each site among its own tasks, so after is what the counts allow, until
        somebody publishes what was measured among all.
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
    """Append what `other` published and this repository does not know; what is being rolled out
    there waits.

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
        Of the other repository, or its clocks are ahead of any history; nothing was changed.
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
        ready = theirs_index.rollout.before if theirs_index.rollout else theirs_index.entries
        theirs = feed.entries(theirs_index, ready, fetcher)
        _check_backbone(view(mine), view(theirs), other.name)
        known = {entry.digest for entry in mine}
        adopted = [entry for entry in theirs if entry.digest not in known]
        _check_clocks([*mine, *adopted], other.name)
        seen = view([*mine, *adopted])
        objects = _fetched(seen, repository, fetcher, scratch, progress or Quiet())
        before = manifest_of(view(mine), index).tasks if view(mine).tasks else ()
        made: list[Entry] = []
        overlaps: tuple[Overlap, ...] = ()
        final: tuple[Task, ...] = ()
        if seen.tasks:
            bundle = bundle_of(manifest_of(seen, index), repository, objects)
            check_graphs(bundle)
            engine = Engine(bundle)
            settled = restate(engine, bundle, progress=progress)
            made = remeasured(seen, settled, site=keys.site, clock=next_clock([*mine, *theirs]))
            overlaps = _overlaps(engine, {task.name for task in before}, settled)
            objects |= settled.made
            final = bundle.manifest.tasks
        if adopted or made:
            stages = (index.second_stage, index.third_stage)
            after, blocks = appended(
                index, channel, mine, [*adopted, *made], stages=stages, now=now
            )
            repository.commit(keys, after, {**objects, **blocks}, now)
        repository.delete(seen.erased)
    limits = {task.name: task.certificate.limit for task in before}
    return Merged(
        adopted=tuple(f"{entry.kind} {entry.name}" for entry in adopted),
        measured=tuple(entry.name for entry in made),
        fetched_bytes=fetcher.fetched_bytes,
        conflicts=(
            *(one.text for one in seen.conflicts),
            *_waiting(theirs_index, ready, other.name),
        ),
        overlaps=overlaps,
        limits={task.name: (limits.get(task.name), task.certificate.limit) for task in final},
    )


def _waiting(index: Index, ready: int, name: str) -> list[str]:
    if ready == index.entries:
        return []
    return [
        f"{name}: {index.entries - ready} of its {index.entries} entries are being rolled out"
        " there; they wait: merge again when that is done"
    ]


def _check_backbone(mine: View, theirs: View, name: str) -> None:
    if mine.backbone is None or theirs.backbone is None:
        return
    here, there = cast(Backbone, mine.backbone.body), cast(Backbone, theirs.backbone.body)
    if here.digest != there.digest:
        tasks = ", ".join(theirs.tasks) or "none"
        raise IncompatibleError(
            f"{name}: expected backbone {here.name} ({here.digest[:12]}), as here, found"
            f" {there.name} ({there.digest[:12]}); learn its tasks again on this backbone"
            f" ({tasks}), or publish that one here"
        )


def _check_clocks(entries: list[Entry], name: str) -> None:
    """Refuse a clock that no history of so many entries can have: whoever sets one ahead would win
    every meeting to come.
    """
    ahead = max(entries, key=lambda entry: entry.clock, default=None)
    if ahead is not None and ahead.clock > len(entries):
        raise TamperedError(
            f"{name}: expected clocks of at most {len(entries)}, as many as there are entries,"
            f" found {ahead.clock} at {ahead.kind} {ahead.name!r} of site {ahead.site!r}; ask who"
            " publishes there"
        )


def _fetched(
    seen: View, repository: Repository, fetcher: Fetcher, scratch: Path, progress: Progress
) -> dict[str, bytes]:
    """Files of everything that stands, also of what waits or lost: it may be wanted again."""
    wanted: dict[str, FileRef] = {}
    for entry in [head for heads in seen.standing.values() for head in heads]:
        files = dict(entry.files())
        if entry.digest in seen.measured:
            files[f"golden of task {entry.name!r}, measured"] = seen.measured[entry.digest].golden
        wanted |= {
            f"{role} ({entry.site})": ref
            for role, ref in files.items()
            if not repository.holds(ref.sha256)
        }
    objects: dict[str, bytes] = {}
    with progress.track("fetching", sum(ref.size for ref in wanted.values())) as advance:
        for role, ref in wanted.items():
            if ref.sha256 not in objects:
                fetcher.into(scratch / ref.sha256, role, ref, advance)
                objects[ref.sha256] = (scratch / ref.sha256).read_bytes()
    return objects


def _overlaps(engine: Engine, here: Collection[str], settled: Restated) -> tuple[Overlap, ...]:
    """Pairs of tasks, `here` and not, that the lookup may take for each other; the surest first."""
    found = []
    for name in engine.tasks:
        for rival, share in engine.router.first.confusions(name).items():
            apart = (name in here) != (rival in here)
            if (apart and share >= OVERLAP_SHARE) or (name, rival) in settled.moved:
                found.append(
                    Overlap(
                        name,
                        rival,
                        min(1.0, share),
                        settled.moved.get((name, rival), 0),
                        settled.texts[name],
                    )
                )
    return tuple(sorted(found, key=lambda one: (-one.moved, -one.share, one.task, one.rival)))
