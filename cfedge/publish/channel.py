"""Change a channel: publish a bundle, withdraw a task, roll out by and by. Each is one signed step or none."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from cfedge.bundle.files import Bundle, read
from cfedge.bundle.manifest import FileRef, Manifest
from cfedge.catalogue.entry import Entry
from cfedge.catalogue.log import Index, Rollout, cut, utc
from cfedge.catalogue.view import View, manifest_of, view
from cfedge.errors import IncompatibleError, SyncError, UsageError
from cfedge.progress import Progress, Quiet
from cfedge.publish.changes import entries_of, next_clock, removal
from cfedge.publish.keys import Keys
from cfedge.publish.repository import Repository
from cfedge.runtime.engine import Engine
from cfedge.runtime.golden import check_golden

__all__ = ["Published", "appended", "bundle_of", "checked", "existing", "publish", "roll_out", "withdraw"]


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
    """

    channel: str
    entries: int
    added: tuple[str, ...]
    object_bytes: int
    only_here: tuple[str, ...]
    conflicts: tuple[str, ...]


def publish(
    bundle: Path,
    folder: Path,
    keys: Keys,
    *,
    channel: str = "stable",
    share: float = 1.0,
    now: datetime,
    progress: Progress | None = None,
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
    share
        Of the devices that take part at once; see `roll_out`.
    now
        Metadata expire from here on.
    progress
        Of the golden vectors' check.

    Raises
    ------
    IncompatibleError
        The channel's tasks together do not answer golden vectors as they should; nothing was published.
    """
    _check_channel(channel)
    made = read(bundle)
    repository = Repository(folder) if Repository.exists(folder) else Repository.create(folder, keys, now)
    with repository.writing():
        index = repository.index(channel)
        before = repository.entries(index) if index else []
        seen = view(before)
        golden = _golden(made, seen, repository)
        new = entries_of(made, seen, golden, site=keys.site, clock=next_clock(before))
        known = {ref.sha256 for entry in before for ref in entry.files().values()}
        objects = {name: data for name, data in made.objects.items() if name not in known}
        wanted = {ref.sha256 for entry in new for ref in entry.files().values()}
        objects = {name: data for name, data in objects.items() if name in wanted}
        looks = (made.manifest.second_look, made.manifest.third_look)
        after = appended(index, channel, before, new, looks=looks, now=now, share=share)
        if index is not None and replace(after[0], published=index.published) == index:
            repository.renew(keys, now)
        else:
            checked(repository, after[0], [*before, *new], objects, progress)
            repository.commit(keys, after[0], {**objects, **after[1]}, now)
    mine = {task.name for task in made.manifest.tasks}
    return _published(after[0], new, objects, view([*before, *new]), mine)


def withdraw(folder: Path, keys: Keys, task: str, *, channel: str = "stable", erase: bool = False, now: datetime) -> Published:
    """Remove a task from a channel; with `erase` its files are deleted here, and by devices on their next sync.

    Raises
    ------
    TaskError
        The channel has no such task.
    """
    repository = Repository(folder)
    with repository.writing():
        index = existing(repository, channel)
        before = repository.entries(index)
        entry = removal(task, view(before), erase=erase, site=keys.site, clock=next_clock(before))
        after, blocks = appended(index, channel, before, [entry], looks=(index.second_look, index.third_look), now=now)
        repository.commit(keys, after, blocks, now)
        seen = view([*before, entry])
        repository.delete(seen.erased)
    return _published(after, [entry], {}, seen, set(seen.tasks))


def roll_out(folder: Path, keys: Keys, share: float, *, channel: str = "stable", now: datetime) -> Index:
    """Let another share of the devices follow what is being rolled out: 1 is all of them, 0 takes it back from all.

    Raises
    ------
    SyncError
        Nothing is being rolled out.
    """
    _check_share(share)
    repository = Repository(folder)
    with repository.writing():
        index = existing(repository, channel)
        if index.rollout is None:
            raise SyncError(f"channel {channel!r}: expected a rollout, found none; begin one with: cfedge publish --share")
        rollout = None if share == 1 else replace(index.rollout, share=float(share))
        after = replace(index, rollout=rollout, published=utc(now))
        repository.commit(keys, after, {}, now)
    return after


def appended(
    index: Index | None,
    channel: str,
    before: list[Entry],
    new: list[Entry],
    *,
    looks: tuple[float, float],
    now: datetime,
    share: float = 1.0,
) -> tuple[Index, dict[str, bytes]]:
    """Return the index of a channel with `new` after its log, and its new blocks by SHA-256.

    A `share` below 1 begins a rollout, or changes the share of the one that is on; 1 leaves that as it is.
    """
    _check_share(share)
    blocks, made = cut([entry.line for entry in [*before, *new]], index.blocks if index else ())
    rollout = index.rollout if index else None
    if share < 1:
        rollout = replace(rollout, share=float(share)) if rollout else Rollout(float(share), secrets.token_hex(8), len(before))
    return Index(channel, utc(now), looks[0], looks[1], blocks, rollout), made


def checked(
    repository: Repository, index: Index, entries: list[Entry], objects: Mapping[str, bytes], progress: Progress | None = None
) -> None:
    """Open what a channel will hold, and answer its golden vectors.

    Raises
    ------
    IncompatibleError
        Naming the vector.
    """
    manifest = manifest_of(view(entries), index)
    bundle = bundle_of(manifest, repository, objects)
    with (progress or Quiet()).track("checking golden vectors", 1) as advance:
        check_golden(Engine(bundle), bundle, _vectors(manifest))
        advance(1)


def _vectors(manifest: Manifest) -> dict[str, int]:
    """How many golden vectors of each task to check: all, or some of each where tasks are many."""
    return {task.name: max(1, 4096 // len(manifest.tasks)) for task in manifest.tasks}


def bundle_of(manifest: Manifest, repository: Repository, objects: Mapping[str, bytes]) -> Bundle:
    """Return a bundle whose files are in `objects` or in the repository."""
    refs = manifest.files().values()
    return Bundle(manifest, {ref.sha256: objects.get(ref.sha256) or repository.object(ref) for ref in refs})


def _golden(made: Bundle, seen: View, repository: Repository) -> dict[str, FileRef]:
    """Golden vectors to publish: those of the channel where they still hold, since devices have them, otherwise the bundle's."""
    kept: dict[str, FileRef] = {}
    for task in made.manifest.tasks:
        heads = [entry for entry in seen.standing.get(task.name, ()) if entry.kind == "task"]
        known = seen.known(heads[-1]) if heads else None
        same = known is not None and (known.adapter, known.signature) == (task.adapter, task.signature)
        kept[task.name] = known.golden if known is not None and same else task.golden
    old = {name for name, ref in kept.items() if ref != next(one.golden for one in made.manifest.tasks if one.name == name)}
    if not old:
        return kept
    tasks = tuple(replace(task, golden=kept[task.name]) for task in made.manifest.tasks)
    bundle = bundle_of(replace(made.manifest, tasks=tasks), repository, made.objects)
    engine = Engine(bundle)
    for task in made.manifest.tasks:
        if task.name in old:
            try:
                check_golden(engine, bundle, {task.name: 1 << 20})
            except IncompatibleError:
                kept[task.name] = task.golden
    return kept


def _published(index: Index, new: list[Entry], objects: Mapping[str, bytes], seen: View, mine: set[str]) -> Published:
    return Published(
        channel=index.channel,
        entries=index.entries,
        added=tuple(f"{entry.kind} {entry.name}" for entry in new),
        object_bytes=sum(map(len, objects.values())),
        only_here=tuple(name for name in seen.tasks if name not in mine),
        conflicts=tuple(one.text for one in seen.conflicts),
    )


def existing(repository: Repository, channel: str) -> Index:
    """Return the index of a channel that must be there."""
    index = repository.index(channel)
    if index is None:
        raise SyncError(f"{repository.folder}: expected channel {channel!r}, found none; publish a bundle to it first")
    return index


def _check_share(share: float) -> None:
    if not 0 <= share <= 1:
        raise UsageError(f"--share: expected 0..1, found {share}; give the part of the devices that are to follow")


def _check_channel(channel: str) -> None:
    plain = channel.replace("-", "").replace("_", "").replace(".", "")
    if not plain.isascii() or not plain.isalnum() or len(channel) > 64 or channel.startswith("."):
        raise UsageError(
            f"--channel: expected letters, digits, - _ and . (at most 64), found {channel!r:.80}; choose another name"
        )
