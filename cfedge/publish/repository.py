"""A signed repository in a folder that any static host can serve as it is.

::

    REPO/metadata/   <n>.root.json, <n>.targets.json, <n>.snapshot.json, timestamp.json   (The Update Framework 1.0)
    REPO/targets/    <sha256>.<channel>.json                                             indices (`cfedge.catalogue.log`)
    REPO/objects/    <sha256>                                                            blocks of logs, and tasks' files

Everything but ``timestamp.json`` never changes once it is there and may be cached for ever. A
change is written in the order objects, index, metadata, timestamp: until the last of them is
replaced, devices see the state before. New keys are first named beside the old ones, by a root of
their own, so that at no time what is there is signed by keys that do not count.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root, TargetFile, Targets

from cfedge.bundle.fileref import FileRef
from cfedge.catalogue.entry import Entry
from cfedge.catalogue.log import Index, parse_index, parse_log
from cfedge.errors import DamagedError, StorageError, SyncError, TamperedError
from cfedge.publish.keys import ROLES, Keys
from cfedge.publish.signing import Lifetimes, Signing, counting, newest
from cfedge.storage import locked, remove_leftovers, sync_folder, write_file
from cfedge.sync.delta import path_of

__all__ = ["Repository"]


class Repository:
    """A repository that exists.

    Attributes
    ----------
    folder
        Its folder.

    Raises
    ------
    DamagedError
        There is none.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not (folder / "metadata" / "timestamp.json").is_file():
            raise DamagedError(
                f"{folder}: expected a repository, found none; make one by publishing a bundle:"
                " cfedge publish --help"
            )

    @staticmethod
    def exists(folder: Path) -> bool:
        """Whether there is a repository in `folder`."""
        return (folder / "metadata" / "timestamp.json").is_file()

    @classmethod
    def create(
        cls, folder: Path, keys: Keys, now: datetime, lifetimes: Lifetimes | None = None
    ) -> Repository:
        """Make an empty repository.

        Raises
        ------
        StorageError
            The disk refused, another writer is at work, or `folder` holds something else.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with locked(folder):
                if not cls.exists(folder):
                    _empty(folder)
                    signing = Signing(folder, keys, now, lifetimes or Lifetimes(), new=True)
                    with signing.edit_root() as root:
                        for role in ROLES:
                            for signer in keys.signers(role):
                                root.add_key(signer.public_key, role)
                        root.roles["root"].threshold = keys.root_threshold
                    signing.stage(("targets", "snapshot", "timestamp"))
                    signing.write(("root", "targets", "snapshot", "timestamp"))
        except OSError as error:
            raise StorageError(
                f"{folder}: expected to make a repository, found {error.strerror or error}; choose"
                " another folder"
            ) from error
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
            for part in ("metadata", "targets", "objects", "deltas"):
                remove_leftovers(self.folder / part)
            yield

    def index(self, channel: str) -> Index | None:
        """Return the index of a channel, None where it has none yet.

        Raises
        ------
        TamperedError
            What is in the folder is not what was signed.
        """
        target = self._targets().targets.get(f"{channel}.json")
        if target is None:
            return None
        path = self.folder / "targets" / f"{target.hashes['sha256']}.{channel}.json"
        return parse_index(self._checked(path, target.hashes["sha256"]), channel)

    def entries(self, index: Index) -> list[Entry]:
        """Return the whole log of a channel."""
        log = b"".join(
            self._checked(self.folder / "objects" / block.sha256, block.sha256)
            for block in index.blocks
        )
        return parse_log(log, index)

    def object(self, ref: FileRef) -> bytes:
        """Return a file that an entry names."""
        return self._checked(self.folder / "objects" / ref.sha256, ref.sha256)

    def holds(self, sha256: str) -> bool:
        """Whether an object is here, whole."""
        try:
            return (
                hashlib.sha256((self.folder / "objects" / sha256).read_bytes()).hexdigest()
                == sha256
            )
        except OSError:
            return False

    def commit(
        self,
        keys: Keys,
        index: Index,
        objects: Mapping[str, bytes],
        now: datetime,
        lifetimes: Lifetimes | None = None,
    ) -> None:
        """Sign a channel's new state; needs `writing`.

        Parameters
        ----------
        keys
            Of targets, snapshot and timestamp.
        index
            The new state.
        objects
            What it names and is not here yet, by SHA-256.
        now
            Metadata expire from here on.
        lifetimes
            When.

        Raises
        ------
        SyncError
            The keys are not those of this repository; nothing was written.
        """
        data = index.bytes()
        digest = hashlib.sha256(data).hexdigest()
        signing = self._signing(keys, now, lifetimes)
        with signing.edit_targets() as targets:
            targets.targets[f"{index.channel}.json"] = TargetFile(
                len(data), {"sha256": digest}, f"{index.channel}.json"
            )
        signing.stage(("snapshot", "timestamp"))
        signing.check()
        for name, content in objects.items():
            if not self.holds(name):
                write_file(self.folder / "objects" / name, content)
        write_file(self.folder / "targets" / f"{digest}.{index.channel}.json", data)
        signing.write(("targets", "snapshot", "timestamp"))

    def hint(self, old: FileRef, new: FileRef, delta: bytes) -> None:
        """Keep a delta between two files for devices that have the old one (`cfedge.sync.delta`);
        needs `writing`.
        """
        path = self.folder / path_of(old.sha256, new.sha256)
        path.parent.mkdir(exist_ok=True)
        write_file(path, delta)

    def renew(self, keys: Keys, now: datetime, lifetimes: Lifetimes | None = None) -> None:
        """Sign snapshot and timestamp anew before they expire; needs `writing`.

        Targets too where half of their time is over; so is the root, where enough of its keys are
        here.
        """
        lifetimes = lifetimes or Lifetimes()
        signing = self._signing(keys, now, lifetimes)
        roles = ["snapshot", "timestamp"]
        if self._targets().expires - now < timedelta(days=lifetimes.targets / 2):
            roles.insert(0, "targets")
        root = signing.root()
        due = root.expires - now < timedelta(days=lifetimes.root / 2)
        if due and len(counting(keys, root, "root")) >= root.roles["root"].threshold:
            roles.append("root")
        signing.stage(roles)
        signing.write(roles)

    def rotate(
        self, keys: Keys, role: str, now: datetime, lifetimes: Lifetimes | None = None
    ) -> int:
        """Replace the keys of a role, and sign anew what they sign; return the new root's version.
        Needs `writing` and the root keys.

        Devices follow on their next sync; what was signed with the old keys is worthless then,
        stolen or not. Keys of other roles that were lost are replaced too. Cut short at any point,
        it leaves a repository that the old keys sign or the new ones, and can be done again.

        Raises
        ------
        SyncError
            Too few root keys are here; nothing was changed.
        """
        signing = self._signing(keys, now, lifetimes)
        before = signing.root()
        here, needed = len(counting(keys, before, "root")), before.roles["root"].threshold
        if here < needed:
            raise SyncError(
                f"{keys.folder}: expected {needed} of this repository's root keys (root-*.pem),"
                f" which sign what keys count, found {here}; put them back from where they are kept"
            )
        roles = {role, *(one for one in ROLES if not counting(keys, before, one))}
        made = {one: [signer.public_key for signer in keys.make(one)] for one in sorted(roles)}
        if roles != {"root"}:
            with signing.edit_root() as root:
                for one in sorted(roles - {"root"}):
                    for key in made[one]:
                        root.add_key(key, one)
            signing.write(("root",))
        signing = Signing(self.folder, keys, now, lifetimes or Lifetimes())
        with signing.edit_root() as root:
            for one in sorted(roles):
                for keyid in list(root.roles[one].keyids):
                    if keyid not in {key.keyid for key in made[one]}:
                        root.revoke_key(keyid, one)
                for key in made[one]:
                    root.add_key(key, one)
        signing.stage(("targets", "snapshot", "timestamp"))
        signing.write(("targets", "snapshot", "timestamp", "root"))
        for one in sorted(roles):
            keys.forget(one, {key.keyid for key in made[one]})
        return int(signing.root().version)

    def root_expires(self) -> datetime:
        """Return when devices no longer take the root: before that it must be signed anew, by
        `renew` or `rotate`.
        """
        return Metadata[Root].from_bytes(self.root()).signed.expires

    def root(self) -> bytes:
        """Return the newest root: what a device must have to trust this repository."""
        return newest(self.folder / "metadata", "root").read_bytes()

    def delete(self, names: Iterable[str]) -> None:
        """Delete objects for good; needs `writing`."""
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                (self.folder / "objects" / name).unlink()
        sync_folder(self.folder / "objects")

    def _targets(self) -> Targets:
        """What is signed, every link of the chain checked: whoever can write to the folder must not
        have it signed anew.
        """
        metadata = self.folder / "metadata"
        try:
            root = Metadata[Root].from_bytes(self.root()).signed
            for role in ("timestamp", "snapshot", "targets"):
                found: Metadata[Any] = Metadata.from_bytes(newest(metadata, role).read_bytes())
                root.verify_delegate(role, found.signed_bytes, found.signatures)
        except RepositoryError as error:
            raise TamperedError(
                f"{metadata}: expected what its keys sign, found {error}; restore the repository"
                " from a mirror"
            ) from error
        except FileNotFoundError as error:
            raise DamagedError(
                f"{error.filename or metadata}: expected a file, found none; restore the repository"
                " from a mirror"
            ) from error
        except OSError as error:
            raise StorageError(
                f"{metadata}: expected to read it, found {error.strerror}; check the disk"
            ) from error
        signed: Targets = found.signed
        return signed

    def _signing(self, keys: Keys, now: datetime, lifetimes: Lifetimes | None) -> Signing:
        self._targets()
        return Signing(self.folder, keys, now, lifetimes or Lifetimes())

    def _checked(self, path: Path, sha256: str) -> bytes:
        try:
            data = path.read_bytes()
        except FileNotFoundError as error:
            raise DamagedError(
                f"{path}: expected a file, found none; restore the repository from a mirror"
            ) from error
        except OSError as error:
            raise StorageError(
                f"{path}: expected to read it, found {error.strerror}; check the disk"
            ) from error
        found = hashlib.sha256(data).hexdigest()
        if found != sha256:
            raise TamperedError(
                f"{path}: expected SHA-256 {sha256}, found {found}; restore the repository from a"
                " mirror"
            )
        return data


def _empty(folder: Path) -> None:
    """Make the folders of a new repository, where nothing is, or what was left of making it before.

    Raises
    ------
    StorageError
        `folder` holds something else.
    """
    parts = ("metadata", "targets", "objects")
    odd = sorted({path.name for path in folder.iterdir()} - {"lock", *parts})
    begun = [
        path for part in parts if (folder / part).is_dir() for path in (folder / part).iterdir()
    ]
    odd += [
        str(path)
        for path in begun
        if not path.match("metadata/1.*.json") and not path.match("metadata/.cfedge-tmp-*")
    ]
    if odd:
        raise StorageError(
            f"{folder}: expected an empty folder for the repository, found {odd[0]!r}; choose"
            " another"
        )
    for part in parts:
        (folder / part).mkdir(exist_ok=True)
    for path in begun:
        path.unlink()
