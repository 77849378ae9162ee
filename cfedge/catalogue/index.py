"""The index that is signed for a channel: what its log is, and who follows how much of it. Pure."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import Any

from cfedge.bundle.canonical import canonical_json, typed
from cfedge.bundle.consistency import check_lookup, check_margins
from cfedge.catalogue.entry import ENTRY_BYTES
from cfedge.errors import SchemaError
from cfedge.lookups import DEFAULT
from cfedge.margins import Margins
from cfedge.values import json_fault

__all__ = [
    "Block",
    "INDEX_BYTES",
    "Index",
    "MOST_ENTRIES",
    "MOST_LOG_BYTES",
    "Rollout",
    "parse_index",
    "utc",
]

#: Version of the catalogue's form that this program reads and writes.
SCHEMA = 1
INDEX_BYTES = 64 << 10
#: Of a log, which is read into memory whole: a thousand tasks that were published sixty times each.
MOST_ENTRIES = 1 << 16
MOST_LOG_BYTES = 64 << 20
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
    site
        Who signs it: files are erased where this site asks for it, and no other.
    published
        UTC, ``YYYY-MM-DDTHH:MM:SSZ``: a time that has certainly passed, for devices without a
        clock.
    margins
        See `cfedge.bundle.manifest.Manifest`.
    blocks
        Of the log, in order.
    rollout
        Where not all devices are to follow yet.
    lookup
        Of all tasks of the channel (`cfedge.lookups`). The default one is not written, so that
        devices of before read such channels.
    """

    channel: str
    site: str
    published: str
    margins: Margins
    blocks: tuple[Block, ...]
    rollout: Rollout | None
    lookup: str = DEFAULT
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
        content = asdict(self)
        if self.lookup == DEFAULT:
            del content["lookup"]
        return canonical_json(content)


def parse_index(data: bytes, channel: str) -> Index:
    """Read an index, refusing all that `Index.bytes` would not write.

    Raises
    ------
    SchemaError
        Naming the field, the expected and the found value.
    """
    content = _content(data, channel)
    index: Index = typed(Index, {"lookup": DEFAULT, **content}, "index")
    check_lookup("index.lookup", index.lookup)
    if index.channel != channel:
        raise SchemaError(
            f"index: expected channel {channel!r}, found {index.channel!r:.80}; the mirror mixed"
            " channels up"
        )
    if not 0 < len(index.site) <= 200:
        raise SchemaError(
            f"index.site: expected 1..200 characters, found {len(index.site)}; publish it again"
        )
    try:
        index.time  # noqa: B018 - parsed to be checked
    except ValueError as error:
        raise SchemaError(
            f"index.published: expected {_TIME}, found {index.published!r:.80}; publish it again"
        ) from error
    _check_blocks(index)
    _check_rollout(index)
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


def _content(data: bytes, channel: str) -> dict[str, Any]:
    try:
        content = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise SchemaError(
            f"index of channel {channel!r}: expected canonical JSON, found {json_fault(error)}; publish it"
            " again"
        ) from error
    schema = content.get("schema") if isinstance(content, dict) else None
    if not isinstance(content, dict) or schema != SCHEMA or isinstance(schema, bool):
        raise SchemaError(
            f"index of channel {channel!r}: expected schema {SCHEMA}, found {schema!r:.80}; install"
            " a newer cfedge"
        )
    return content


def _check_blocks(index: Index) -> None:
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
    if index.entries > MOST_ENTRIES or index.size > MOST_LOG_BYTES:
        raise SchemaError(
            f"index.blocks: expected at most {MOST_ENTRIES} entries and {MOST_LOG_BYTES} bytes,"
            f" found {index.entries} of {index.size} bytes; publish to a new channel"
        )


def _check_rollout(index: Index) -> None:
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


def utc(time: datetime) -> str:
    """As `Index.published`."""
    return time.astimezone(timezone.utc).strftime(_TIME)
