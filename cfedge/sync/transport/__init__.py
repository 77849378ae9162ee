"""Where bytes come from: a static host over HTTP, a folder (a USB stick, a disk), or several of
these in turn.

A source answers with the bytes of a path from a position on, in pieces as they come, and says from
which position: a server may ignore the question and begin at 0. What the bytes must be is for the
callers; that they come fast enough, and that no answer is waited for longer than the caller has, is
for this room.
"""

from __future__ import annotations

import urllib.request
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from cfedge.errors import UsageError
from cfedge.sync.transport.address import shown
from cfedge.sync.transport.folder import Folder
from cfedge.sync.transport.host import Host
from cfedge.sync.transport.mirrors import Mirrors
from cfedge.sync.transport.source import Missing, Pace, Received, Source

__all__ = ["Folder", "Host", "Mirrors", "Missing", "Pace", "Received", "Source", "source_of"]


def source_of(places: Sequence[str], *, pace: Pace | None = None) -> Source:
    """Return the source of one or several folders and URLs of the same repository.

    Raises
    ------
    UsageError
        One is neither, or is a URL with a user name.
    """
    sources = [_source(place, pace) for place in places]
    return sources[0] if len(sources) == 1 else Mirrors(sources)


def _source(place: str, pace: Pace | None) -> Source:
    try:
        parts = urlsplit(place)
        if parts.scheme in ("http", "https") and not parts.hostname:
            raise ValueError("no host")
    except ValueError as error:
        raise UsageError(
            f"--from: expected a folder or an http(s) URL, found {shown(place)!r} ({error});"
            " correct it"
        ) from error
    if parts.scheme in ("http", "https"):
        return Host(place, pace=pace)
    if parts.scheme == "file":
        return Folder(Path(urllib.request.url2pathname(parts.path)))
    if "://" in place:
        raise UsageError(
            f"--from: expected a folder or an http(s) URL, found {shown(place)!r}; give one of"
            " these"
        )
    return Folder(Path(place))
