"""Take in what another site published: the union of two logs, its files, and a report of where they
meet.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import cast

from cfedge.bundle.fileref import FileRef
from cfedge.bundle.graph import check_graphs
from cfedge.bundle.manifest import Backbone, Task
from cfedge.catalogue.entry import Entry
from cfedge.catalogue.view import View, manifest_of, view
from cfedge.errors import IncompatibleError, TamperedError
from cfedge.progress import Progress, Quiet
from cfedge.publish.draft import Channel, Draft
from cfedge.publish.keys import Keys
from cfedge.publish.repository import Repository
from cfedge.publish.restate_golden import Restated, restate_bundle
from cfedge.sync.feed import Feed
from cfedge.sync.fetch import Fetcher
from cfedge.sync.transport import Source
from cfedge.sync.trust import Trust

__all__ = ["Merged", "Overlap", "merge"]

#: Of a task's inputs, by the lookup's own model, that another one takes: less is not reported.
OVERLAP_SHARE = 0.01
#: Longest that fetching from the other site may take.
DEADLINE_S = 3600.0


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
    moved, inputs
        Of the task's golden inputs, those that went to it and now go to another task.
    """

    task: str
    rival: str
    share: float
    moved: int
    inputs: int


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
    upper_bounds
        By task the upper bound on picking another one, before (None: it was not here) and after. Errors
        were counted at each site among its own tasks, so after is what the counts allow, until
        somebody publishes what was measured among all.
    """

    adopted: tuple[str, ...]
    measured: tuple[str, ...]
    fetched_bytes: int
    conflicts: tuple[str, ...]
    overlaps: tuple[Overlap, ...]
    upper_bounds: Mapping[str, tuple[float | None, float]]


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
        before = Channel.existing(repository, channel)
        scratch = Path(temporary)
        Trust.begin(scratch / "trust", root)
        fetcher = Fetcher(other, scratch / "partial", time.monotonic() + DEADLINE_S, wait=wait)
        there = _followed(fetcher, scratch, other_channel or channel, now)
        _check_backbone(before.seen, view(there.entries), other.name)
        known = {entry.digest for entry in before.entries}
        adopted = [entry for entry in there.entries if entry.digest not in known]
        _check_clocks([*before.entries, *adopted], other.name)
        draft = Draft.of_entries(adopted, before, keys.site)
        seen = view([*before.entries, *adopted])
        objects = _fetched(seen, repository, fetcher, scratch, progress or Quiet())
        restated = None
        if draft.manifest is not None:
            bundle = draft.bundle(repository, objects)
            check_graphs(bundle)
            restated = restate_bundle(bundle, progress=progress)
            objects |= restated.made
        new = draft.entries(restated)
        if new:
            index, blocks = draft.appended(new, now=now)
            repository.commit(keys, index, {**objects, **blocks}, now)
        repository.delete(seen.erased)
    had = manifest_of(before.seen, before.signed).tasks if before.seen.tasks else ()
    return Merged(
        adopted=tuple(f"{entry.kind} {entry.name}" for entry in adopted),
        measured=tuple(entry.name for entry in new[len(adopted) :]),
        fetched_bytes=fetcher.fetched_bytes,
        conflicts=(
            *(conflict.text for conflict in seen.conflicts),
            *_waiting(there, other.name),
        ),
        overlaps=_overlaps({task.name for task in had}, restated) if restated else (),
        upper_bounds=_upper_bounds(had, draft.manifest.tasks if draft.manifest else ()),
    )


@dataclass(frozen=True)
class _There:
    """What the other site published: its entries but for `waiting` ones that are being rolled
    out.
    """

    entries: Sequence[Entry]
    waiting: int


def _followed(fetcher: Fetcher, scratch: Path, channel: str, now: datetime) -> _There:
    feed = Feed(scratch, channel)
    index = feed.follow(fetcher, now)
    ready = index.rollout.before if index.rollout else index.entries
    return _There(feed.entries(index, ready, fetcher), index.entries - ready)


def _upper_bounds(
    before: Sequence[Task], after: Sequence[Task]
) -> dict[str, tuple[float | None, float]]:
    was = {task.name: task.certificate.upper_bound for task in before}
    return {task.name: (was.get(task.name), task.certificate.upper_bound) for task in after}


def _waiting(there: _There, name: str) -> list[str]:
    if not there.waiting:
        return []
    return [
        f"{name}: {there.waiting} of its {there.waiting + len(there.entries)} entries are being"
        " rolled out there; they wait: merge again when that is done"
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


def _overlaps(here: Collection[str], restated: Restated) -> tuple[Overlap, ...]:
    """Pairs of tasks, `here` and not, that the lookup may take for each other; the surest first."""
    found = []
    for (name, rival), share in restated.confusions.items():
        moved = restated.moved.get((name, rival), 0)
        apart = (name in here) != (rival in here)
        if moved or (apart and share >= OVERLAP_SHARE):
            found.append(Overlap(name, rival, min(1.0, share), moved, restated.inputs[name]))
    return tuple(sorted(found, key=lambda one: (-one.moved, -one.share, one.task, one.rival)))
