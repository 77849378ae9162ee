"""A device's store: what it is, and which of its generations is to answer.

How generations stand on the disk, and what may be written when, `cfedge.store.generations` says.
"""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

from cfedge.bundle.canonical import canonical_json
from cfedge.bundle.files import Bundle, read
from cfedge.bundle.objects import read_objects
from cfedge.errors import DamagedError, SchemaError, StorageError, TamperedError
from cfedge.outside import check_outside
from cfedge.storage import write_file
from cfedge.store.boot_attempts import MAX_STARTS
from cfedge.store.generations import Generations
from cfedge.store.place import FACTS, check_there, is_store
from cfedge.store.records import FOLDERS, Facts, Pointer, make_folders, record_of

__all__ = ["Store", "bundle_at"]

SCHEMA = 1


class Store(Generations):
    """A store that exists.

    Attributes
    ----------
    channel
        The channel that it follows.
    device
        A random name, for rollouts to some devices first.

    Raises
    ------
    DamagedError
        There is none, or its record is damaged.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        if not Store.exists(folder) and (found := _instead(folder)):
            raise DamagedError(f"{folder}: expected a store, found {found}")
        facts = record_of(folder / FACTS, Facts)
        if facts.schema != SCHEMA:
            raise SchemaError(
                f"{folder}: expected a store of schema {SCHEMA}, found {facts.schema}; install a"
                " newer cfedge"
            )
        self.channel, self.device = facts.channel, facts.device

    @staticmethod
    def exists(folder: Path) -> bool:
        """Whether there is a store in `folder`."""
        return is_store(folder)

    @classmethod
    def create(cls, folder: Path, channel: str) -> Store:
        """Make an empty store, or open the one that is there. A store that no generation was ever
        installed in takes another channel: the first may have been named wrongly.

        Raises
        ------
        StorageError
            The disk refused, or `folder` holds something else.
        UsageError
            It is no name of a channel, or the store would lie in another folder of cfedge's own.
        """
        import secrets  # some milliseconds, which engines need not wait for

        from cfedge.catalogue.channel_name import check_channel

        if cls.exists(folder):
            found = cls(folder)
            return found if found.channel == channel else found._following(channel)
        check_channel(channel)
        check_outside(folder)
        make_folders(folder)
        _write_facts(folder, Facts(channel, secrets.token_hex(16), SCHEMA))
        return cls(folder)

    def _following(self, channel: str) -> Store:
        """Return this store with another channel, if nothing was installed in it yet."""
        from cfedge.catalogue.channel_name import check_channel

        check_channel(channel)
        with self.writing():
            if self.pointer() is not None or self.generations():
                raise StorageError(
                    f"{self.folder}: expected a store of channel {channel!r}, found one of"
                    f" {self.channel!r}; use another folder"
                )
            _write_facts(self.folder, Facts(channel, self.device, SCHEMA))
        return type(self)(self.folder)

    def to_open(self) -> int:
        """Return the generation to open: the pointer's, or, where that failed too often, the newest
        one before that opened.

        Raises
        ------
        DamagedError
            There is none.
        """
        pointer = self.pointer()
        if pointer is None:
            raise DamagedError(
                f"{self.folder}: expected a generation, found none; fetch one with: cfedge sync"
                f" {self.folder} --from REPOSITORY"
            )
        if not self.boot_attempts.failed(pointer.generation):
            return pointer.generation
        before = self.before(pointer.generation)
        if before is None:
            raise DamagedError(
                f"{self.folder}: expected generation {pointer.generation} to open, found that it"
                f" failed {MAX_STARTS} starts and that none is before it; fetch another with:"
                f" cfedge sync {self.folder}"
            )
        return before

    def before(self, generation: int) -> int | None:
        """Return the newest generation before `generation` that has opened and that today's keys
        vouch for; where none has opened, as on a device that synced twice before its first start,
        the newest that did not fail to. None where there is none.
        """
        earlier = [
            one
            for one in self.generations()
            if one < generation and not self.boot_attempts.failed(one) and self.vouchers.count(one)
        ]
        opened = [one for one in earlier if not self.boot_attempts.pending(one)]
        return max(opened or earlier, default=None)

    def rollback(self, generation: int | None = None) -> Pointer:
        """Go back to `generation`, otherwise to the one before; it stays until `unpin`, or until
        keys that signed it no longer count.

        Raises
        ------
        DamagedError
            There is no such generation.
        TamperedError
            Today's keys do not vouch for it.
        """
        with self.writing():
            pointer = self.pointer()
            target = (
                self.before(pointer.generation)
                if generation is None and pointer is not None
                else generation
            )
            if target is None or target not in self.generations():
                have = ", ".join(map(str, self.generations()))
                have = f"only {have}" if have else "none"
                wanted = "an earlier generation" if target is None else f"generation {target}"
                raise DamagedError(
                    f"{self.folder}: expected {wanted}, found {have}; see: cfedge"
                    f" generations {self.folder}"
                )
            if not self.vouchers.count(target):
                raise TamperedError(
                    f"{self.folder}: expected a generation that today's keys vouch for, found"
                    f" generation {target}, signed by keys that no longer count; see: cfedge"
                    f" generations {self.folder}"
                )
            read_objects(self.objects, self.manifest(target), keep_adapters=False)
            return self.switch(target, pinned=True)

    def unpin(self) -> None:
        """Let the next sync change the generation again."""
        with self.writing():
            pointer = self.pointer()
            if pointer is not None and pointer.pinned:
                self.switch(pointer.generation)


def _instead(folder: Path) -> str | None:
    """Return what is there where a store should be, and what to do; None where it is a damaged store."""
    for name, kind in (("workspace.json", "workspace"), ("manifest.json", "bundle")):
        if os.path.isfile(folder / name):  # noqa: PTH113
            return f"a {kind}; a store is what cfedge sync writes"
    if not os.path.lexists(folder):
        return f"none; make one with: cfedge sync {folder} --from URL --root ROOT"
    if not os.path.isdir(folder):  # noqa: PTH112
        return "a file; a store is a folder that cfedge sync writes"
    if not any((folder / name).exists() for name in FOLDERS):
        return "a folder that is none; a store is what cfedge sync writes"
    return None


def bundle_at(folder: Path) -> Bundle:
    """Read the bundle in `folder`, or what answers of the store there, with every check.

    Raises
    ------
    DamagedError, SchemaError, StorageError
        See `cfedge.bundle.files.read`.
    """
    if Store.exists(folder):
        store = Store(folder)
        return store.bundle(store.to_open())
    check_there(folder)
    return read(folder)


def _write_facts(folder: Path, facts: Facts) -> None:
    write_file(folder / FACTS, canonical_json(asdict(facts)))
