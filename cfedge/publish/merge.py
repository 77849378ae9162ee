"""Take in what another site published: the union of two logs, its files, and a report of where they
meet. What would become of this channel's tasks at the other site's word is asked for first
(`cfedge.publish.handover`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cfedge.bundle.manifest import Task
from cfedge.catalogue.entry import Entry, Removed
from cfedge.catalogue.erased import erased_files
from cfedge.catalogue.view import View, manifest_of, view
from cfedge.errors import SyncError
from cfedge.progress import Progress, Quiet
from cfedge.publish.diff import next_clock
from cfedge.publish.draft import Channel, Draft, check_same_lookup
from cfedge.publish.handover import Handover, check_accepted, handovers, tombstones
from cfedge.publish.keys import Keys
from cfedge.publish.overlaps import Overlap, overlaps_of
from cfedge.publish.repository import Repository
from cfedge.publish.restate_child import restate_in_child
from cfedge.publish.restate_golden import Restated
from cfedge.publish.there import There
from cfedge.scratch import scratch_folder
from cfedge.sync.transport import Source

__all__ = ["Merged", "merge"]


@dataclass(frozen=True)
class Merged:
    """What a merge did.

    Attributes
    ----------
    adopted
        Entries of the other site that were appended, as ``kind name``.
    handed_over
        What became of this channel's tasks at the other site's word, as it was accepted.
    measured
        Tasks whose golden answers were made anew, since they changed.
    fetched_bytes
        Of files that this repository did not have.
    conflicts
        What was decided by rule and should be looked at.
    overlaps
        Pairs of tasks that may be taken for each other, of different sites.
    wrong_task_at_most
        By task the upper bound on picking another one, before (None: it was not here) and after.
        Errors were counted at each site among its own tasks, so after is what the counts allow,
        until somebody publishes what was measured among all.
    """

    adopted: tuple[str, ...]
    handed_over: tuple[str, ...]
    measured: tuple[str, ...]
    fetched_bytes: int
    conflicts: tuple[str, ...]
    overlaps: tuple[Overlap, ...]
    wrong_task_at_most: Mapping[str, tuple[float | None, float]]


def merge(
    folder: Path,
    keys: Keys,
    other: Source,
    root: bytes,
    *,
    channel: str = "stable",
    other_channel: str | None = None,
    accept: Collection[str] = (),
    erase: bool = False,
    same_labels: Collection[str] = (),
    now: datetime,
    wait: Callable[[float], None] = time.sleep,
    progress: Progress | None = None,
    restating: Callable[..., Restated] = restate_in_child,
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
    accept
        Patterns (``fnmatch``) of this channel's tasks that the other site may change or remove.
    erase
        Delete files here, and on this channel's devices, that the other site erased at home.
    same_labels
        Labels that mean the same in whichever task they stand: the report says where two tasks
        that overlap have them.
    now
        Of this machine.
    restating
        How what will be is opened; otherwise in a child process under limits.

    Raises
    ------
    TaskError
        A task that `accept` does not name would change or go; every one is named.
    IncompatibleError
        The other site has another backbone, or its tasks are for another lookup.
    UsageError
        Its tasks read inputs of another kind.
    OfflineError, TamperedError, StaleError
        Of the other repository, or its clocks are ahead of any history; nothing was changed.
    """
    repository = Repository(folder)
    with repository.writing(), scratch_folder() as temporary:
        repository.check(keys, now)
        before = Channel.existing(repository, channel)
        there = There.follow(other, root, temporary, other_channel or channel, now, wait)
        meeting = _Meeting.of(before, there, keys.site, erase=erase)
        check_accepted(meeting.handed_over, accept)
        return meeting.commit(
            repository, keys, now, progress or Quiet(), restating, same_labels=same_labels
        )


