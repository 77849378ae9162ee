"""Change a channel: publish a bundle, withdraw a task, roll out in stages. Each is one signed step
or none.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from cfedge.bundle.files import Bundle, read
from cfedge.catalogue.channel_name import check_channel
from cfedge.catalogue.entry import Entry
from cfedge.catalogue.erased import erased_files
from cfedge.catalogue.index import Index, utc
from cfedge.catalogue.view import View, view
from cfedge.errors import SyncError, TaskError
from cfedge.progress import Progress
from cfedge.publish.appending import check_share
from cfedge.publish.checked import check_time
from cfedge.publish.diff import next_clock, removal
from cfedge.publish.draft import Channel, Draft
from cfedge.publish.keys import Keys
from cfedge.publish.repository import Repository
from cfedge.publish.restate_child import restate_in_child
from cfedge.publish.restate_golden import Restated
from cfedge.runtime.verification import verify
from cfedge.sync.delta import make

__all__ = ["Published", "publish", "roll_out", "withdraw"]


@dataclass(frozen=True)
class Published:
    """What a step did.

    Attributes
    ----------
    channel, entries
        The channel, and the length of its log now.
    added
        Entries that were appended, as ``kind name``.
    object_bytes
        Of files that the repository did not have, blocks of the log apart.
    only_here
        Tasks that the channel has and the bundle has not: they stay.
    conflicts
        What was decided by rule and should be looked at.
    share
        Of the devices that follow all of it; the others wait for `roll_out`.
    """

    channel: str
    entries: int
    added: tuple[str, ...]
    object_bytes: int
    only_here: tuple[str, ...]
    conflicts: tuple[str, ...]
    share: float


def publish(
    bundle: Path,
    folder: Path,
    keys: Keys,
    *,
    channel: str = "stable",
    rollout: float = 1.0,
    now: datetime,
    progress: Progress | None = None,
    restating: Callable[..., Restated] = restate_in_child,
) -> Published:
    """Bring a channel to the tasks of a bundle; tasks that only the channel has stay.

    Parameters
    ----------
    bundle
        Written by ``cfedge export``.
    folder
        The repository; made where there is none.
    keys
        Of the repository.
    channel
        Letters, digits, ``-``, ``_`` and ``.``.
    rollout
        Share of the devices that take part at once; see `roll_out`.
    now
        Metadata expire from here on.
    progress
        Of the golden vectors' check.
    restating
        How the bundle is opened; otherwise in a child process under limits.

    Raises
    ------
    IncompatibleError
        The channel's tasks together answer golden vectors otherwise; nothing was published.
    """
    check_channel(channel)
    check_time(now)
    check_share(rollout)
    given = read(bundle)
    golden = {task.name: task.golden for task in given.manifest.tasks}
    repository = _opened_or_made(folder, keys, now)
    with repository.writing():
        repository.check(keys, now)
        before = Channel.read(repository, channel)
        draft = Draft.of_bundle(given, before, keys.site)
        if draft.is_as_signed and _is_rolled_out(before.signed, rollout):
            repository.renew(keys, now)
            return _published(before.signed, [], 0, before.seen, golden)
        restated = restating(draft.bundle(repository, given.objects), golden, progress)
        if restated.names & golden.keys():  # by other sites' tasks, or is the bundle at fault?
            verify(bundle, given.manifest)
        new = draft.entries(restated)
        objects = _wanted(new, {**given.objects, **restated.made}, repository)
        index, blocks = draft.appended(new, now=now, share=rollout)
        _hint(repository, before.seen.backbone, given)
        repository.commit(keys, index, {**objects, **blocks}, now)
    seen = view([*before.entries, *new])
    return _published(index, new, sum(map(len, objects.values())), seen, golden)


def withdraw(
    folder: Path,
    keys: Keys,
    task: str,
    *,
    channel: str = "stable",
    erase: bool = False,
    now: datetime,
    restating: Callable[..., Restated] = restate_in_child,
) -> Published:
    """Remove a task from a channel; with `erase` its files are deleted here, and by devices on
    their next sync.

    Raises
    ------
    TaskError
        The channel has no such task, or no other.
    SyncError
        Files cannot be erased while a rollout is on: devices that do not take part yet would still
        ask for them.
    """
    check_time(now)
    repository = Repository(folder)
    with repository.writing():
        repository.check(keys, now)
        before = Channel.existing(repository, channel)
        if erase and before.signed.rollout is not None:
            raise SyncError(
                f"channel {channel!r}: expected no rollout, found one, and devices outside of it"
                f" would still ask for erased files; finish it first: cfedge rollout {folder} 1"
            )
        clock = next_clock(before.entries)
        gone = removal(task, before.seen, erase=erase, site=keys.site, clock=clock)
        draft = Draft.of_entries([gone], before, keys.site)
        if draft.manifest is None:
            raise TaskError(
                f"task {task!r}: expected another task to go on with, found none: devices would"
                " keep it; publish one first"
            )
        restated = restating(draft.bundle(repository, {}))
        new = draft.entries(restated)
        index, blocks = draft.appended(new, now=now)
        repository.commit(keys, index, {**restated.made, **blocks}, now)
        after = view([*before.entries, *new])
        repository.delete(erased_files([*before.entries, *new], keys.site))
    return _published(index, new, sum(map(len, restated.made.values())), after, after.tasks)


def roll_out(
    folder: Path, keys: Keys, share: float, *, channel: str = "stable", now: datetime
) -> Index:
    """Let another share of the devices follow what is being rolled out: 1 is all of them, 0 takes
    it back from all.

    Raises
    ------
    SyncError
        Nothing is being rolled out.
    """
    check_time(now)
    check_share(share)
    repository = Repository(folder)
    with repository.writing():
        index = Channel.existing(repository, channel).signed
        if index.rollout is None:
            raise SyncError(
                f"channel {channel!r}: expected a rollout, found none; begin one with: cfedge"
                " publish --rollout"
            )
        rollout = None if share == 1 else replace(index.rollout, share=float(share))
        index = replace(index, rollout=rollout, published=utc(now))
        repository.commit(keys, index, {}, now)
    return index


def _opened_or_made(folder: Path, keys: Keys, now: datetime) -> Repository:
    """The repository in `folder`; an empty one where there is none."""
    return Repository(folder) if Repository.exists(folder) else Repository.create(folder, keys, now)


def _is_rolled_out(index: Index, share: float) -> bool:
    """Whether so many devices follow all of a channel: a rollout of nothing is none."""
    return share == 1 or index.rollout is None or share == index.rollout.share


def _wanted(
    entries: Sequence[Entry], objects: Mapping[str, bytes], repository: Repository
) -> dict[str, bytes]:
    """The files of new entries that the repository does not hold yet."""
    names = {ref.sha256 for entry in entries for ref in entry.files().values()}
    return {
        name: objects[name] for name in sorted(names & objects.keys()) if not repository.holds(name)
    }


def _hint(repository: Repository, before: Entry | None, made: Bundle) -> None:
    """Make deltas for devices that have the channel's backbone, if it had one, where they pay."""
    if before is None:
        return
    files = made.manifest.backbone.files()
    for role, old in before.files().items():
        new = files.get(role, old)
        if new != old and (delta := make(repository.object(old), made[new])) is not None:
            repository.hint(old, new, delta)


def _published(
    index: Index,
    new: Sequence[Entry],
    object_bytes: int,
    seen: View,
    given: Collection[str],
) -> Published:
    return Published(
        channel=index.channel,
        entries=index.entries,
        added=tuple(f"{entry.kind} {entry.name}" for entry in new),
        object_bytes=object_bytes,
        only_here=tuple(name for name in seen.tasks if name not in given),
        conflicts=tuple(conflict.message for conflict in seen.conflicts),
        share=index.rollout.share if index.rollout else 1.0,
    )
