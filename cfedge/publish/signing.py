"""Sign metadata: new versions are staged, checked against the keys that count, and written in an
order that a crash does not hurt.

The workflow is python-tuf's (`tuf.repository`); which files there are, and what they say of
channels, is for `cfedge.publish.repository`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from securesystemslib.signer import CryptoSigner
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, Targets, Timestamp
from tuf.api.serialization.json import JSONSerializer
from tuf.repository import Repository as Workflow

from cfedge.errors import SyncError
from cfedge.plain_files import read_plain
from cfedge.publish.keys import Keys
from cfedge.storage import write_file

__all__ = ["Lifetimes", "Signing", "counting", "newest"]

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


class Signing(Workflow):
    """python-tuf's repository workflow over staged metadata, which `write` writes; `new` where
    there are none yet.
    """

    def __init__(
        self, folder: Path, keys: Keys, now: datetime, lifetimes: Lifetimes, *, new: bool = False
    ) -> None:
        self._folder = folder / "metadata"
        self._new = new
        self._keys = keys
        self._now, self._lifetimes = now, lifetimes
        self._staged: dict[str, Metadata[Any]] = {}
        self._before = self.open("root").signed

    def open(self, role: str) -> Metadata[Any]:
        """See `tuf.repository.Repository`."""
        if role in self._staged:
            return deepcopy(self._staged[role])
        if self._new:
            signed = _KINDS[role]()
            signed.version = 0  # `close` counts on
            return Metadata(signed)
        return Metadata.from_bytes(read_plain(newest(self._folder, role)))

    def close(self, role: str, md: Metadata[Any]) -> None:
        """See `tuf.repository.Repository`."""
        md.signed.version += 1
        md.signed.expires = self._now.replace(microsecond=0) + timedelta(
            days=getattr(self._lifetimes, role)
        )
        md.signatures.clear()
        root = md.signed if role == "root" else self.open("root").signed
        for signer in counting(self._keys, root, role, *([self._before] if role == "root" else [])):
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

    def stage(self, roles: Sequence[str]) -> None:
        """Stage new versions of `roles`, of which targets come before snapshot and snapshot before
        timestamp.
        """
        for role in roles:
            if role == "snapshot":
                self.do_snapshot(force=True)
            elif role == "timestamp":
                self.do_timestamp(force=True)
            else:
                with self.edit(role):
                    pass

    def check(self) -> None:
        """Refuse what too few keys sign.

        Raises
        ------
        SyncError
            Naming the role.
        """
        root = self.open("root").signed
        for role, md in self._staged.items():
            try:
                root.verify_delegate(role, md.signed_bytes, md.signatures)
                if role == "root" and self._before.version:
                    self._before.verify_delegate(role, md.signed_bytes, md.signatures)
            except RepositoryError as error:
                raise SyncError(
                    f"{self._folder}: expected the keys that the root names for {role}, found"
                    f" {_found(self._keys, role)} ({error}); give this repository's keys with"
                    " --keys, or replace a lost one with: cfedge keys rotate"
                ) from error

    def write(self, order: Sequence[str]) -> None:
        """Check what was staged and write it, in this order."""
        self.check()
        for role in order:
            md = self._staged[role]
            name = "timestamp.json" if role == "timestamp" else f"{md.signed.version}.{role}.json"
            write_file(self._folder / name, md.to_bytes(JSONSerializer(compact=True)))


def counting(keys: Keys, root: Root, role: str, *more: Root) -> list[CryptoSigner]:
    """Return the signers of a role that are here and that `root`, or one of `more`, names."""
    named = {keyid for one in (root, *more) for keyid in one.roles[role].keyids}
    return [signer for signer in keys.signers(role) if signer.public_key.keyid in named]


def _found(keys: Keys, role: str) -> str:
    count = len(keys.signers(role))
    return f"{count} of other repositories" if count else f"no {role}-*.pem in {keys.folder}"


def newest(folder: Path, role: str) -> Path:
    """Return the file of a role's newest version; for targets and snapshot the one that the chain
    from the timestamp names.
    """
    if role == "timestamp":
        return folder / "timestamp.json"
    if role == "root":
        versions = [
            int(path.name.partition(".")[0])
            for path in folder.glob("*.root.json")
            if path.name[0].isdigit()
        ]
        if not versions:
            raise FileNotFoundError(folder)
        return folder / f"{max(versions)}.root.json"
    timestamp = Metadata[Timestamp].from_bytes(read_plain(folder / "timestamp.json")).signed
    snapshot = folder / f"{timestamp.snapshot_meta.version}.snapshot.json"
    if role == "snapshot":
        return snapshot
    version = (
        Metadata[Snapshot].from_bytes(read_plain(snapshot)).signed.meta["targets.json"].version
    )
    return folder / f"{version}.targets.json"
