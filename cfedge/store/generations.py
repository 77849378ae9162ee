"""Generations of a store, and the one pointer that says which of them answers.

::

    STORE/store.json              its channel and the device's name; written once
    STORE/current                 the pointer: a generation, its digest, whether it is pinned;
                                  replaced in one step
    STORE/generations/<n>.json    a manifest as in a bundle (docs/format.md)
    STORE/objects/<sha256>        the files of all generations
    STORE/boot_attempts/<n>       starts of a generation that has not opened yet
                                  (`cfedge.store.boot_attempts`)
    STORE/vouched/<n>             the keys that signed it (`cfedge.store.vouchers`)
    STORE/trust, log, partial     of `cfedge.sync`: signed metadata, the catalogue, downloads that
                                  were cut

Rules: everything that a generation names is on the disk before the generation is, and the
generation before the pointer. One writer at a time, by a lock; readers take none, and read what the
pointer names when they begin; only for its first opening a generation is waited for, by turns
(`cfedge.store.boot_attempts`).

Longer than other files: what reads, writes and goes back shares these rules, and is read together.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Collection, Iterator
from dataclasses import asdict
from pathlib import Path

from cfedge.bundle.canonical import canonical_json
from cfedge.bundle.files import Bundle, read
from cfedge.bundle.limits import LIMITS
from cfedge.bundle.manifest import Manifest, serialize
from cfedge.bundle.objects import read_objects
from cfedge.bundle.reading import parse
from cfedge.errors import DamagedError, SchemaError, StorageError, TamperedError
from cfedge.storage import locked, remove_leftovers, sync_folder, write_file
from cfedge.store.boot_attempts import MAX_STARTS, BootAttempts
from cfedge.store.records import Facts, Pointer, make_folders, read_record, record_of
from cfedge.store.vouchers import Vouchers

__all__ = ["KEPT", "Store", "bundle_at"]

SCHEMA = 1
#: Generations that stay on the disk: the one that answers and the one to go back to.
KEPT = 2
#: Folders that are written to, by the store and by `cfedge.sync`.
_PARTS = (
    ".",
    "objects",
    "generations",
    "boot_attempts",
    "vouched",
    "trust",
    "trust/root_history",
    "log",
)


class Store:
    """A store that exists.

    Attributes
    ----------
    folder
        Its folder.
    channel
        The channel that it follows.
    device
        A random name, for rollouts to some devices first.
    boot_attempts
        Starts of generations that have not opened yet.
    vouchers
        The keys that signed them.

    Raises
    ------
    DamagedError
        There is none, or its record is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not Store.exists(folder) and (found := _instead(folder)):
            raise DamagedError(
                f"{folder}: expected a store, found a {found}; a store is what cfedge sync writes"
            )
        facts = record_of(folder / "store.json", Facts)
        if facts.schema != SCHEMA:
            raise SchemaError(
                f"{folder}: expected a store of schema {SCHEMA}, found {facts.schema}; install a"
                " newer cfedge"
            )
        self.channel, self.device = facts.channel, facts.device
        self.boot_attempts = BootAttempts(folder / "boot_attempts")
        self.vouchers = Vouchers(folder)
        self.objects = folder / "objects"

    @staticmethod
    def exists(folder: Path) -> bool:
        """Whether there is a store in `folder`."""
        try:
            return (folder / "store.json").is_file()
        except OSError:
            return False

    @classmethod
    def create(cls, folder: Path, channel: str) -> Store:
        """Make an empty store, or open the one that is there.

        Raises
        ------
        StorageError
            The disk refused, or `folder` holds something else.
        """
        import secrets  # some milliseconds, which engines need not wait for

        if cls.exists(folder):
            found = cls(folder)
            if found.channel != channel:
                raise StorageError(
                    f"{folder}: expected a store of channel {channel!r}, found one of"
                    f" {found.channel!r}; use another folder"
                )
            return found
        make_folders(folder)
        write_file(
            folder / "store.json",
            canonical_json(asdict(Facts(channel, secrets.token_hex(16), SCHEMA))),
        )
        return cls(folder)

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the writers' lock.

        Raises
        ------
        StorageError
            Another writer is at work.
        """
        with locked(self.folder):
            try:
                for part in _PARTS:
                    remove_leftovers(self.folder / part)
                    with contextlib.suppress(FileNotFoundError):
                        sync_folder(
                            self.folder / part
                        )  # what a killed writer renamed is read from here on: it must stay
                yield
            except OSError as error:
                raise StorageError(
                    f"could not write in {self.folder}: {error.strerror or error}; check the disk"
                ) from error

    def pointer(self) -> Pointer | None:
        """Return the pointer, None where no generation was installed yet."""
        path = self.folder / "current"
        return record_of(path, Pointer) if path.exists() else None

    def generations(self) -> list[int]:
        """Return the numbers of the generations on the disk, ascending."""
        try:
            return sorted(
                int(path.stem)
                for path in (self.folder / "generations").glob("*.json")
                if path.stem.isdigit()
            )
        except OSError as error:
            raise StorageError(
                f"could not list {self.folder}: {error.strerror}; check the disk"
            ) from error

    def manifest(self, generation: int) -> Manifest:
        """Return a generation's manifest.

        Raises
        ------
        DamagedError, SchemaError
        """
        return parse(read_record(self._path(generation), LIMITS.manifest_bytes))

    def bundle(
        self, generation: int, skip: Collection[str] = (), *, keep_adapters: bool = True
    ) -> Bundle:
        """Read a generation with every check, but for the objects whose SHA-256 is in `skip`: the
        reader has them.

        For `keep_adapters` see `cfedge.bundle.objects.read_objects`.

        Raises
        ------
        DamagedError, SchemaError, StorageError
            See `cfedge.bundle.files.read`.
        """
        manifest = self.manifest(generation)
        return Bundle(
            manifest, read_objects(self.objects, manifest, skip, keep_adapters=keep_adapters)
        )

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
                f" {self.folder}"
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
        vouch for, None where there is none.
        """
        return max(
            (
                one
                for one in self.generations()
                if one < generation
                and not self.boot_attempts.pending(one)
                and self.vouchers.count(one)
            ),
            default=None,
        )

    def add(self, manifest: Manifest, keys: Collection[str] = ()) -> int:
        """Write a generation whose objects are all here, and which `keys` signed; return its number.
        Needs `writing`.

        The pointer stays, and the generation must first open before it counts as one to go back to
        (`cfedge.store.boot_attempts`).
        """
        number = max([*self.generations(), 0]) + 1
        self.boot_attempts.expect(number)
        self.vouchers.note(number, keys)
        write_file(self._path(number), serialize(manifest))
        return number

    def drop(self, generation: int) -> None:
        """Delete a generation that does not answer; its objects are for
        `cfedge.store.space.collect`. Needs `writing`.
        """
        try:
            os.unlink(self._path(generation))
            sync_folder(self.folder / "generations")
        except OSError as error:
            raise StorageError(
                f"could not delete {self._path(generation)}: {error.strerror}; check the disk"
            ) from error
        self.boot_attempts.forget(
            generation
        )  # not before: one that comes back after a power cut has yet to open

    def switch(self, generation: int, *, pinned: bool = False) -> Pointer:
        """Let `generation` answer, in one step. Needs `writing`."""
        digest = hashlib.sha256(
            read_record(self._path(generation), LIMITS.manifest_bytes)
        ).hexdigest()
        pointer = Pointer(generation, digest, pinned)
        write_file(self.folder / "current", canonical_json(asdict(pointer)))
        return pointer

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
                have = ", ".join(map(str, self.generations())) or "none"
                wanted = "an earlier one" if target is None else str(target)
                raise DamagedError(
                    f"{self.folder}: expected generation {wanted}, found {have}; see: cfedge"
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

    def _path(self, generation: int) -> Path:
        return self.folder / "generations" / f"{generation}.json"


def _instead(folder: Path) -> str | None:
    """Return what is there where a store should be, if it is another kind of folder."""
    for name, kind in (("workspace.json", "workspace"), ("manifest.json", "bundle")):
        if os.path.isfile(folder / name):  # noqa: PTH113
            return kind
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
    return read(folder)
