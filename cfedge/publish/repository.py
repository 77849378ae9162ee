"""A signed repository in a folder that any static host can serve as it is.

::

    REPO/metadata/   <n>.root.json, <n>.targets.json, <n>.snapshot.json, timestamp.json
    REPO/targets/    <sha256>.<channel>.json: indices (`cfedge.catalogue.index`)
    REPO/objects/    <sha256>: blocks of logs, and tasks' files

Everything but ``timestamp.json`` never changes once it is there and may be cached for ever.
Metadata are those of The Update Framework 1.0. A change is written in the order objects, index,
metadata, timestamp: until the last of them is replaced, devices see the state before. New keys are
first named beside the old ones, by a root of their own, so that at no time what is there is signed
by keys that do not count.

Longer than other files: the order of writing is read in one place.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from tuf.api.metadata import Metadata, Root, TargetFile

from cfedge.bundle.fileref import FileRef
from cfedge.catalogue.channel_name import check_channel
from cfedge.catalogue.entry import Entry
from cfedge.catalogue.index import Index, parse_index
from cfedge.catalogue.log import parse_log
from cfedge.errors import DamagedError, StorageError
from cfedge.outside import check_folder
from cfedge.plain_files import LARGEST_BYTES, read_plain
from cfedge.publish.checked import (
    check_apart,
    check_clock,
    check_time,
    checked,
    make_empty,
    signed_targets,
)
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
        if not self.exists(folder):
            raise DamagedError(
                f"{folder}: expected a repository, found none; make one by publishing a bundle:"
                " cfedge publish --help"
            )

    @staticmethod
    def exists(folder: Path) -> bool:
        """Whether there is a repository in `folder`."""
        with _refusals(folder):
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
        UsageError
            It lies in another folder of cfedge's own, or the keys lie in it.
        SyncError
            `now` is no time to sign at.
        """
        check_folder(folder)
        check_time(now)
        check_apart(folder, keys.folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with locked(folder):
                if not cls.exists(folder):
                    make_empty(folder)
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
                f"could not make a repository in {folder}: {error.strerror or error}; choose"
                " another folder"
            ) from error
        return cls(folder)

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the writers' lock.

        Raises
        ------
        StorageError
            Another writer is at work, or the disk refused.
        """
        with locked(self.folder), _refusals(self.folder):
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
        return self.indices(only=channel).get(channel)

    def indices(self, only: str | None = None) -> dict[str, Index]:
        """Return the indices of all channels by name, or of one of them."""
        found = {}
        for path, target in signed_targets(self.folder).targets.items():
            channel, digest = path.removesuffix(".json"), target.hashes["sha256"]
            if only in (None, channel):
                data = checked(self.folder / "targets" / f"{digest}.{channel}.json", digest)
                found[channel] = parse_index(data, channel)
        return found

    def entries(self, index: Index) -> list[Entry]:
        """Return the whole log of a channel."""
        log = b"".join(
            checked(self.folder / "objects" / block.sha256, block.sha256) for block in index.blocks
        )
        return parse_log(log, index)

    def object(self, ref: FileRef) -> bytes:
        """Return a file that an entry names."""
        return checked(self.folder / "objects" / ref.sha256, ref.sha256)

    def holds(self, sha256: str) -> bool:
        """Whether an object is here, whole."""
        try:
            return (
                hashlib.sha256(
                    read_plain(self.folder / "objects" / sha256, whole_bytes=LARGEST_BYTES)
                ).hexdigest()
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
            The keys are not those of this repository, or a channel is dated later than `now`;
            nothing was written.
        UsageError
            The channel's name is none.
        """
        check_clock(self.folder, self.indices(), now)
        check_channel(index.channel)
        data = index.bytes()
        digest = hashlib.sha256(data).hexdigest()
        signing = self.signing(keys, now, lifetimes)
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

    def check(self, keys: Keys, now: datetime) -> None:
        """Refuse, before any work, keys and a clock that could sign nothing here; for errors see
        `commit`.
        """
        check_clock(self.folder, self.indices(), now)
        signing = self.signing(keys, now)
        signing.stage(("targets", "snapshot", "timestamp"))
        signing.check()

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

        Raises
        ------
        SyncError
            The keys are not those of this repository, or a channel is dated later than `now`.
        """
        check_clock(self.folder, self.indices(), now)
        lifetimes = lifetimes or Lifetimes()
        signing = self.signing(keys, now, lifetimes)
        roles = ["snapshot", "timestamp"]
        if signed_targets(self.folder).expires - now < timedelta(days=lifetimes.targets / 2):
            roles.insert(0, "targets")
        root = signing.root()
        due = root.expires - now < timedelta(days=lifetimes.root / 2)
        if due and len(counting(keys, root, "root")) >= root.roles["root"].threshold:
            roles.append("root")
        signing.stage(roles)
        signing.write(roles)

    def root_expires(self) -> datetime:
        """Return when devices no longer take the root: before that it must be signed anew, by
        `renew` or `rotate`.
        """
        return Metadata[Root].from_bytes(self.root()).signed.expires

    def root(self) -> bytes:
        """Return the newest root: what a device must have to trust this repository."""
        return read_plain(newest(self.folder / "metadata", "root"))

    def delete(self, names: Iterable[str]) -> None:
        """Delete objects for good; needs `writing`."""
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                (self.folder / "objects" / name).unlink()
        sync_folder(self.folder / "objects")

    def signing(self, keys: Keys, now: datetime, lifetimes: Lifetimes | None = None) -> Signing:
        """Return what signs new versions of what is signed here, all of which was checked."""
        check_time(now)
        check_apart(self.folder, keys.folder)
        signed_targets(self.folder)
        return Signing(self.folder, keys, now, lifetimes or Lifetimes())


@contextlib.contextmanager
def _refusals(folder: Path) -> Iterator[None]:
    """Tell in a line what the disk refuses to read of a repository."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"could not use {error.filename or folder}: {error.strerror or 'it is not there'}; check"
            " the disk and rights"
        ) from error
