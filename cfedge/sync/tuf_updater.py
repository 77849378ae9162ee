"""python-tuf's client as this project uses it: its files reach the disk, it reads from a `Source`,
and an exception of a library never leaves.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import stat
from collections.abc import Generator, Iterator
from datetime import datetime
from pathlib import Path

from tuf.api import exceptions
from tuf.api.metadata import Metadata, Targets
from tuf.ngclient import FetcherInterface, Updater, UpdaterConfig

from cfedge.errors import (
    DamagedError,
    OfflineError,
    RolledBackError,
    StaleError,
    StorageError,
    TamperedError,
)
from cfedge.plain_files import read_plain
from cfedge.storage import write_file
from cfedge.sync.patience import Patience
from cfedge.sync.transport import Missing, PassingError, Source

__all__ = ["CONFIG", "DurableUpdater", "Reading", "Unreachable", "translated", "trusting"]

#: Root rotations that one refresh follows; metadata are small, and more than this were never
#: needed.
CONFIG = UpdaterConfig(
    max_root_rotations=1024, timestamp_max_length=16 << 10, snapshot_max_length=1 << 20
)


#: Spaces and the marks of byte order.
_BEFORE_A_PAGE = b" \t\r\n\xef\xbb\xbf"


class DurableUpdater(Updater):
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

    def _load_local_metadata(self, rolename: str) -> bytes:
        return read_plain(Path(self._dir, f"{rolename}.json"))

    def _persist_file(self, filename: str, data: bytes) -> None:
        path = Path(filename)
        with contextlib.suppress(OSError):
            if read_plain(path) == data:
                return
        write_file(path, data)

    def _update_root_symlink(self) -> None:
        """A file instead of a link: sticks and some boards have no links."""
        current = Path(self._dir, "root_history", f"{self._trusted_set.root.version}.root.json")
        link = Path(self._dir, "root.json")
        if link.is_symlink():
            os.unlink(link)
        self._persist_file(str(link), read_plain(current))


def trusting(folder: Path, fetcher: FetcherInterface) -> DurableUpdater:
    """Trust the root in `folder`, if its own keys sign it."""
    _clear_odd(folder)
    try:
        return DurableUpdater(
            str(folder), "metadata", fetcher=fetcher, config=CONFIG, bootstrap=None
        )
    except (OSError, exceptions.RepositoryError) as error:
        found = error.strerror if isinstance(error, OSError) else error
        raise DamagedError(
            f"{folder / 'root.json'}: expected the trusted root, found {found}; give the one that"
            " came with the device with --root"
        ) from error


def _clear_odd(folder: Path) -> None:
    """Delete what lies among the metadata and is no plain file: python-tuf would wait for a FIFO."""
    for part in (folder, folder / "root_history"):
        if not part.is_dir():
            continue
        for path in part.iterdir():
            with contextlib.suppress(OSError):
                mode = path.stat().st_mode
                if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
                    path.unlink()


class Reading(FetcherInterface):
    """A source, as python-tuf asks for it; what was answered is not asked for twice, and what was
    cut short is asked for anew while there is patience.

    Attributes
    ----------
    last
        What was asked for last, which an error of what reads it is about.
    """

    def __init__(self, source: Source, patience: Patience | None = None) -> None:
        self._source, self._patience = source, patience
        self.last = ""
        self._answered: dict[str, bytes | exceptions.DownloadHTTPError] = {}

    def download_bytes(self, url: str, max_length: int) -> bytes:
        """See `tuf.ngclient.FetcherInterface`."""
        self.last = url
        if url not in self._answered:
            try:
                self._answered[url] = self._patiently(url, max_length)
            except exceptions.DownloadHTTPError as error:
                self._answered[url] = error
        answer = self._answered[url]
        if isinstance(answer, exceptions.DownloadHTTPError):
            raise answer
        return answer

    def _patiently(self, url: str, max_length: int) -> bytes:
        """Always from the beginning: a timestamp may be another by now."""
        for idle in itertools.count(1):
            try:
                return self._in_memory(url, max_length)
            except PassingError:
                if self._patience is None or not self._patience.again(idle):
                    raise
        raise AssertionError

    def _in_memory(self, url: str, max_length: int) -> bytes:
        """Metadata are small: python-tuf would put them into a temporary file, for which a device
        may have no place.
        """
        data = bytearray()
        with contextlib.closing(self._fetch(url)) as pieces:
            for piece in pieces:
                data += piece
                if len(data) > max_length:
                    raise exceptions.DownloadLengthMismatchError(
                        f"more than {max_length} bytes of {url}"
                    )
        if data.lstrip(_BEFORE_A_PAGE).startswith(b"<"):
            raise TamperedError(
                f"{self._source.name}: expected metadata, found a web page under {url}: either the"
                " network wants a login, or the host answers with a page where it has no file; log"
                " in, let the host answer 404, or use another mirror"
            )
        return bytes(data)

    def _fetch(self, url: str) -> Generator[bytes, None, None]:
        try:
            received = self._source.read(url.removeprefix("/"))
        except Missing as error:
            raise exceptions.DownloadHTTPError(f"{url}: not found", 404) from error
        return received.pieces

    def fetch(self, url: str) -> Generator[bytes, None, None]:
        """As `_fetch`, whose errors are this project's."""
        return self._fetch(url)


class Unreachable(FetcherInterface):
    """A repository that is not to be asked."""

    def _fetch(self, url: str) -> Iterator[bytes]:
        raise OfflineError(f"{url}: expected no request")


class translated:  # noqa: N801 - used as a function
    """Turn python-tuf's exceptions into this project's."""

    def __init__(self, where: str, reading: Reading | None = None) -> None:
        self._where, self._reading = where, reading

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        where = self._where
        if isinstance(error, OSError):
            raise StorageError(
                f"could not keep what is trusted in {error.filename}: {error.strerror}; check"
                " the disk"
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
                f"{where}: expected a repository, found {error}; check the address, or sync"
                " again if it is being copied to just now"
            ) from error
        if isinstance(error, exceptions.DownloadError):
            raise OfflineError(
                f"{where}: expected an answer, found {error}; check the network"
            ) from error
        if isinstance(error, exceptions.RepositoryError):
            last = self._reading.last if self._reading else ""
            raise TamperedError(
                f"{where}{last and '/' + last}: expected what its keys sign, found {error}; use another mirror"
            ) from error
