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
from datetime import datetime, timezone
from pathlib import Path

from tuf.api import exceptions
from tuf.api.metadata import Metadata, Root, TargetFile, Targets

from cfedge.catalogue.index import INDEX_BYTES, Index, parse_index
from cfedge.errors import DamagedError, SyncError, TamperedError
from cfedge.plain_files import read_plain
from cfedge.storage import sync_folder
from cfedge.sync.patience import Patience
from cfedge.sync.transport import Source
from cfedge.sync.tuf_updater import (
    CONFIG,
    DurableUpdater,
    Reading,
    Unreachable,
    translated,
    trusting,
)

__all__ = ["Trust", "freshness", "signers_of"]


class Trust:
    """Trusted metadata in a folder.

    Parameters
    ----------
    folder
        Holds ``root.json``, the trusted root, from `begin` on.
    source
        Of the repository.
    patience
        With what does not come at once; none where it is None.
    """

    def __init__(self, folder: Path, source: Source, patience: Patience | None = None) -> None:
        self._folder = folder
        self._source = source
        self._reading = Reading(source, patience)
        self._translated = translated(source.name, self._reading)
        self._updater: DurableUpdater | None = None

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
            trusting(folder, Unreachable())
            return
        with translated("root"):
            folder.mkdir(parents=True, exist_ok=True)
            DurableUpdater(
                str(folder), "metadata", fetcher=Unreachable(), config=CONFIG, bootstrap=root
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
        updater = trusting(self._folder, self._reading)
        with self._translated:
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
            known = read_plain(self._folder / "timestamp.json")
            root, timestamp, snapshot, targets = (
                json.loads(read_plain(self._folder / f"{role}.json"))["signed"]
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
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return False
        if not leads:
            return False
        if self._has_root(version + 1):
            return False
        most = CONFIG.timestamp_max_length
        with self._translated:
            return self._reading.download_bytes("metadata/timestamp.json", most) == known

    def is_outgrown(self) -> bool:
        """Whether the repository has a root after the trusted one, whose keys may have signed."""
        try:
            root = Metadata[Root].from_bytes(read_plain(self._folder / "root.json"))
        except (OSError, exceptions.RepositoryError):
            return False
        return self._has_root(root.signed.version + 1)

    def _has_root(self, version: int) -> bool:
        with (
            self._translated,
            contextlib.suppress(exceptions.DownloadHTTPError),
        ):
            self._reading.download_bytes(f"metadata/{version}.root.json", CONFIG.root_max_length)
            return True
        return False

    def target(self, path: str) -> TargetFile | None:
        """Return what is signed of a target, None where nothing is; after `refresh`."""
        assert self._updater is not None, "refresh first"
        with self._translated:
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
        with self._translated:
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
                f"{self._source.name}: expected channel {channel!r}, found none of that name;"
                " name another with --channel, or ask who publishes it"
            )
        if hashlib.sha256(cached).hexdigest() != target.hashes.get("sha256"):
            cached = self.fetch(target, INDEX_BYTES)
        return parse_index(cached, channel), cached


def signers_of(folder: Path) -> tuple[str, ...]:
    """Return the keys that signed the targets that are trusted, of those that the root names.

    Raises
    ------
    DamagedError
        What is trusted cannot be read.
    """
    path = folder / "root.json"
    try:
        root = Metadata[Root].from_bytes(read_plain(path)).signed
        path = folder / "targets.json"
        targets = Metadata[Targets].from_bytes(read_plain(path))
        found = root.get_verification_result("targets", targets.signed_bytes, targets.signatures)
    except (OSError, exceptions.RepositoryError) as error:
        raise DamagedError(
            f"{path}: expected what is trusted, found {error}; sync again"
        ) from error
    return tuple(sorted(found.signed))


def freshness(folder: Path, now: datetime, floor: datetime | None) -> str:
    """Say how far what is trusted can be relied on to be the newest.

    Returns
    -------
    str
        ``fresh``; ``stale``: the timestamp has expired, so something newer should have come; or
        ``unverified``: nothing was ever fetched, or this machine's clock is before a time that has
        certainly passed, so that nothing can be said.
    """
    try:
        expires = _expires(json.loads(read_plain(folder / "timestamp.json"))["signed"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return "unverified"
    if floor is not None and now < floor:
        return "unverified"
    return "fresh" if now < expires else "stale"


def _expires(signed: dict[str, str]) -> datetime:
    return datetime.strptime(signed["expires"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
