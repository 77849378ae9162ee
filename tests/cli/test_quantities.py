"""Budgets as people write them."""

from __future__ import annotations

import contextlib

import pytest
from every import cases
from hypothesis import given, settings
from hypothesis import strategies as st

from cfedge.cli.quantities import milliseconds, size_bytes
from cfedge.errors import UsageError


@cases(
    ("text", "value"),
    [
        ("512MB", 512_000_000), ("512 MB", 512_000_000), (" 1kB ", 1000), ("1KB", 1000), ("0.5GiB", 1 << 29), ("64MiB", 64 << 20),
        ("1B", 1), ("1.5B", 1), ("2TB", 2 * 10**12), ("2TiB", 2 << 40), ("0.0001MB", 100),
    ],
)  # fmt: skip
def test_sizes_are_read_with_their_unit(text: str, value: int) -> None:
    assert size_bytes(text, "--ram") == value


@cases(("text", "value"), [("20ms", 20.0), ("0.5s", 500.0), ("900us", 0.9), ("1.25 ms", 1.25)])
def test_times_are_read_with_their_unit(text: str, value: float) -> None:
    assert milliseconds(text, "--p90") == pytest.approx(value, rel=1e-12)


HOSTILE = [
    "", " ", "512", "MB", "-1MB", "+1MB", "0MB", "0.0ms", "nan", "nanMB", "NaN ms", "inf", "infMB", "1e9MB", "0x10MB", "1_000MB", "1,5MB",
    "1.MB", ".5MB", "1..5MB", "12mb", "12Mb", "12 M B", "5 minutes", "20ms20", "20ms\n20ms", "9" * 400 + "MB", "٣MB", "1MB\0", "ms20",
    "0.9B", "0.000000000000001ms" * 2,
]  # fmt: skip


@cases("text", HOSTILE)
def test_what_is_no_quantity_is_refused_in_one_line_by_name(text: str) -> None:
    for parse in (size_bytes, milliseconds):
        with pytest.raises(
            UsageError,
            match=r"^--limit: expected a number above 0 with one of the units .*; write it as",
        ) as refusal:
            parse(text, "--limit")
        assert len(str(refusal.value)) < 250
        assert "\n" not in str(refusal.value)


@given(st.text(max_size=12))
@settings(max_examples=300, deadline=None)
def test_any_text_is_a_positive_number_or_refused(text: str) -> None:
    for parse in (size_bytes, milliseconds):
        with contextlib.suppress(UsageError):
            assert 0 < parse(text, "--limit") < 1e30