@dataclass(frozen=True)
class _Meeting:
    """Two logs, put together but not signed yet.

    Attributes
    ----------
    draft
        Of the channel here.
    there
        The other site's.
    adopted
        Its entries that are new here.
    handed_over
        What would become of this channel's tasks.
    erasable
        Removals with which other sites erased files that are still here.
    """

    draft: Draft
    there: There
    adopted: Sequence[Entry]
    handed_over: Sequence[Handover]
    erasable: Sequence[Entry]

    @classmethod
    def of(cls, before: Channel, there: There, site: str, *, erase: bool) -> _Meeting:
        there.check_backbone(before.seen)
        check_same_lookup(before, there.lookup, there.name)
        known = {entry.digest for entry in before.entries}
        adopted = [entry for entry in there.entries if entry.digest not in known]
        entries = [*before.entries, *adopted]
        there.check_clocks(entries)
        seen = view(entries)
        erasable = tombstones(seen, site)
        given = [*adopted, *(_confirmed(erasable, entries, before, site) if erase else ())]
        handed_over = handovers(before.seen, seen, adopted, site)
        draft = Draft.of_entries(given, before, site)
        return cls(draft, there, adopted, handed_over, [] if erase else erasable)

    @property
    def _had(self) -> tuple[Task, ...]:
        before = self.draft.channel
        return manifest_of(before.seen, before.signed).tasks if before.seen.tasks else ()

    def commit(
        self,
        repository: Repository,
        keys: Keys,
        now: datetime,
        progress: Progress,
        restating: Callable[..., Restated],
        *,
        same_labels: Collection[str],
    ) -> Merged:
        draft, before = self.draft, self.draft.channel
        entries = [*before.entries, *draft.given]
        seen = view(entries)
        objects = self.there.files(seen, repository, progress)
        restated = None
        if draft.manifest is not None:
            bundle = draft.bundle(repository, objects)
            restated = restating(bundle, progress=progress, here={task.name for task in self._had})
            objects |= restated.made
        new = draft.entries(restated)
        if new:
            index, blocks = draft.appended(new, now=now)
            repository.commit(keys, index, {**objects, **blocks}, now)
        repository.delete(erased_files([*before.entries, *new], keys.site))
        return self._report(seen, new, restated, same_labels)

    def _report(
        self,
        seen: View,
        new: Sequence[Entry],
        restated: Restated | None,
        same_labels: Collection[str],
    ) -> Merged:
        had, tasks = self._had, self.draft.manifest.tasks if self.draft.manifest else ()
        classes, here = {task.name: task.classes for task in tasks}, {task.name for task in had}
        return Merged(
            adopted=tuple(f"{entry.kind} {entry.name}" for entry in self.adopted),
            handed_over=tuple(f"task {one.task!r}: {one.message}" for one in self.handed_over),
            measured=tuple(entry.name for entry in new[len(self.draft.given) :]),
            fetched_bytes=self.there.fetched_bytes,
            conflicts=(
                *(conflict.message for conflict in seen.conflicts),
                *map(_kept, self.erasable),
                *self.there.notes,
            ),
            overlaps=overlaps_of(here, restated, classes, same_labels) if restated else (),
            wrong_task_at_most=_limits(had, tasks),
        )


def _confirmed(
    erasable: Sequence[Entry], entries: Sequence[Entry], before: Channel, site: str
) -> list[Entry]:
    """Removals of this site in the place of others': only these erase files here."""
    if erasable and before.signed.rollout is not None:
        raise SyncError(
            f"channel {before.name!r}: expected no rollout, found one, and devices outside of it"
            " would still ask for erased files; finish it first with cfedge rollout"
        )
    clock = next_clock(entries)
    return [
        Entry("removed", gone.name, site, clock, (gone.digest,), Removed(erase=True))
        for gone in erasable
    ]


def _kept(gone: Entry) -> str:
    return (
        f"task {gone.name!r}: erased at {gone.site}; here its files stay for devices that go back:"
        " merge with --erase to delete them"
    )


def _limits(before: Sequence[Task], after: Sequence[Task]) -> dict[str, tuple[float | None, float]]:
    was = {task.name: task.certificate.wrong_task_at_most for task in before}
    return {task.name: (was.get(task.name), task.certificate.wrong_task_at_most) for task in after}
