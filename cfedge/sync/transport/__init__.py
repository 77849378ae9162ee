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
from urllib.parse import SplitResult, urlsplit

from cfedge.errors import UsageError
from cfedge.sync.transport.address import shown
from cfedge.sync.transport.folder import Folder
from cfedge.sync.transport.host import Host
from cfedge.sync.transport.mirrors import Mirrors
from cfedge.sync.transport.source import Missing, Pace, PassingError, Received, Source

__all__ = [
    "Folder",
    "Host",
    "Mirrors",
    "Missing",
    "Pace",
    "PassingError",
    "Received",
    "Source",
    "source_of",
]


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
    except ValueError as error:  # which repeats what may be a password
        raise _neither(place, "not well formed") from error
    if not place.strip():
        raise _neither(place, "nothing")
    if parts.scheme in ("http", "https"):
        _check_host(place, parts)
        return Host(place, pace=pace)
    if parts.scheme == "file":
        if parts.netloc not in ("", "localhost") or not parts.path or parts.query or parts.fragment:
            raise _neither(place, "not file:///folder")
        return Folder(Path(urllib.request.url2pathname(parts.path)))
    if "://" in place or (shown(place) != place and not Path(place).exists()):
        raise _neither(place)
    return Folder(Path(place))


def _check_host(place: str, parts: SplitResult) -> None:
    if not parts.hostname:
        raise _neither(place, "no host")
    try:
        parts.port  # noqa: B018 - parsed to be checked
    except ValueError as error:
        # A password with a slash in it looks so, too: it is not repeated.
        again = f"{parts.scheme}://..." if "@" in place else place
        raise _neither(again, "no port") from error


def _neither(place: str, why: str = "") -> UsageError:
    return UsageError(
        f"address: expected a folder or an http(s) URL, found {shown(place)!r}"
        f"{f' ({why})' if why else ''}; give one of these"
    )
