"""What is signed: The Update Framework's client workflow, with this project's rules around it. Uses
python-tuf.

Rules: trusted metadata are written whole and reach the disk before they are relied on, so that what
was seen once is never gone back behind, power cut or not; the time is the machine's, but never
before what a signed index says has passed, as long as the key that signed it counts; an exception
of a library never leaves. The specification:
https://theupdateframework.github.io/specification/latest/.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

from tuf.api import exceptions
from tuf.api.metadata import Metadata, TargetFile, Targets
from tuf.ngclient import FetcherInterface, Updater, UpdaterConfig

from cfedge.catalogue.log import INDEX_BYTES, Index, parse_index
from cfedge.errors import (
    DamagedError,
    OfflineError,
    RolledBackError,
    StaleError,
    StorageError,
    SyncError,
    TamperedError,
)
from cfedge.storage import sync_folder, write_file
from cfedge.sync.transport import Missing, Source

__all__ = ["Trust", "freshness"]

#: Root rotations that one refresh follows; metadata are small, and more than this were never
#: needed.
_CONFIG = UpdaterConfig(
    max_root_rotations=1024, timestamp_max_length=16 << 10, snapshot_max_length=1 << 20
)


class Trust:
    """Trusted metadata in a folder.

    Parameters
    ----------
    folder
        Holds ``root.json``, the trusted root, from `begin` on.
    source
        Of the repository.
    """

    def __init__(self, folder: Path, source: Source) -> None:
        self._folder = folder
        self._source = source
        self._reading = _Reading(source)
        self._updater: _DurableUpdater | None = None

    @staticmethod
    def begin(folder: Path, root: bytes) -> None:
        """Trust `root`, which came with the device; nothing changes where a root is trusted
        already, and is not damaged.

        Raises
        ------
        TamperedError
            It is no root that its own keys sign.
        """
        with contextlib.suppress(DamagedError):
            _trusting(folder, _Unreachable())
            return
        with _translated("root"):
            folder.mkdir(parents=True, exist_ok=True)
            _DurableUpdater(
                str(folder), "metadata", fetcher=_Unreachable(), config=_CONFIG, bootstrap=root
            )
            sync_folder(folder.parent)

    def refresh(self, now: datetime, floor: datetime | None = None) -> None:
        """Bring the metadata up to date.

        Parameters
        ----------
        now
            With its zone; what expired before it is refused.
        floor
            A time that has certainly passed, says what the trusted targets led to; it counts while
            their keys do.

        Raises
        ------
        OfflineError, TamperedError, RolledBackError, StaleError
            What was trusted stays so.
        DamagedError
            The trusted root is missing or damaged.
        """
        updater = _trusting(self._folder, self._reading)
        with _translated(self._source.name):
            updater.at(now, floor)
            updater.refresh()
        self._updater = updater

    @property
    def vouches(self) -> bool:
        """Whether the newest root still names the keys of the targets that were trusted before;
        after `refresh`.
        """
        assert self._updater is not None, "refresh first"
        return self._updater.vouches

    def is_unchanged(self, channel: str, index: bytes, now: datetime) -> bool:
        """Whether the repository still answers with the very timestamp that is trusted, and no
        newer root, and `index` is what they lead to, none of them expired.

        Then nothing is new, and no signature need be verified to know it: on a board without a
        compiled library each costs milliseconds. Trusted metadata were verified before they were
        written; a refresh that was cut leaves some of them newer than others, which then do not
        lead to `index`.
        """
        try:
            known = (self._folder / "timestamp.json").read_bytes()
            root, timestamp, snapshot, targets = (
                json.loads((self._folder / f"{role}.json").read_bytes())["signed"]
                for role in ("root", "timestamp", "snapshot", "targets")
            )
            leads = (
                timestamp["meta"]["snapshot.json"]["version"] == snapshot["version"]
                and snapshot["meta"]["targets.json"]["version"] == targets["version"]
                and targets["targets"][f"{channel}.json"]["hashes"]["sha256"]
                == hashlib.sha256(index).hexdigest()
                and all(now < _expires(role) for role in (root, timestamp, snapshot, targets))
            )
            version = int(root["version"])
        except (OSError, ValueError, KeyError, TypeError):
            return False
        if not leads:
            return False
        with _translated(self._source.name):
            try:
                self._reading.download_bytes(
                    f"metadata/{version + 1}.root.json", _CONFIG.root_max_length
                )
            except exceptions.DownloadHTTPError:
                return (
                    self._reading.download_bytes(
                        "metadata/timestamp.json", _CONFIG.timestamp_max_length
                    )
                    == known
                )
        return False

    def target(self, path: str) -> TargetFile | None:
        """Return what is signed of a target, None where nothing is; after `refresh`."""
        assert self._updater is not None, "refresh first"
        with _translated(self._source.name):
            return self._updater.get_targetinfo(path)

    def fetch(self, target: TargetFile, limit: int) -> bytes:
        """Read a target's bytes.

        Raises
        ------
        OfflineError, TamperedError
        """
        if target.length > limit:
            raise TamperedError(
                f"{target.path}: expected at most {limit} bytes, found {target.length} signed; ask"
                " who publishes it"
            )
        folder, _, name = target.path.rpartition("/")
        if self._updater is None or self._updater.names_hold_digests:
            name = f"{next(iter(target.hashes.values()))}.{name}"
        path = "/".join(part for part in ("targets", folder, name) if part)
        with _translated(self._source.name):
            data = self._reading.download_bytes(path, target.length)
            target.verify_length_and_hashes(data)
        return data

    def index(self, channel: str, cached: bytes = b"") -> tuple[Index, bytes]:
        """Return the signed index of a channel and its bytes: `cached` where those are it.

        Raises
        ------
        SyncError
            There is no such channel, or see `fetch`.
        """
        target = self.target(f"{channel}.json")
        if target is None:
            raise SyncError(
                f"{self._source.name}: expected channel {channel!r}, found none of that name; ask"
                " who publishes it"
            )
        if hashlib.sha256(cached).hexdigest() != target.hashes.get("sha256"):
            cached = self.fetch(target, INDEX_BYTES)
        return parse_index(cached, channel), cached


def freshness(folder: Path, now: datetime, floor: datetime | None) -> str:
    """Say how far what is trusted can be relied on to be the newest.

    Returns ------- ``fresh``; ``stale``: signed to be looked at again before now, and it was not;
    ``unverified``: this machine's clock is before a time that has certainly passed, so nothing can
    be said, or nothing was ever fetched.
    """
    try:
        expires = _expires(json.loads((folder / "timestamp.json").read_bytes())["signed"])
    except (OSError, ValueError, KeyError, TypeError):
        return "unverified"
    if floor is not None and now < floor:
        return "unverified"
    return "fresh" if now < expires else "stale"


def _expires(signed: dict[str, str]) -> datetime:
    return datetime.strptime(signed["expires"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)


class _DurableUpdater(Updater):
    """python-tuf's client, whose files reach the disk."""

    vouches = False
    _floor: datetime | None = None

    def at(self, now: datetime, floor: datetime | None) -> None:
        """Take `now` for the time, or `floor` where that is later and `vouches`."""
        self._trusted_set.reference_time = now
        self._floor = floor

    def _load_timestamp(self) -> None:
        """With the newest root, look at what was trusted before."""
        with contextlib.suppress(OSError, exceptions.RepositoryError):
            before: Metadata[Targets] = Metadata.from_bytes(self._load_local_metadata("targets"))
            self._trusted_set.root.verify_delegate(
                "targets", before.signed_bytes, before.signatures
            )
            self.vouches = True
        if self.vouches and self._floor is not None:
            self._trusted_set.reference_time = max(self._trusted_set.reference_time, self._floor)
        super()._load_timestamp()

    @property
    def names_hold_digests(self) -> bool:
        """Whether the root says so: consistent snapshots."""
        return bool(self._trusted_set.root.consistent_snapshot)

    def _persist_file(self, filename: str, data: bytes) -> None:
        path = Path(filename)
        if not path.exists() or path.read_bytes() != data:
            write_file(path, data)

    def _update_root_symlink(self) -> None:
        """A file instead of a link: sticks and some boards have no links."""
        current = Path(self._dir, "root_history", f"{self._trusted_set.root.version}.root.json")
        link = Path(self._dir, "root.json")
        if link.is_symlink():
            os.unlink(link)
        self._persist_file(str(link), current.read_bytes())


