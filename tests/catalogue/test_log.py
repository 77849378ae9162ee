"""The log and its index: blocks are the binary digits of its length, what is kept agrees, and each
refusal has its attack.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from itertools import accumulate
from typing import Any

import pytest
from every import cases
from hypothesis import given
from hypothesis import strategies as st

from cfedge.bundle.canonical import canonical_json
from cfedge.catalogue.entry import ENTRY_BYTES, Entry, Removed
from cfedge.catalogue.index import Block, Index, Rollout, parse_index, utc
from cfedge.catalogue.log import cut, lines_of, parse_log, present
from cfedge.errors import SchemaError, TamperedError
from cfedge.margins import Margins

ENTRIES = [
    Entry("removed", f"task {number}", "hq", number + 1, (), Removed(False)) for number in range(13)
]
LINES = [entry.line for entry in ENTRIES]
LOG = b"".join(line + b"\n" for line in LINES)
ROLLOUT = Rollout(0.25, "00ff", 8, Margins(1.5, 0.75))


def index_of(lines: list[bytes], rollout: Rollout | None = None) -> Index:
    return Index(
        "stable",
        "hq",
        "2026-06-01T12:00:00Z",
        Margins(1.0, 0.5, 0.25, 0.45),
        cut(lines)[0],
        rollout,
    )


INDEX = index_of(LINES, ROLLOUT)
#: What the index above is on the disk: devices in the field read this.
GOLDEN = b'{"blocks":[{"entries":8,"sha256":"a94990a1f778173fcda0f71fda27f6ffa78d8c697f4afafb9bc6fd889bd7e2f8","size":752},{"entries":4,"sha256":"d88da2e342febeb96a77cbf02681571c63a32b03d67668b43c665ba62407da75","size":381},{"entries":1,"sha256":"c61c2ee33e1b0f17517e624c70c1d869bff693670556741f738b501445652521","size":96}],"channel":"stable","margins":{"second":1.0,"second_share":0.45,"tail_share":0.25,"third":0.5},"published":"2026-06-01T12:00:00Z","rollout":{"before":8,"margins":{"second":1.5,"second_share":1.0,"tail_share":1.0,"third":0.75},"salt":"00ff","share":0.25},"schema":1,"site":"hq"}'

logs = st.lists(
    st.binary(min_size=1, max_size=8).map(lambda line: line.replace(b"\n", b".")), max_size=40
)


# cut


def starts(blocks: Sequence[Block]) -> list[int]:
    return list(accumulate((block.entries for block in blocks), initial=0))[:-1]


@given(lines=logs)
def test_the_blocks_of_a_log_are_its_lines_one_after_another(lines: list[bytes]) -> None:
    blocks, made = cut(lines)
    assert b"".join(made[block.sha256] for block in blocks) == b"".join(
        line + b"\n" for line in lines
    )
    for block in blocks:
        data = made[block.sha256]
        assert (hashlib.sha256(data).hexdigest(), len(data), data.count(b"\n")) == (
            block.sha256,
            block.size,
            block.entries,
        )


@given(lines=logs)
def test_the_blocks_are_the_binary_digits_of_the_length_largest_first(lines: list[bytes]) -> None:
    digits = [1 << bit for bit in reversed(range(len(lines).bit_length())) if len(lines) >> bit & 1]
    assert [block.entries for block in cut(lines)[0]] == digits


@given(lines=logs, more=logs)
def test_an_appended_log_takes_over_the_blocks_that_it_can_and_is_cut_as_if_it_were_new(
    lines: list[bytes], more: list[bytes]
) -> None:
    whole = [b"%d %s" % (number, line) for number, line in enumerate([*lines, *more])]
    before, _ = cut(whole[: len(lines)])
    after, made = cut(whole, before)
    assert after == cut(whole)[0]
    common = (
        len(lines)
        if not more
        else len(lines) & ~((1 << (len(lines) ^ len(whole)).bit_length()) - 1)
    )
    kept = [block for block, start in zip(after, starts(after), strict=True) if start < common]
    assert list(before[: len(kept)]) == kept
    assert made.keys() == {block.sha256 for block in after[len(kept) :]}


def test_a_log_of_a_thousand_entries_that_grows_by_one_makes_a_block_of_one_line() -> None:
    lines = [b"%d" % number for number in range(1000)]
    before, _ = cut(lines)
    after, made = cut([*lines, b"one more"], before)
    assert list(made.values()) == [b"one more\n"]
    assert after[:-1] == before
    assert len(after) <= 10


def test_nothing_is_cut_into_nothing() -> None:
    assert cut([]) == ((), {})


# present


@given(length=st.integers(0, len(LOG)))
def test_a_whole_beginning_is_kept_to_its_last_byte(length: int) -> None:
    assert present(LOG[:length], INDEX) == length


@given(at=st.integers(0, len(LOG) - 1), length=st.integers(0, len(LOG)), by=st.integers(1, 255))
def test_a_wrong_byte_is_kept_only_in_a_block_that_is_not_whole_yet(
    at: int, length: int, by: int
) -> None:
    log = bytearray(LOG)
    log[at] = (log[at] + by) % 256
    kept = present(bytes(log[:length]), INDEX)
    start = 0
    for block in INDEX.blocks:
        if start <= at < start + block.size:
            break
        start += block.size
    if at >= length:
        assert kept == length
    elif length >= start + block.size:
        assert kept == start
    else:
        assert kept == length


def test_bytes_beyond_the_log_are_not_kept() -> None:
    assert present(LOG + b"more", INDEX) == len(LOG)


# lines_of, parse_log


def test_a_log_is_read_whole_or_its_first_entries() -> None:
    assert lines_of(LOG, INDEX) == LINES
    assert parse_log(LOG, INDEX) == ENTRIES
    assert parse_log(LOG, INDEX, 8) == ENTRIES[:8]
    assert parse_log(LOG, INDEX, 0) == []
    assert parse_log(b"", index_of([])) == []


@pytest.mark.parametrize(
    ("log", "found"),
    [
        pytest.param(LOG[:-1], f"expected {len(LOG)} bytes, found {len(LOG) - 1}; sync again", id="cut"),
        pytest.param(LOG + b"\n", f"expected {len(LOG)} bytes, found {len(LOG) + 1}; sync again", id="longer"),
        pytest.param(b"", f"expected {len(LOG)} bytes, found 0; sync again", id="gone"),
        pytest.param(b"!" + LOG[1:], "block 0: expected SHA-256", id="a-byte-of-the-first-block"),
        pytest.param(LOG[:-2] + b"!\n", "block 2: expected SHA-256", id="a-byte-of-the-last-block"),
        pytest.param(b"".join(line + b"\n" for line in [LINES[1], LINES[0], *LINES[2:]]), "block 0: expected SHA-256", id="swapped"),
        pytest.param(bytes(len(LOG)), "block 0: expected SHA-256", id="zeros"),
    ],
)  # fmt: skip
def test_a_log_that_is_not_what_was_signed_is_refused(log: bytes, found: str) -> None:
    with pytest.raises(TamperedError, match=f"^log of channel 'stable'.*{found}"):
        parse_log(log, INDEX)


def test_two_blocks_that_changed_places_are_refused() -> None:
    first, second = LOG[: INDEX.blocks[0].size], LOG[INDEX.blocks[0].size :]
    with pytest.raises(TamperedError, match="block 0"):
        parse_log(second + first, INDEX)


@cases("data", [b"a\nb\nc\n", b"a\n", b"a\nb", b"a\nb\nc", b"\n\n\n", b"ab"])
def test_a_signed_block_of_another_number_of_lines_is_refused(data: bytes) -> None:
    index = dataclasses.replace(
        INDEX, blocks=(Block(hashlib.sha256(data).hexdigest(), len(data), 2),), rollout=None
    )
    with pytest.raises(TamperedError, match=r"expected 2 lines, found \d; publish it again"):
        parse_log(data, index)


def test_a_signed_line_that_is_no_entry_is_refused_where_it_is_used() -> None:
    lines = [LINES[0], b"{}"]
    index = index_of(lines)
    assert parse_log(b"".join(line + b"\n" for line in lines), index, 1) == ENTRIES[:1]
    with pytest.raises(SchemaError, match="expected fields"):
        parse_log(b"".join(line + b"\n" for line in lines), index)


# The index


def test_an_index_has_the_bytes_that_devices_in_the_field_know() -> None:
    assert INDEX.bytes() == GOLDEN
    assert parse_index(GOLDEN, "stable") == INDEX
    assert (INDEX.entries, INDEX.size) == (13, len(LOG))
    assert INDEX.time == datetime(2026, 6, 1, 12, tzinfo=timezone.utc)


def test_an_empty_channel_has_an_index() -> None:
    assert parse_index(index_of([]).bytes(), "stable").entries == 0


def test_a_time_is_written_in_utc_and_comes_back() -> None:
    here = datetime(2026, 6, 1, 14, tzinfo=timezone(timedelta(hours=2)))
    assert utc(here) == "2026-06-01T12:00:00Z"
    assert dataclasses.replace(INDEX, published=utc(here)).time == here


def setting(path: str, value: object) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        *folders, last = path.split(".")
        for name in folders:
            content = content[int(name)] if isinstance(content, list) else content[name]
        content[int(last) if isinstance(content, list) else last] = value

    return change


ATTACKS: list[Any] = [
    (setting("schema", 2), "expected schema 1, found 2; install a newer cfedge"),
    (setting("schema", "1"), "expected schema 1, found '1'"),
    (setting("schema", True), "expected schema 1, found True"),
    (lambda content: content.pop("schema"), "expected schema 1, found None"),
    (lambda content: content.pop("blocks"), "index: expected fields"),
    (setting("note", "hello"), "index: expected fields"),
    (setting("channel", "beta"), "expected channel 'stable', found 'beta'; the mirror mixed channels up"),
    (setting("channel", 7), "index.channel: expected str, found 7"),
    (setting("published", "yesterday"), "index.published: expected .*, found 'yesterday'"),
    (setting("published", "2026-06-01T12:00:00+00:00"), "index.published: expected"),
    (setting("published", "2026-13-01T12:00:00Z"), "index.published: expected"),
    (setting("blocks", []), "index.rollout: expected a share and a length"),
    (setting("blocks", {}), "index.blocks: expected a list, found dict"),
    (setting("blocks.0.entries", 7), r"expected falling powers of two, found \[7, 4, 1\]"),
    (setting("blocks.0.entries", 4), r"expected falling powers of two, found \[4, 4, 1\]"),
    (setting("blocks.0.entries", 2), r"expected falling powers of two, found \[2, 4, 1\]"),
    (setting("blocks.2.entries", 0), r"expected falling powers of two, found \[8, 4, 0\]"),
    (setting("blocks.2.entries", -1), r"expected falling powers of two, found \[8, 4, -1\]"),
    (setting("blocks.2.entries", 1.0), r"index.blocks\[2\].entries: expected int, found 1.0"),
    (setting("blocks.0.sha256", "../../root.json"), "expected a digest and a size, found '../../root.json'"),
    (setting("blocks.0.sha256", "A" * 64), "expected a digest and a size, found 'A{64}'"),
    (setting("blocks.0.sha256", "a" * 65), "expected a digest and a size, found 'a{65}'"),
    (setting("blocks.0.entries", 1 << 17), "index.blocks: expected at most 65536 entries and 67108864 bytes"),
    (setting("blocks.0.entries", 1 << 50), "index.blocks: expected at most 65536 entries"),
    (setting("blocks.0.size", 0), "expected a digest and a size, found .* of 0"),
    (setting("blocks.0.size", -1), "expected a digest and a size, found .* of -1"),
    (setting("blocks.2.size", ENTRY_BYTES + 2), f"expected a digest and a size, found .* of {ENTRY_BYTES + 2}"),
    (setting("rollout.share", 1.5), "index.rollout: expected a share and a length"),
    (setting("rollout.share", -0.5), "index.rollout: expected a share and a length"),
    (setting("rollout.share", "0.25"), "index.rollout.share: expected float, found '0.25'"),
    (setting("rollout.before", 14), "index.rollout: expected a share and a length"),
    (setting("rollout.before", -1), "index.rollout: expected a share and a length"),
    (setting("rollout.margins.second", -0.5), "index.rollout.margins.second: expected >= 0, found -0.5"),
    (setting("site", ""), "index.site: expected 1..200 characters, found 0"),
    (setting("site", "x" * 201), "index.site: expected 1..200 characters, found 201"),
    (setting("site", None), "index.site: expected str, found None"),
    (setting("rollout", []), "index.rollout: expected fields"),
    (setting("margins.second", -1.0), "index.margins.second: expected >= 0, found -1.0"),
    (setting("margins.third", -1.0), "index.margins.third: expected >= 0, found -1.0"),
    (setting("margins.third", None), "index.margins.third: expected float, found None"),
]  # fmt: skip


def test_a_log_that_would_fill_the_memory_is_refused_before_it_is_fetched() -> None:
    blocks = (Block("a" * 64, (64 << 20) + 1, 1 << 6),)
    index = dataclasses.replace(INDEX, blocks=blocks, rollout=None)
    with pytest.raises(SchemaError, match="expected at most 65536 entries and 67108864 bytes"):
        parse_index(index.bytes(), "stable")


@cases(("change", "found"), ATTACKS)
def test_an_index_that_this_program_would_not_write_is_refused_naming_the_field(
    change: Callable[[dict[str, Any]], object], found: str
) -> None:
    content = json.loads(GOLDEN)
    change(content)
    with pytest.raises(SchemaError, match=found) as caught:
        parse_index(canonical_json(content), "stable")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000


@cases(
    ("data", "found"),
    [
        pytest.param(b"", "expected canonical JSON, found Expecting", id="empty"),
        pytest.param(
            b"\xff", "expected canonical JSON, found bytes that are no UTF-8", id="no-utf-8"
        ),
        pytest.param(
            b"[" * 100_000,
            "expected canonical JSON, found brackets that are nested too deep",
            id="too-deep",
        ),
        pytest.param(b"[]", "expected schema 1, found None", id="a-list"),
        pytest.param(
            GOLDEN + b"\n", "expected canonical JSON, found another form", id="a-line-end"
        ),
        pytest.param(
            GOLDEN.replace(b",", b", "), "expected canonical JSON, found another form", id="spaces"
        ),
        pytest.param(
            GOLDEN.replace(b'"schema":1', b'"schema":1,"schema":1'),
            "expected canonical JSON",
            id="a-key-twice",
        ),
        pytest.param(
            GOLDEN.replace(b'"third":0.5', b'"third":0.50'),
            "expected canonical JSON",
            id="a-digit-too-many",
        ),
        pytest.param(
            GOLDEN.replace(b'"third":0.5', b'"third":1e999'),
            "expected canonical JSON",
            id="infinity",
        ),
        pytest.param(
            GOLDEN.replace(b'"third":0.5', b'"third":NaN'),
            "index.margins.third: expected >= 0",
            id="nan",
        ),
        pytest.param(
            GOLDEN.replace(b'"salt":"00ff"', b'"salt":"\\ud800"'),
            "expected canonical JSON",
            id="half-a-character",
        ),
    ],
)
def test_another_form_of_an_index_is_refused(data: bytes, found: str) -> None:
    assert data != GOLDEN
    with pytest.raises(SchemaError, match=found):
        parse_index(data, "stable")


# Rollout


def test_a_device_outside_a_rollout_keeps_to_the_entries_and_the_looks_of_before() -> None:
    inside = next(name for name in map(str, range(100)) if ROLLOUT.includes(name))
    outside = next(name for name in map(str, range(100)) if not ROLLOUT.includes(name))
    assert (INDEX.entries_for(inside), INDEX.margins_for(inside)) == (
        13,
        Margins(1.0, 0.5, 0.25, 0.45),
    )
    assert (INDEX.entries_for(outside), INDEX.margins_for(outside)) == (8, Margins(1.5, 0.75))
    over = dataclasses.replace(INDEX, rollout=None)
    assert (over.entries_for(outside), over.margins_for(outside)) == (
        13,
        Margins(1.0, 0.5, 0.25, 0.45),
    )


@given(
    device=st.text(max_size=40),
    salt=st.text(max_size=16),
    shares=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_who_takes_part_in_a_share_takes_part_in_a_larger_one(
    device: str, salt: str, shares: tuple[float, float]
) -> None:
    less, more = (dataclasses.replace(ROLLOUT, salt=salt, share=share) for share in sorted(shares))
    assert more.includes(device) or not less.includes(device)
    assert not dataclasses.replace(less, share=0.0).includes(device)
    assert dataclasses.replace(less, share=1.0).includes(device)


def test_a_quarter_takes_part_in_a_quarter_and_another_salt_draws_anew() -> None:
    devices = [f"device {number}" for number in range(4000)]
    chosen = {name for name in devices if ROLLOUT.includes(name)}
    again = {name for name in devices if dataclasses.replace(ROLLOUT, salt="ff00").includes(name)}
    assert 900 < len(chosen) < 1100
    assert 180 < len(chosen & again) < 320
