"""Which files nobody may keep. Pure.

Only the site that signs a channel erases what is in it: what another site erased at home is
withdrawn where it is merged, and its files stay for whoever goes back.
"""

from __future__ import annotations

from collections.abc import Iterable

from cfedge.catalogue.entry import Entry, Measured, Removed

__all__ = ["erased_files"]


def erased_files(entries: Iterable[Entry], site: str) -> frozenset[str]:
    """Return SHA-256 of the files that only such entries name as a removal of `site` with `erase`
    replaces, directly or not.

    Parameters
    ----------
    entries
        Of a log.
    site
        Of the channel's index.
    """
    known = {entry.digest: entry for entry in entries}
    gone: set[str] = set()
    open_ends = [
        digest
        for entry in known.values()
        if isinstance(entry.body, Removed) and entry.body.erase and entry.site == site
        for digest in entry.replaces
    ]
    while open_ends:
        digest = open_ends.pop()
        if digest in known and digest not in gone:
            gone.add(digest)
            open_ends += known[digest].replaces
    gone |= {
        digest
        for digest, entry in known.items()
        if isinstance(entry.body, Measured) and entry.body.of in gone
    }
    kept = {
        ref.sha256
        for digest, entry in known.items()
        if digest not in gone
        for ref in entry.files().values()
    }
    return frozenset(ref.sha256 for digest in gone for ref in known[digest].files().values()) - kept