def _trusting(folder: Path, fetcher: FetcherInterface) -> _DurableUpdater:
    """Trust the root in `folder`, if its own keys sign it."""
    try:
        return _DurableUpdater(
            str(folder), "metadata", fetcher=fetcher, config=_CONFIG, bootstrap=None
        )
    except (OSError, exceptions.RepositoryError) as error:
        found = error.strerror if isinstance(error, OSError) else error
        raise DamagedError(
            f"{folder / 'root.json'}: expected the trusted root, found {found}; give the one that"
            " came with the device with --root"
        ) from error


class _Reading(FetcherInterface):
    """A source, as python-tuf asks for it; what was answered is not asked for twice."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._answered: dict[str, bytes | exceptions.DownloadHTTPError] = {}

    def download_bytes(self, url: str, max_length: int) -> bytes:
        """See `tuf.ngclient.FetcherInterface`."""
        if url not in self._answered:
            try:
                self._answered[url] = super().download_bytes(url, max_length)
            except exceptions.DownloadHTTPError as error:
                self._answered[url] = error
        answer = self._answered[url]
        if isinstance(answer, exceptions.DownloadHTTPError):
            raise answer
        return answer

    def _fetch(self, url: str) -> Iterator[bytes]:
        try:
            received = self._source.read(url.removeprefix("/"))
        except Missing as error:
            raise exceptions.DownloadHTTPError(f"{url}: not found", 404) from error
        return received.pieces

    def fetch(self, url: str) -> Iterator[bytes]:
        """As `_fetch`, whose errors are this project's."""
        return self._fetch(url)


