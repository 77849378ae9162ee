"""A signed repository in a folder that any static host can serve as it is.

::

    REPO/metadata/   <n>.root.json, <n>.targets.json, <n>.snapshot.json, timestamp.json   (The Update Framework 1.0)
    REPO/targets/    <sha256>.<channel>.json                                             indices (`cfedge.catalogue.log`)
    REPO/objects/    <sha256>                                                            blocks of logs, and tasks' files

Everything but ``timestamp.json`` never changes once it is there and may be cached for ever. A change is written in the order
objects, index, metadata, timestamp: until the last of them is replaced, devices see the state before.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import filelock
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp
from tuf.api.serialization.json import JSONSerializer
from tuf.repository import Repository as Workflow

from cfedge.bundle.manifest import FileRef
from cfedge.catalogue.entry import Entry
from cfedge.catalogue.log import Index, parse_index, parse_log
from cfedge.errors import DamagedError, StorageError, SyncError, TamperedError
from cfedge.publish.keys import ROLES, Keys
from cfedge.storage import remove_leftovers, sync_folder, write_file

__all__ = ["Lifetimes", "Repository"]

_KINDS: Mapping[str, type[Root] | type[Snapshot] | type[Targets] | type[Timestamp]] = {
    "root": Root, "snapshot": Snapshot, "targets": Targets, "timestamp": Timestamp,
}  # fmt: skip


@dataclass(frozen=True)
class Lifetimes:
    """Days until devices no longer take metadata for the newest.

    A timestamp lives shortest: whoever holds a mirror can hide what is new no longer than that.
    """

    root: int = 365
    targets: int = 365
    snapshot: int = 30
    timestamp: int = 7


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
                f"{folder}: expected a repository, found none; make one by publishing a bundle: cfedge publish --help"
            )

    @staticmethod
    def exists(folder: Path) -> bool:
        """Whether there is a repository in `folder`."""
        return (folder / "metadata" / "timestamp.json").is_file()

    @classmethod
    def create(cls, folder: Path, keys: Keys, now: datetime, lifetimes: Lifetimes | None = None) -> Repository:
        """Make an empty repository.

        Raises
        ------
        StorageError
            The disk refused, or `folder` holds something else.
        """
        if folder.exists() and any(path.name not in ("lock",) for path in folder.iterdir()):
            raise StorageError(f"{folder}: expected an empty folder for the repository, found something there; choose another")
        for part in ("metadata", "targets", "objects"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        signing = _Signing(folder, keys, now, lifetimes or Lifetimes())
        with signing.edit_root() as root:
            for role in ROLES:
                for signer in keys.signers(role):
                    root.add_key(signer.public_key, role)
            root.roles["root"].threshold = keys.root_threshold
        with signing.edit_targets():
            pass
        signing.do_snapshot(force=True)
        signing.do_timestamp(force=True)
        signing.flush()
        return cls(folder)

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the writers' lock.

        Raises
        ------
        StorageError
            Another writer is at work.
        """
        try:
            with filelock.FileLock(self.folder / "lock", timeout=0):
                for part in ("metadata", "targets", "objects"):
                    remove_leftovers(self.folder / part)
                yield
        except filelock.Timeout as error:
            raise StorageError(
                f"{self.folder}: expected no other writer, found one at work; try again when it is done"
            ) from error

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
        log = b"".join(self._checked(self.folder / "objects" / block.sha256, block.sha256) for block in index.blocks)
        return parse_log(log, index)

    def object(self, ref: FileRef) -> bytes:
        """Return a file that an entry names."""
        return self._checked(self.folder / "objects" / ref.sha256, ref.sha256)

    def commit(
        self, keys: Keys, index: Index, objects: Mapping[str, bytes], now: datetime, lifetimes: Lifetimes | None = None
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
        """
        for name, data in objects.items():
            if not (self.folder / "objects" / name).exists():
                write_file(self.folder / "objects" / name, data)
        data = index.bytes()
        digest = hashlib.sha256(data).hexdigest()
        write_file(self.folder / "targets" / f"{digest}.{index.channel}.json", data)
        signing = _Signing(self.folder, keys, now, lifetimes or Lifetimes())
        with signing.edit_targets() as targets:
            targets.targets[f"{index.channel}.json"] = TargetFile(len(data), {"sha256": digest}, f"{index.channel}.json")
        signing.do_snapshot()
        signing.do_timestamp()
        signing.flush()

    def renew(self, keys: Keys, now: datetime, lifetimes: Lifetimes | None = None) -> None:
        """Sign snapshot and timestamp anew before they expire, targets too where half of their time is over; needs `writing`."""
        lifetimes = lifetimes or Lifetimes()
        signing = _Signing(self.folder, keys, now, lifetimes)
        if self._targets().expires - now < timedelta(days=lifetimes.targets / 2):
            with signing.edit_targets():
                pass
        signing.do_snapshot(force=True)
        signing.do_timestamp(force=True)
        signing.flush()

    def rotate(self, keys: Keys, role: str, now: datetime, lifetimes: Lifetimes | None = None) -> int:
        """Replace the keys of a role, and sign anew what they sign; return the new root's version. Needs `writing` and the root keys.

        Devices follow on their next sync; what was signed with the old keys is worthless then, stolen or not.
        """
        signing = _Signing(self.folder, keys, now, lifetimes or Lifetimes())
        made = [signer.public_key for signer in keys.make(role)]
        with signing.edit_root() as root:
            for keyid in list(root.roles[role].keyids):
                root.revoke_key(keyid, role)
            for key in made:
                root.add_key(key, role)
        with signing.edit_targets():
            pass
        signing.do_snapshot(force=True)
        signing.do_timestamp(force=True)
        signing.flush()
        keys.forget(role, {key.keyid for key in made})
        return int(signing.root().version)

    def root(self) -> bytes:
        """Return the newest root: what a device must have to trust this repository."""
        return _newest(self.folder / "metadata", "root").read_bytes()

    def delete(self, names: Iterable[str]) -> None:
        """Delete objects for good; needs `writing`."""
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                (self.folder / "objects" / name).unlink()
        sync_folder(self.folder / "objects")

    def _targets(self) -> Targets:
        metadata = self.folder / "metadata"
        try:
            root = Metadata[Root].from_bytes(self.root())
            found = Metadata[Targets].from_bytes(_newest(metadata, "targets").read_bytes())
            root.signed.verify_delegate("targets", found.signed_bytes, found.signatures)
        except RepositoryError as error:
            raise TamperedError(
                f"{metadata}: expected what its keys sign, found {error}; restore the repository from a mirror"
            ) from error
        return found.signed

    def _checked(self, path: Path, sha256: str) -> bytes:
        try:
            data = path.read_bytes()
        except FileNotFoundError as error:
            raise DamagedError(f"{path}: expected a file, found none; restore the repository from a mirror") from error
        except OSError as error:
            raise StorageError(f"{path}: expected to read it, found {error.strerror}; check the disk") from error
        found = hashlib.sha256(data).hexdigest()
        if found != sha256:
            raise TamperedError(f"{path}: expected SHA-256 {sha256}, found {found}; restore the repository from a mirror")
        return data


class _Signing(Workflow):
    """python-tuf's repository workflow over staged metadata, which `flush` writes."""

    def __init__(self, folder: Path, keys: Keys, now: datetime, lifetimes: Lifetimes) -> None:
        self._folder = folder / "metadata"
        self._keys = keys
        self._now, self._lifetimes = now, lifetimes
        self._staged: dict[str, Metadata[Any]] = {}
        self._before = self.open("root").signed

    def open(self, role: str) -> Metadata[Any]:
        """See `tuf.repository.Repository`."""
        if role in self._staged:
            return deepcopy(self._staged[role])
        try:
            return Metadata.from_bytes(_newest(self._folder, role).read_bytes())
        except FileNotFoundError:
            signed = _KINDS[role]()
            signed.version = 0  # `close` counts on
            return Metadata(signed)

    def close(self, role: str, md: Metadata[Any]) -> None:
        """See `tuf.repository.Repository`."""
        md.signed.version += 1
        md.signed.expires = self._now.replace(microsecond=0) + timedelta(days=getattr(self._lifetimes, role))
        md.signatures.clear()
        root = md.signed if role == "root" else self.open("root").signed
        counting = {*root.roles[role].keyids, *(self._before.roles[role].keyids if role == "root" else ())}
        for signer in self._keys.signers(role):
            if signer.public_key.keyid in counting:
                md.sign(signer, append=True)
        self._staged[role] = md

    @property
    def targets_infos(self) -> dict[str, MetaFile]:
        """See `tuf.repository.Repository`."""
        return {"targets.json": MetaFile(self.open("targets").signed.version)}

    @property
    def snapshot_info(self) -> MetaFile:
        """See `tuf.repository.Repository`."""
        return MetaFile(self.open("snapshot").signed.version)

    def flush(self) -> None:
        """Write what was staged, the timestamp last."""
        root = self.open("root").signed
        for role in ("root", "targets", "snapshot", "timestamp"):
            if role not in self._staged:
                continue
            md = self._staged[role]
            try:
                root.verify_delegate(role, md.signed_bytes, md.signatures)
                if role == "root" and self._before.version:
                    self._before.verify_delegate(role, md.signed_bytes, md.signatures)
            except RepositoryError as error:
                raise SyncError(
                    f"{self._folder}: expected keys that the root names for {role}, found others ({error}); give this repository's keys with --keys"
                ) from error
        for role in ("root", "targets", "snapshot", "timestamp"):
            if role in self._staged:
                md = self._staged[role]
                name = "timestamp.json" if role == "timestamp" else f"{md.signed.version}.{role}.json"
                write_file(self._folder / name, md.to_bytes(JSONSerializer(compact=True)))


def _newest(folder: Path, role: str) -> Path:
    """The file of a role's newest version; for targets and snapshot the one that the chain from the timestamp names."""
    if role == "timestamp":
        return folder / "timestamp.json"
    if role == "root":
        versions = [int(path.name.partition(".")[0]) for path in folder.glob("*.root.json") if path.name[0].isdigit()]
        if not versions:
            raise FileNotFoundError(folder)
        return folder / f"{max(versions)}.root.json"
    timestamp = Metadata[Timestamp].from_bytes((folder / "timestamp.json").read_bytes()).signed
    snapshot = folder / f"{timestamp.snapshot_meta.version}.snapshot.json"
    if role == "snapshot":
        return snapshot
    version = Metadata[Snapshot].from_bytes(snapshot.read_bytes()).signed.meta["targets.json"].version
    return folder / f"{version}.targets.json"
