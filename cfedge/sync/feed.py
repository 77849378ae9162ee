"""Follow a channel: its signed index, and the log that the index speaks for, of which only what is
new is fetched.

Kept in ``log/``: ``index.json`` and ``entries``. Both are only ever what was signed, so a damaged
one is fetched again.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from cfedge.bundle.fileref import FileRef
from cfedge.catalogue.entry import Entry
from cfedge.catalogue.index import INDEX_BYTES, Index, parse_index
from cfedge.catalogue.log import lines_of, parse_log, present
from cfedge.errors import RolledBackError, SchemaError, StaleError, TamperedError
from cfedge.plain_files import LARGEST_BYTES, NotPlainError, read_plain
from cfedge.storage import write_file
from cfedge.sync.fetch import Fetcher
from cfedge.sync.trust import Trust

__all__ = ["Feed"]


class Feed:
    """A channel, as it is kept in a folder.

    Parameters
    ----------
    folder
        Holds ``trust`` and ``log``.
    channel
        Its name.
    """

    def __init__(self, folder: Path, channel: str) -> None:
        self._trust = folder / "trust"
        self._log = folder / "log"
        self._channel = channel

    def last(self) -> Index | None:
        """Return the index that was followed last; None where there is none or it is damaged."""
        try:
            return parse_index(read_plain(self._log / "index.json", INDEX_BYTES + 1), self._channel)
        except (OSError, SchemaError):
            return None

    def entries(self, index: Index, count: int, fetcher: Fetcher) -> list[Entry]:
        """Return the log's first `count` entries; where the log is damaged, from the repository
        again.

        Raises
        ------
        OfflineError, TamperedError, SchemaError
            See `cfedge.catalogue.log.parse_log`.
        """
        try:
            return parse_log(self._bytes(), index, count)
        except TamperedError:
            log = _extended(self._bytes(), None, index, fetcher)
            write_file(self._log / "entries", log)
            return parse_log(log, index, count)

    def follow(self, fetcher: Fetcher, now: datetime, *, verify: bool = False) -> Index:
        """Bring metadata, index and log up to date.

        Parameters
        ----------
        fetcher
            From the repository.
        now
            The machine's time; what the last index says has passed counts where that is later.
        verify
            Verify what is here again, even where nothing is new.

        Raises
        ------
        OfflineError, TamperedError, RolledBackError, StaleError, SyncError
            What was trusted and kept stays.
        """
        last = self.last()
        for _ in range(fetcher.places - 1):
            try:
                return self._followed(fetcher, last, now, verify=verify)
            except (RolledBackError, SchemaError, StaleError, TamperedError):
                fetcher.rotate()
        try:
            return self._followed(fetcher, last, now, verify=verify)
        except TamperedError:
            if not Trust(self._trust, fetcher, fetcher.patience).is_outgrown():
                raise
        return self._followed(fetcher, last, now, verify=verify)  # keys were replaced meanwhile

    def _followed(
        self, fetcher: Fetcher, last: Index | None, now: datetime, *, verify: bool
    ) -> Index:
        trust = Trust(self._trust, fetcher, fetcher.patience)
        if (
            last is not None
            and not verify
            and trust.is_unchanged(self._channel, last.bytes(), max(now, last.time))
        ):
            return last
        trust.refresh(now, last.time if last else None)
        index, data = trust.index(self._channel, last.bytes() if last else b"")
        if last is None or data != last.bytes():
            # What a key signed that no longer counts, stolen or not, is nothing to be held against
            # what the new one signs.
            log = _extended(self._bytes(), last if trust.vouches else None, index, fetcher)
            self._log.mkdir(exist_ok=True)
            write_file(self._log / "entries", log)
            write_file(self._log / "index.json", data)
        return index

    def _bytes(self) -> bytes:
        try:
            return read_plain(self._log / "entries", whole_bytes=LARGEST_BYTES)
        except (FileNotFoundError, NotPlainError):
            return b""


def _extended(log: bytes, last: Index | None, index: Index, fetcher: Fetcher) -> bytes:
    """Return the log of `index`: what is here of it, and the rest from the source."""
    what = f"log of channel {index.channel!r}"
    if last is not None and index.entries < last.entries:
        raise RolledBackError(
            f"{what}: expected at least {last.entries} entries, as seen before, found"
            f" {index.entries}; use another mirror, or ask who publishes it"
        )
    found = bytearray(log[: present(log, index)])
    at = 0
    for position, block in enumerate(index.blocks):
        begun = bytes(found[at : at + block.size])
        if len(begun) < block.size:
            found[at:] = fetcher.bytes_from(
                FileRef(block.sha256, block.size), f"{what}, block {position}", begun
            )
        at += block.size
    whole = bytes(found)
    sound = last is not None and present(log, last) == last.size
    if last is not None and sound and whole[: last.size] != log[: last.size]:
        raise TamperedError(
            f"{what}: expected the {last.entries} entries seen before at its beginning, found"
            " others: its history was written anew; ask who publishes it"
        )
    lines_of(whole, index)
    return whole
