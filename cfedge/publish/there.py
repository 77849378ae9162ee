"""What another site published, followed as a device would: its entries, and their files."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import cast

from cfedge.bundle.fileref import FileRef
from cfedge.bundle.manifest import Backbone
from cfedge.catalogue.entry import Entry
from cfedge.catalogue.view import View, view
from cfedge.errors import IncompatibleError, TamperedError
from cfedge.plain_files import LARGEST_BYTES, read_plain
from cfedge.progress import Progress
from cfedge.publish.channel_kind import check_kind
from cfedge.publish.repository import Repository
from cfedge.sync.feed import Feed
from cfedge.sync.fetch import Fetcher
from cfedge.sync.patience import Patience
from cfedge.sync.transport import Source
from cfedge.sync.trust import Trust

__all__ = ["There"]

#: Longest that fetching from the other site may take, and most that may come of files, which are
#: checked in memory before any is signed.
DEADLINE_S, MOST_BYTES = 3600.0, 1 << 30


@dataclass(frozen=True)
class There:
    """Another site's channel.

    Attributes
    ----------
    name
        Of its source.
    lookup
        Of its tasks (`cfedge.lookups`).
    entries
        Of its log, but for those that are being rolled out.
    waiting
        How many these are.
    """

    name: str
    lookup: str
    entries: Sequence[Entry]
    waiting: int
    _fetcher: Fetcher
    _scratch: Path

    @classmethod
    def follow(
        cls,
        source: Source,
        root: bytes,
        scratch: Path,
        channel: str,
        now: datetime,
        wait: Callable[[float], None],
    ) -> There:
        """Follow the channel in an empty folder, trusting `root`.

        Raises
        ------
        OfflineError, TamperedError, StaleError
        """
        Trust.begin(scratch / "trust", root)
        fetcher = Fetcher(
            source, scratch / "partial", Patience(time.monotonic() + DEADLINE_S, wait=wait)
        )
        feed = Feed(scratch, channel)
        index = feed.follow(fetcher, now)
        ready = index.rollout.before if index.rollout else index.entries
        entries = feed.entries(index, ready, fetcher)
        return cls(source.name, index.lookup, entries, index.entries - ready, fetcher, scratch)

    @property
    def fetched_bytes(self) -> int:
        """Of all that was asked for."""
        return self._fetcher.fetched_bytes

    @property
    def notes(self) -> list[str]:
        """What should be said of it, a line each."""
        if not self.waiting:
            return []
        return [
            f"{self.name}: {self.waiting} of its {self.waiting + len(self.entries)} entries are"
            " being rolled out there; they wait: merge again when that is done"
        ]

    def check_backbone(self, here: View) -> None:
        """Refuse tasks that were learned on another backbone than the one `here`.

        Raises
        ------
        UsageError
            That one reads inputs of another kind.
        IncompatibleError
            It reads inputs of the same kind.
        """
        theirs = view(self.entries)
        if here.backbone is None or theirs.backbone is None:
            return
        mine, other = cast(Backbone, here.backbone.body), cast(Backbone, theirs.backbone.body)
        check_kind(here, other, self.name, step="merge it into")
        if mine.digest != other.digest:
            tasks = ", ".join(theirs.tasks) or "none"
            raise IncompatibleError(
                f"{self.name}: expected backbone {mine.name} ({mine.digest[:12]}), as here, found"
                f" {other.name} ({other.digest[:12]}); learn its tasks again on this backbone"
                f" ({tasks}), or publish that one here"
            )

    def check_clocks(self, entries: Sequence[Entry]) -> None:
        """Refuse a clock that no history of so many entries can have: whoever sets one ahead would
        win every meeting to come.

        Raises
        ------
        TamperedError
        """
        ahead = max(entries, key=lambda entry: entry.clock, default=None)
        if ahead is not None and ahead.clock > len(entries):
            raise TamperedError(
                f"{self.name}: expected clocks of at most {len(entries)}, as many as there are"
                f" entries, found {ahead.clock} at {ahead.kind} {ahead.name!r} of site"
                f" {ahead.site!r}; ask who publishes there"
            )

    def files(self, seen: View, repository: Repository, progress: Progress) -> dict[str, bytes]:
        """Fetch the files of everything that stands in `seen`, also of what waits or lost: it may
        be wanted again. What `repository` holds is not fetched.

        Raises
        ------
        OfflineError, TamperedError
        """
        wanted = _wanted(seen, repository)
        size = sum(ref.size for ref in wanted.values())
        if size > MOST_BYTES:
            raise TamperedError(
                f"{self.name}: expected at most {MOST_BYTES} bytes of files that are new here,"
                f" found {size}; ask who publishes there"
            )
        objects: dict[str, bytes] = {}
        with progress.track("fetching", size) as advance:
            for role, ref in wanted.items():
                if ref.sha256 not in objects:
                    self._fetcher.into(self._scratch / ref.sha256, role, ref, advance)
                    objects[ref.sha256] = read_plain(
                        self._scratch / ref.sha256, whole_bytes=LARGEST_BYTES
                    )
        return objects


def _wanted(seen: View, repository: Repository) -> dict[str, FileRef]:
    wanted: dict[str, FileRef] = {}
    for entry in [head for heads in seen.standing.values() for head in heads]:
        files = dict(entry.files())
        if entry.digest in seen.measured:
            files[f"golden of task {entry.name!r}, measured"] = seen.measured[entry.digest].golden
        wanted |= {
            f"{role} ({entry.site})": ref
            for role, ref in files.items()
            if not repository.holds(ref.sha256)
        }
    return wanted
