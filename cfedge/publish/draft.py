"""What a channel will hold: drafted, restated, and only then written as entries. Pure, but for what
reads a repository.

A draft says which tasks will run, and that is what golden vectors are checked among
(`cfedge.publish.restate_golden`). Entries are made once, when the vectors that hold are known, and
are then signed (`cfedge.publish.repository`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import cast

from cfedge.bundle.files import Bundle
from cfedge.bundle.manifest import Backbone, Manifest
from cfedge.catalogue.conflicts import running
from cfedge.catalogue.entry import Entry
from cfedge.catalogue.index import Index
from cfedge.catalogue.view import View, manifest_of, put_together, view
from cfedge.errors import IncompatibleError, SyncError
from cfedge.publish.appending import appended
from cfedge.publish.channel_kind import check_kind
from cfedge.publish.diff import Change, changes_of, kept, next_clock
from cfedge.publish.repository import Repository
from cfedge.publish.restate_golden import Restated

__all__ = ["Channel", "Draft", "check_same_lookup"]


@dataclass(frozen=True)
class Channel:
    """A channel as it is signed now.

    Attributes
    ----------
    name
        Of the channel.
    index
        None where the repository has none of that name yet.
    entries
        Its log.
    """

    name: str
    index: Index | None
    entries: Sequence[Entry]

    @classmethod
    def read(cls, repository: Repository, name: str) -> Channel:
        """Read a channel, which may not be there yet."""
        index = repository.index(name)
        return cls(name, index, repository.entries(index) if index else [])

    @cached_property
    def seen(self) -> View:
        """What its entries add up to."""
        return view(self.entries)

    @classmethod
    def existing(cls, repository: Repository, name: str) -> Channel:
        """Read a channel that must be there.

        Raises
        ------
        SyncError
            It is not.
        """
        channel = cls.read(repository, name)
        if channel.index is None:
            raise SyncError(
                f"{repository.folder}: expected channel {name!r}, found none; name another with"
                " --channel, or publish a bundle to it first"
            )
        return channel

    @property
    def signed(self) -> Index:
        """The index of an `existing` channel."""
        assert self.index is not None, "read it with Channel.existing"
        return self.index


@dataclass(frozen=True)
class Draft:
    """What a channel will hold.

    Attributes
    ----------
    channel
        As it is signed now.
    given
        Entries to append as they are, before the others.
    changes
        What becomes of each task that stands.
    manifest
        Of the tasks that will run; None where none will.
    site, clock
        Of the entries that are made.
    """

    channel: Channel
    given: Sequence[Entry]
    changes: Sequence[Change]
    manifest: Manifest | None
    site: str
    clock: int

    @classmethod
    def of_bundle(cls, bundle: Bundle, channel: Channel, site: str) -> Draft:
        """Draft a channel that holds the tasks of `bundle`; tasks that only the channel has
        stay.

        Raises
        ------
        UsageError
            It reads inputs of another kind than the channel's tasks.
        """
        check_same_lookup(channel, bundle.manifest.lookup)
        seen, backbone = channel.seen, bundle.manifest.backbone
        check_kind(seen, backbone)
        clock = next_clock(channel.entries)
        given = []
        if seen.backbone is None or cast(Backbone, seen.backbone.body) != backbone:
            replaces = (seen.backbone.digest,) if seen.backbone else ()
            given.append(Entry("backbone", backbone.name, site, clock, replaces, backbone))
        changes = changes_of(bundle, seen)
        names = {change.task.name for change in changes}
        changes += kept(seen, [name for name in seen.standing if name not in names])
        runs, _ = running([one.candidate(site, clock) for one in changes], backbone.digest)
        tasks = sorted(
            (change.task for change in changes if change.task.name in set(runs)),
            key=lambda task: task.name,
        )
        return cls(
            channel,
            given,
            changes,
            put_together(backbone, tasks, bundle.manifest.margins, bundle.manifest.lookup),
            site,
            clock,
        )

    @classmethod
    def of_entries(cls, given: Sequence[Entry], channel: Channel, site: str) -> Draft:
        """Draft a channel that holds `given` beside what it has."""
        entries = [*channel.entries, *given]
        seen = view(entries)
        manifest = manifest_of(seen, channel.signed) if seen.tasks else None
        return cls(channel, given, kept(seen, seen.tasks), manifest, site, next_clock(entries))

    @property
    def is_as_signed(self) -> bool:
        """Whether the channel holds all of it already."""
        index, manifest = self.channel.index, self.manifest
        return (
            index is not None
            and manifest is not None
            and not self.given
            and all(change.kind == "kept" for change in self.changes)
            and manifest.margins == index.margins
        )

    def bundle(self, repository: Repository, objects: Mapping[str, bytes]) -> Bundle:
        """Return the bundle of a `manifest` that there is: its files are in `objects`, all of which
        it has, or in the repository.
        """
        assert self.manifest is not None, "no task will run"
        refs = self.manifest.files().values()
        there = {ref.sha256: repository.object(ref) for ref in refs if ref.sha256 not in objects}
        return Bundle(self.manifest, {**there, **objects})

    def entries(self, restated: Restated | None = None) -> list[Entry]:
        """Return the entries to append, with golden vectors that hold among all tasks."""
        golden = restated.golden if restated else {}
        made = [
            change.entry(golden.get(change.task.name), self.site, self.clock)
            for change in self.changes
        ]
        return [*self.given, *(entry for entry in made if entry is not None)]

    def appended(
        self, new: Sequence[Entry], *, now: datetime, share: float = 1.0
    ) -> tuple[Index, dict[str, bytes]]:
        """Return the index of the channel with `new` after its log, and its new blocks; see
        `appended`.
        """
        index, manifest = self.channel.index, self.manifest
        source = manifest if manifest is not None else self.channel.signed
        margins = source.margins
        return appended(
            index,
            self.channel.name,
            self.channel.entries,
            new,
            site=self.site,
            margins=margins,
            lookup=source.lookup,
            now=now,
            share=share,
        )


def check_same_lookup(channel: Channel, lookup: str, who: str = "the bundle") -> None:
    """Refuse tasks of another lookup than the channel's: none of the two reads what the other's
    tasks leave.

    Raises
    ------
    IncompatibleError
    """
    if channel.index is not None and channel.index.lookup != lookup:
        raise IncompatibleError(
            f"channel {channel.name!r}: expected tasks for its lookup {channel.index.lookup}, found"
            f" {lookup} in {who}; export again with --lookup {channel.index.lookup}, or publish to a"
            " new channel"
        )
