"""Put entries after a channel's log: the index that is then signed, and the new blocks. Pure, but
for the name of a rollout.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from cfedge.catalogue.entry import ENTRY_BYTES, Entry
from cfedge.catalogue.index import Index, Rollout, parse_index, utc
from cfedge.catalogue.log import cut
from cfedge.errors import TaskError, UsageError
from cfedge.lookups import DEFAULT
from cfedge.margins import Margins

__all__ = ["appended", "check_share"]


def appended(
    index: Index | None,
    channel: str,
    before: Sequence[Entry],
    new: Sequence[Entry],
    *,
    site: str,
    margins: Margins,
    lookup: str = DEFAULT,
    now: datetime,
    share: float = 1.0,
) -> tuple[Index, dict[str, bytes]]:
    """Return the index of a channel with `new` after its log, and its new blocks by SHA-256; a
    channel keeps its lookup, and a new one gets the one that is given.

    A `share` below 1 begins a staged rollout, or changes the share of the one that is on; 1 leaves
    that as it is.

    Raises
    ------
    TaskError, SchemaError
        Devices would refuse an entry or the index for its size.
    """
    check_share(share)
    for entry in new:
        if len(entry.line) > ENTRY_BYTES:
            raise TaskError(
                f"task {entry.name!r}: expected at most {ENTRY_BYTES} bytes of labels and figures,"
                f" which is what devices read, found {len(entry.line)}; make several tasks of it"
            )
    lookup = index.lookup if index else lookup
    blocks, made = cut([entry.line for entry in [*before, *new]], index.blocks if index else ())
    rollout = index.rollout if index else None
    if share < 1:
        last = index.margins if index else margins
        begun = rollout or Rollout(float(share), secrets.token_hex(8), len(before), last)
        rollout = replace(begun, share=float(share))
    whole = Index(channel, site, utc(now), margins, blocks, rollout, lookup)
    return parse_index(whole.bytes(), channel), made


def check_share(share: float) -> None:
    """Refuse what is no part of the devices."""
    if not 0 <= share <= 1:
        raise UsageError(
            f"share of the devices: expected 0..1, found {share}; give the part of the devices that"
            " are to follow"
        )
