"""Change a channel: publish a bundle, withdraw a task, roll out by and by. Each is one signed step
or none.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from cfedge.bundle.files import Bundle, read
from cfedge.bundle.graph import check_graphs
from cfedge.bundle.manifest import FileRef, Manifest
from cfedge.catalogue.entry import Entry, Measured
from cfedge.catalogue.log import Index, Rollout, cut, utc
from cfedge.catalogue.view import View, manifest_of, view
from cfedge.errors import SyncError, TaskError, UsageError
from cfedge.progress import Progress
from cfedge.publish.diff import entries_of, next_clock, removal
from cfedge.publish.keys import Keys
from cfedge.publish.repository import Repository
from cfedge.publish.restate_golden import Restated, restate
from cfedge.runtime.engine import Engine
from cfedge.runtime.golden import check_golden
from cfedge.sync.delta import make

__all__ = [
    "Published",
    "appended",
    "bundle_of",
    "existing",
    "publish",
    "remeasured",
    "roll_out",
    "withdraw",
]


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
        The channel's tasks together do not answer golden vectors as they should; nothing was
        published.
    """
    _check_channel(channel)
    made = read(bundle)
    check_graphs(made)
    mine = {task.name for task in made.manifest.tasks}
    repository = (
        Repository(folder) if Repository.exists(folder) else Repository.create(folder, keys, now)
    )
    with repository.writing():
        index = repository.index(channel)
        before = repository.entries(index) if index else []
        seen = view(before)
        clock, golden = next_clock(before), _known(made, seen)
        new = entries_of(made, seen, golden, site=keys.site, clock=clock)
        stages = (made.manifest.second_stage, made.manifest.third_stage)
        same_share = index is not None and (
            share == 1 or index.rollout is None or share == index.rollout.share
        )
        if (
            index is not None
            and not new
            and same_share
            and stages == (index.second_stage, index.third_stage)
        ):
            repository.renew(keys, now)
            return _published(index, [], 0, seen, mine)
        draft, _ = appended(index, channel, before, new, stages=stages, now=now, share=share)
        whole = bundle_of(manifest_of(view([*before, *new]), draft), repository, made.objects)
        settled = restate(
            Engine(whole), whole, {task.name: task.golden for task in made.manifest.tasks}, progress
        )
        if settled.restated & mine:  # by other sites' tasks, or is the bundle at fault?
            check_golden(Engine(made), made)
        new = entries_of(made, seen, {**golden, **settled.golden}, site=keys.site, clock=clock)
        after = view([*before, *new])
        new += remeasured(after, settled, site=keys.site, clock=clock, but=mine)
        objects = {**made.objects, **settled.made}
        wanted = {ref.sha256 for entry in new for ref in entry.files().values()}
        objects = {
            name: objects[name]
            for name in sorted(wanted & objects.keys())
            if not repository.holds(name)
        }
        index, blocks = appended(index, channel, before, new, stages=stages, now=now, share=share)
        if seen.backbone is not None:
            _hint(repository, seen.backbone, made)
        repository.commit(keys, index, {**objects, **blocks}, now)
    return _published(index, new, sum(map(len, objects.values())), view([*before, *new]), mine)


def withdraw(
    folder: Path,
    keys: Keys,
    task: str,
    *,
    channel: str = "stable",
    erase: bool = False,
    now: datetime,
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
    repository = Repository(folder)
    with repository.writing():
        index = existing(repository, channel)
        if erase and index.rollout is not None:
            raise SyncError(
                f"channel {channel!r}: expected no rollout, found one, and devices outside of it"
                f" would still ask for erased files; finish it first: cfedge rollout {folder} 1"
            )
        before = repository.entries(index)
        clock = next_clock(before)
        new = [removal(task, view(before), erase=erase, site=keys.site, clock=clock)]
        seen = view([*before, *new])
        if not seen.tasks:
            raise TaskError(
                f"task {task!r}: expected another task to go on with, found none: devices would"
                " keep it; publish one first"
            )
        bundle = bundle_of(manifest_of(seen, index), repository, {})
        settled = restate(Engine(bundle), bundle)
        new += remeasured(seen, settled, site=keys.site, clock=clock)
        after, blocks = appended(
            index, channel, before, new, stages=(index.second_stage, index.third_stage), now=now
        )
        repository.commit(keys, after, {**settled.made, **blocks}, now)
        seen = view([*before, *new])
        repository.delete(seen.erased)
    return _published(after, new, sum(map(len, settled.made.values())), seen, set(seen.tasks))


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
    _check_share(share)
    repository = Repository(folder)
    with repository.writing():
        index = existing(repository, channel)
        if index.rollout is None:
            raise SyncError(
                f"channel {channel!r}: expected a rollout, found none; begin one with: cfedge"
                " publish --share"
            )
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
    stages: tuple[float, float],
    now: datetime,
    share: float = 1.0,
) -> tuple[Index, dict[str, bytes]]:
    """Return the index of a channel with `new` after its log, and its new blocks by SHA-256.

    A `share` below 1 begins a rollout, or changes the share of the one that is on; 1 leaves that as
    it is.
    """
    _check_share(share)
    blocks, made = cut([entry.line for entry in [*before, *new]], index.blocks if index else ())
    rollout = index.rollout if index else None
    if share < 1:
        last = (index.second_stage, index.third_stage) if index else stages
        begun = rollout or Rollout(float(share), secrets.token_hex(8), len(before), *last)
        rollout = replace(begun, share=float(share))
    return Index(channel, utc(now), stages[0], stages[1], blocks, rollout), made