class _Unreachable(FetcherInterface):
    def _fetch(self, url: str) -> Iterator[bytes]:
        raise OfflineError(f"{url}: expected no request")


class _translated:  # noqa: N801 - used as a function
    """Turn python-tuf's exceptions into this project's."""

    def __init__(self, where: str) -> None:
        self._where = where

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        where = self._where
        if isinstance(error, OSError):
            raise StorageError(
                f"{error.filename}: expected to keep what is trusted there, found {error.strerror};"
                " check the disk"
            ) from error
        if isinstance(error, exceptions.ExpiredMetadataError):
            raise StaleError(
                f"{where}: expected metadata that have not expired, found {error}; what is"
                " installed goes on; ask who publishes it to sign anew, or set this machine's"
                " clock"
            ) from error
        if isinstance(error, exceptions.BadVersionNumberError):
            raise RolledBackError(
                f"{where}: expected nothing older than what was seen, found {error}; use another"
                " mirror"
            ) from error
        if isinstance(error, exceptions.DownloadLengthMismatchError):
            raise TamperedError(
                f"{where}: expected metadata of bounded length, found {error}; use another mirror"
            ) from error
        if isinstance(error, exceptions.DownloadHTTPError):
            raise OfflineError(
                f"{where}: expected a repository, found {error}; check the address"
            ) from error
        if isinstance(error, exceptions.DownloadError):
            raise OfflineError(
                f"{where}: expected an answer, found {error}; check the network"
            ) from error
        if isinstance(error, exceptions.RepositoryError):
            raise TamperedError(
                f"{where}: expected what its keys sign, found {error}; use another mirror"
            ) from error
