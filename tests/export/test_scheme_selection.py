"""Schemes measured beside each other, and the pick from made-up measurements."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made import make_texts

from cfedge.device import known_profile
from cfedge.errors import UsageError
from cfedge_export.architectures.text.bert import BERT
from cfedge_export.scheme_selection import MIN_COSINE, measure, order, pick, some_of
from cfedge_export.schemes import SCHEMES, Choice, Measured
from cfedge_export.source import load_source

TEXT_SCHEMES = [name for name in SCHEMES if name in BERT.schemes]


def _one(
    scheme: str,
    time_ratio: float,
    mean_cosine: float = 0.999,
    megabytes: float = 23.0,
    reason: str | None = None,
) -> Measured:
    return Measured(scheme, int(megabytes * 1e6), mean_cosine, mean_cosine, time_ratio, reason)


FLOAT = _one("float32", 1.0, 1.0, 90.0)


def _picked(*measured: Measured) -> str:
    return pick([FLOAT, *measured]).scheme


def test_the_fastest_is_picked() -> None:
    assert _picked(_one("int8-row", 0.5), _one("int8-weight-only", 0.9)) == "int8-row"
    assert _picked(_one("int8-row", 1.2), _one("int8-weight-only", 0.9)) == "int8-weight-only"
    assert _picked(_one("int8-row", 1.2), _one("int8-weight-only", 1.1)) == "float32"


def test_what_has_a_reason_against_it_is_never_picked_and_the_reason_is_told() -> None:
    choice = pick(
        [
            FLOAT,
            _one("int8-dynamic", 0.1, reason="answers differently in other company"),
            _one("int8-row", 0.5),
        ]
    )
    assert choice.scheme == "int8-row"
    assert "int8-dynamic answers differently in other company" in choice.why
    assert _picked(_one("int8-row", 0.1, reason="has mean cosine 0.9")) == "float32"


def test_of_what_is_about_as_fast_the_smaller_file_and_then_the_higher_cosine_decides() -> None:
    assert _picked(_one("int8-row", 0.51, 0.997), _one("int8-row-7bit", 0.50, 0.995)) == "int8-row"
    assert (
        _picked(_one("int8-row", 0.54, 0.997), _one("int8-row-7bit", 0.50, 0.995))
        == "int8-row-7bit"
    )
    assert _picked(_one("int8-weight-only", 1.02)) == "int8-weight-only"
    assert (
        "float32 as fast, but larger or less exact"
        in pick([FLOAT, _one("int8-weight-only", 1.02)]).why
    )


def test_the_order_of_preference_begins_with_the_pick_and_holds_all_that_may_be_picked() -> None:
    measured = [
        FLOAT,
        _one("int8-row", 0.51, 0.997),
        _one("int8-row-7bit", 0.50, 0.995),
        _one("int8-dynamic", 0.1, reason="is not"),
    ]
    assert [one.scheme for one in order(measured)] == ["int8-row", "int8-row-7bit", "float32"]


@pytest.fixture(scope="module")
def measured(tiny_folder: Path) -> tuple[Measured, ...]:
    source = load_source("local", tiny_folder)
    texts = [text for text, _ in make_texts("colors", 8, 0)]
    with pytest.raises(
        UsageError, match="expected at least one, found none; give some with --measure"
    ):
        some_of([], rng=np.random.default_rng(0))
    some = some_of(texts, rng=np.random.default_rng(0))
    assert sorted(some) == sorted(texts)
    board, feeds = known_profile("x86-64-avx2"), source.feeds(some)
    return measure(source, feeds, board, rng=np.random.default_rng(0))


def test_every_scheme_is_measured_against_float(measured: tuple[Measured, ...]) -> None:
    assert [one.scheme for one in measured] == list(TEXT_SCHEMES)
    exact = measured[0]
    assert exact.time_ratio == 1.0
    assert exact.mean_cosine == pytest.approx(1.0, abs=1e-6)
    for one in measured[1:]:
        assert MIN_COSINE < one.mean_cosine < 1.0 - 1e-8
        assert one.least_cosine <= one.mean_cosine
        assert one.size_bytes < exact.size_bytes
        assert one.time_ratio > 0


def test_schemes_that_the_board_computes_wrongly_are_measured_but_not_picked(
    measured: tuple[Measured, ...],
) -> None:
    reasons = {one.scheme: one.reason for one in measured}
    assert "overflow" in str(reasons["int8-dynamic"])
    assert {name for name, reason in reasons.items() if reason} == {"int8-dynamic"}
    choice = pick(measured)
    assert isinstance(choice, Choice)
    assert choice.measured == measured
    assert choice.scheme != "int8-dynamic"
