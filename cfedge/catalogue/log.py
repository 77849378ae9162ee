"""The log of a channel and the index that is signed for it. Pure.

The log is its entries' lines, one after another, only ever appended to. The index cuts it into
blocks of 2^k entries, largest first, as the binary digits of its length say: 13 entries are blocks
of 8, 4 and 1. So the index stays below some 20 lines, an appended entry changes few blocks, and
whoever has a beginning of the log needs only the bytes that follow it: a block's digest is checked
over what was there and what came.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from itertools import accumulate

from cfedge.bundle.canonical import canonical_json, typed
from cfedge.bundle.reading import check_margins
from cfedge.catalogue.entry import ENTRY_BYTES, Entry, parse_entry
from cfedge.errors import SchemaError, TamperedError
from cfedge.margins import Margins

__all__ = [
    "Block",
    "INDEX_BYTES",
    "Index",
    "Rollout",
    "cut",
    "lines_of",
    "parse_index",
    "parse_log",
    "present",
    "utc",
]

#: Version of the catalogue's form that this program reads and writes.
SCHEMA = 1
INDEX_BYTES = 64 << 10
_TIME = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True)
class Block:
    """2^k whole lines of the log: one content-addressed object."""

    sha256: str
    size: int
    entries: int


@dataclass(frozen=True)
class Rollout:
    """A new state for some devices first: the others keep to the first `before` entries, with the
    margins of then.

    A device takes part where SHA-256(salt + device), read as a fraction of 2^256, is below `share`;
    a new salt draws anew.
    """

    share: float
    salt: str
    before: int
    margins: Margins

    def includes(self, device: str) -> bool:
        """Whether `device` takes part."""
        draw = int.from_bytes(hashlib.sha256(f"{self.salt}{device}".encode()).digest(), "big")
        return draw < self.share * 2**256


@dataclass(frozen=True)
class Index:
    """The state of a channel: what is signed.

    Attributes
    ----------
    channel
        Its name, so that one channel's index cannot be served as another's.
    published
        UTC, ``YYYY-MM-DDTHH:MM:SSZ``: a time that has certainly passed, for devices without a
        clock.
    margins
        See `cfedge.bundle.manifest.Manifest`.
    blocks
        Of the log, in order.
    rollout
        Where not all devices are to follow yet.
    """

    channel: str
    published: str
    margins: Margins
    blocks: tuple[Block, ...]
    rollout: Rollout | None
    schema: int = SCHEMA

    @property
    def entries(self) -> int:
        """Length of the log."""
        return sum(block.entries for block in self.blocks)

    @property
    def size(self) -> int:
        """Bytes of the log."""
        return sum(block.size for block in self.blocks)

    @property
    def time(self) -> datetime:
        """`published`, as a time."""
        return datetime.strptime(self.published, _TIME).replace(tzinfo=timezone.utc)

    def entries_for(self, device: str) -> int:
        """How many entries `device` is to follow."""
        return (
            self.entries
            if self.rollout is None or self.rollout.includes(device)
            else self.rollout.before
        )

    def margins_for(self, device: str) -> Margins:
        """The margins that `device` is to answer by."""
        source = self if self.rollout is None or self.rollout.includes(device) else self.rollout
        return source.margins

    def bytes(self) -> bytes:
        """Its one form."""
        return canonical_json(asdict(self))


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


def parse_index(data: bytes, channel: str) -> Index:
    """Read an index, refusing all that `Index.bytes` would not write.

    Raises
    ------
    SchemaError
        Naming the field, the expected and the found value.
    """
    try:
        content = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise SchemaError(
            f"index of channel {channel!r}: expected canonical JSON, found {error}; publish it"
            " again"
        ) from error
    schema = content.get("schema") if isinstance(content, dict) else None
    if schema != SCHEMA or isinstance(schema, bool):
        raise SchemaError(
            f"index of channel {channel!r}: expected schema {SCHEMA}, found {schema!r:.80}; install"
            " a newer cfedge"
        )
    index: Index = typed(Index, content, "index")
    if index.channel != channel:
        raise SchemaError(
            f"index: expected channel {channel!r}, found {index.channel!r:.80}; the mirror mixed"
            " channels up"
        )
    try:
        index.time  # noqa: B018 - parsed to be checked
    except ValueError as error:
        raise SchemaError(
            f"index.published: expected {_TIME}, found {index.published!r:.80}; publish it again"
        ) from error
    counts = [block.entries for block in index.blocks]
    if any(count < 1 or count & (count - 1) for count in counts) or counts != sorted(
        set(counts), reverse=True
    ):
        raise SchemaError(
            f"index.blocks: expected falling powers of two, found {counts!s:.80}; publish it again"
        )
    for block in index.blocks:
        digest = block.sha256
        if (
            len(digest) != 64
            or set(digest) - set("0123456789abcdef")
            or not 0 < block.size <= block.entries * (ENTRY_BYTES + 1)
        ):
            raise SchemaError(
                f"index.blocks: expected a digest and a size, found {digest!r:.80} of {block.size};"
                " publish it again"
            )
    if index.rollout is not None and not (
        0 <= index.rollout.share <= 1 and 0 <= index.rollout.before <= index.entries
    ):
        raise SchemaError(
            f"index.rollout: expected a share and a length, found {index.rollout!s:.200}; publish"
            " it again"
        )
    for where, part in (("index", index), ("index.rollout", index.rollout)):
        if part is not None:
            check_margins(f"{where}.margins", part.margins, "publish it again")
    try:
        same = index.bytes() == data
    except ValueError:
        same = False
    if not same:
        raise SchemaError(
            f"index of channel {channel!r}: expected canonical JSON, found another form; publish it"
            " again"
        )
    return index


def utc(time: datetime) -> str:
    """As `Index.published`."""
    return time.astimezone(timezone.utc).strftime(_TIME)
