"""What lies in a repository's folder, and whether it is what was signed: nothing else is signed
anew.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root, Targets

from cfedge.catalogue.index import Index
from cfedge.errors import DamagedError, StorageError, SyncError, TamperedError, UsageError
from cfedge.plain_files import read_plain
from cfedge.publish.signing import newest

__all__ = ["check_apart", "check_clock", "check_time", "checked", "make_empty", "signed_targets"]

#: How much later than this machine's time a channel may be dated: clocks of publishers differ.
MOST_AHEAD = timedelta(minutes=5)
#: Nothing was signed before the first of these, and no clock that is right shows the last.
FIRST, LAST = (datetime(year, 1, 1, tzinfo=timezone.utc) for year in (2026, 9000))


def signed_targets(folder: Path) -> Targets:
    """Return what is signed in a repository, every link of the chain checked: whoever can write to
    the folder must not have it signed anew.

    Raises
    ------
    TamperedError, DamagedError, StorageError
    """
    path = metadata = folder / "metadata"
    try:
        path = newest(metadata, "root")
        root = Metadata[Root].from_bytes(read_plain(path)).signed
        for role in ("timestamp", "snapshot", "targets"):
            path = newest(metadata, role)
            found: Metadata[Any] = Metadata.from_bytes(read_plain(path))
            root.verify_delegate(role, found.signed_bytes, found.signatures)
    except RepositoryError as error:
        raise TamperedError(
            f"{path}: expected what its keys sign, found {error}; restore the repository"
            " from a mirror"
        ) from error
    except FileNotFoundError as error:
        raise DamagedError(
            f"{error.filename or metadata}: expected a file, found none; restore the repository"
            " from a mirror"
        ) from error
    except OSError as error:
        raise StorageError(
            f"could not read {error.filename or path}: {error.strerror}; check the disk"
        ) from error
    signed: Targets = found.signed
    return signed


def checked(path: Path, sha256: str) -> bytes:
    """Return the bytes of a file, which must be those of this SHA-256.

    Raises
    ------
    TamperedError, DamagedError, StorageError
    """
    try:
        data = read_plain(path)
    except FileNotFoundError as error:
        raise DamagedError(
            f"{path}: expected a file, found none; restore the repository from a mirror"
        ) from error
    except OSError as error:
        raise StorageError(f"could not read {path}: {error.strerror}; check the disk") from error
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise TamperedError(
            f"{path}: expected SHA-256 {sha256}, found {found}; restore the repository from a"
            " mirror"
        )
    return data


def make_empty(folder: Path) -> None:
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


def check_apart(folder: Path, keys: Path) -> None:
    """Refuse keys that lie in the repository in `folder`: a host that serves it would serve them.

    Raises
    ------
    UsageError
    """
    if Path(os.path.realpath(keys)).is_relative_to(os.path.realpath(folder)):
        raise UsageError(
            f"{keys}: expected keys outside of the repository, whose folder is served as it is, found"
            f" them in {folder}; move them away, and rotate them all if it was served"
        )


def check_time(now: datetime) -> None:
    """Refuse to sign with a clock that was never set, or that is beyond any time: what is signed
    then has expired for every device, or has no time to expire.

    Raises
    ------
    SyncError
    """
    if not FIRST <= now < LAST:
        raise SyncError(
            f"could not sign: expected this machine's clock between {FIRST.year} and {LAST.year},"
            f" found {now:%Y-%m-%d}; set it"
        )


def check_clock(folder: Path, indices: Mapping[str, Index], now: datetime) -> None:
    """Refuse to sign where a channel is dated later than now. Devices know that its time has
    passed, so that to them all that is signed now would have expired: success would be said, and
    the fleet locked out.

    Raises
    ------
    SyncError
    """
    check_time(now)
    for name, index in indices.items():
        if index.time > now + MOST_AHEAD:
            raise SyncError(
                f"{folder}: expected channel {name!r} to be dated before now, found"
                f" {index.published}; set this machine's clock, or, where the one that signed it"
                " was"
                f" ahead, date it anew under new keys: cfedge keys rotate KEYS {folder} online"
            )