def remeasured(
    seen: View, settled: Restated, *, site: str, clock: int, but: Collection[str] = ()
) -> list[Entry]:
    """Return entries for the tasks whose golden vectors were restated, `but` for some."""
    found = []
    for name in sorted(settled.restated - set(but)):
        entry = seen.tasks[name]
        task = seen.known(entry)
        body = Measured(
            entry.digest,
            task.certificate,
            task.threshold,
            task.false_reject_rate,
            settled.golden[name],
        )
        found.append(Entry("measured", name, site, clock, (), body))
    return found


def bundle_of(manifest: Manifest, repository: Repository, objects: Mapping[str, bytes]) -> Bundle:
    """Return a bundle whose files are in `objects` or in the repository; all of `objects` are in
    it.
    """
    refs = manifest.files().values()
    there = {ref.sha256: repository.object(ref) for ref in refs if ref.sha256 not in objects}
    return Bundle(manifest, {**there, **objects})


def _known(made: Bundle, seen: View) -> dict[str, FileRef]:
    """By task of a bundle the golden vectors that devices have, where the task is the same,
    otherwise the bundle's.
    """
    found: dict[str, FileRef] = {}
    for task in made.manifest.tasks:
        heads = [entry for entry in seen.standing.get(task.name, ()) if entry.kind == "task"]
        known = seen.known(heads[-1]) if heads else None
        same = known is not None and (known.adapter, known.signature) == (
            task.adapter,
            task.signature,
        )
        found[task.name] = known.golden if known is not None and same else task.golden
    return found


def _hint(repository: Repository, before: Entry, made: Bundle) -> None:
    """Make deltas for devices that have the channel's backbone, where they pay."""
    backbone = made.manifest.backbone
    for role, old in before.files().items():
        new = getattr(backbone, role)
        if new != old and (delta := make(repository.object(old), made[new])) is not None:
            repository.hint(old, new, delta)


def _published(
    index: Index, new: list[Entry], object_bytes: int, seen: View, mine: set[str]
) -> Published:
    return Published(
        channel=index.channel,
        entries=index.entries,
        added=tuple(f"{entry.kind} {entry.name}" for entry in new),
        object_bytes=object_bytes,
        only_here=tuple(name for name in seen.tasks if name not in mine),
        conflicts=tuple(one.text for one in seen.conflicts),
        share=index.rollout.share if index.rollout else 1.0,
    )


def existing(repository: Repository, channel: str) -> Index:
    """Return the index of a channel that must be there."""
    index = repository.index(channel)
    if index is None:
        raise SyncError(
            f"{repository.folder}: expected channel {channel!r}, found none; publish a bundle to it"
            " first"
        )
    return index


def _check_share(share: float) -> None:
    if not 0 <= share <= 1:
        raise UsageError(
            f"--share: expected 0..1, found {share}; give the part of the devices that are to"
            " follow"
        )


def _check_channel(channel: str) -> None:
    plain = channel.replace("-", "").replace("_", "").replace(".", "")
    if not plain.isascii() or not plain.isalnum() or len(channel) > 64 or channel.startswith("."):
        raise UsageError(
            f"--channel: expected letters, digits, - _ and . (at most 64), found {channel!r:.80};"
            " choose another name"
        )
