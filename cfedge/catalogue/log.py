"""The log of a channel. Pure.

The log is its entries' lines, one after another, only ever appended to. The index
(`cfedge.catalogue.index`) cuts it into blocks of 2^k entries, largest first, as the binary digits
of its length say: 13 entries are blocks of 8, 4 and 1. So the index stays below some 20 lines, an
appended entry changes few blocks, and whoever has a beginning of the log needs only the bytes that
follow it: a block's digest is checked over what was there and what came.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import accumulate

from cfedge.catalogue.entry import Entry, parse_entry
from cfedge.catalogue.index import Block, Index
from cfedge.errors import TamperedError

__all__ = ["cut", "lines_of", "parse_log", "present"]


def cut(
    lines: Sequence[bytes], known: Sequence[Block] = ()
) -> tuple[tuple[Block, ...], dict[str, bytes]]:
    """Cut a log into blocks.

    Parameters
    ----------
    lines
        Of all entries, without newlines.
    known
        Blocks of a beginning of this log, whose digests are taken over.

    Returns
    -------
    blocks, and the bytes of those that are not in `known`, by SHA-256.
    """
    starts = dict(
        zip(accumulate((block.entries for block in known), initial=0), known, strict=False)
    )
    blocks: list[Block] = []
    made: dict[str, bytes] = {}
    start = 0
    for bit in reversed(range(len(lines).bit_length())):
        count = 1 << bit
        if not len(lines) & count:
            continue
        block = starts.get(start)
        if block is None or block.entries != count:
            data = b"".join(line + b"\n" for line in lines[start : start + count])
            block = Block(hashlib.sha256(data).hexdigest(), len(data), count)
            made[block.sha256] = data
        blocks.append(block)
        start += count
    return tuple(blocks), made


def present(log: bytes, index: Index) -> int:
    """How many bytes of a stored beginning `log` can be kept: whole blocks that agree, then what
    may begin the next one.
    """
    kept = 0
    for block in index.blocks:
        part = log[kept : kept + block.size]
        if len(part) < block.size:
            return kept + len(part)
        if hashlib.sha256(part).hexdigest() != block.sha256:
            return kept
        kept += block.size
    return kept


def lines_of(log: bytes, index: Index) -> list[bytes]:
    """Check a log against its index and cut it into lines.

    Raises
    ------
    TamperedError
        A block is not what was signed.
    """
    what = f"log of channel {index.channel!r}"
    if len(log) != index.size:
        raise TamperedError(f"{what}: expected {index.size} bytes, found {len(log)}; sync again")
    at = 0
    for position, block in enumerate(index.blocks):
        found = hashlib.sha256(memoryview(log)[at : at + block.size]).hexdigest()
        if found != block.sha256:
            raise TamperedError(
                f"{what}, block {position}: expected SHA-256 {block.sha256}, found {found}; sync"
                " again"
            )
        at += block.size
    lines = log.split(b"\n")
    if lines.pop() != b"" or len(lines) != index.entries:
        raise TamperedError(
            f"{what}: expected {index.entries} lines, found {len(lines)}; publish it again"
        )
    return lines


def parse_log(log: bytes, index: Index, count: int | None = None) -> list[Entry]:
    """Check a log against its index and read its first `count` entries (otherwise all).

    Raises
    ------
    TamperedError
        A block is not what was signed.
    SchemaError
        An entry breaks the format.
    """
    return [parse_entry(line) for line in lines_of(log, index)[:count]]
