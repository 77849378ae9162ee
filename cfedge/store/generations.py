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

Which of them is to answer, `cfedge.store.store` decides.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Collection, Iterator
from dataclasses import asdict
from pathlib import Path

from cfedge.bundle.canonical import canonical_json
from cfedge.bundle.files import Bundle
from cfedge.bundle.limits import LIMITS
from cfedge.bundle.manifest import Manifest, serialize
from cfedge.bundle.objects import read_objects
from cfedge.bundle.reading import parse
from cfedge.errors import StorageError
from cfedge.storage import locked, remove_leftovers, sync_folder, write_file
from cfedge.store.boot_attempts import BootAttempts
from cfedge.store.records import Pointer, read_record, record_of
from cfedge.store.vouchers import Vouchers

__all__ = ["Generations", "KEPT"]

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


class Generations:
    """The generations in a store's folder, and the pointer.

    Attributes
    ----------
    folder
        Of the store.
    objects
        Folder of the files of all generations.
    boot_attempts
        Starts of generations that have not opened yet.
    vouchers
        The keys that signed them.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.objects = folder / "objects"
        self.boot_attempts = BootAttempts(folder / "boot_attempts")
        self.vouchers = Vouchers(folder)

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
        try:
            there = path.exists()
        except OSError as error:
            raise StorageError(
                f"could not read {path}: {error.strerror}; check the disk and rights"
            ) from error
        return record_of(path, Pointer) if there else None

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

    def _path(self, generation: int) -> Path:
        return self.folder / "generations" / f"{generation}.json"
