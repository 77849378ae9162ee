"""Charts: text of others stays text, pictures are well-formed, and places follow the values."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from itertools import combinations
from xml.etree import ElementTree

import numpy as np
import pytest
from every import cases

from cfedge import charts
from cfedge.charts import IntervalRow, Mark, Point, Series, Span
from cfedge.charts.frame import marker
from cfedge.charts.placing import Box, place_names
from cfedge.charts.scale import Scale, round_steps
from cfedge.charts.style import SERIES

HOSTILE = "</svg><script>alert(1)</script>\" onload='x' &amp; \x1b[2J\u202e"


def _every_chart(words: str) -> dict[str, str]:
    series = [Series(words, (0.0, 1.0), (0.2, math.nan)), Series(words, (0, 1), (1, 0), steps=True)]
    return {
        "intervals": charts.interval_chart(
            [IntervalRow(words, (Span(0.1, 0.2), None), words)],
            title=words, x_label=words, series=[words, words],
        ),
        "lines": charts.line_chart(
            series, title=words, x_label=words, y_label=words, x_marks=[Mark(0.5, words)],
            y_marks=[Mark(0.5, words)], cursor=0.3,
        ),
        "bars": charts.bar_chart(
            [0.0, 1.0, 2.0], [3, 0], title=words, x_label=words, y_label=words,
            marks=[Mark(1.0, words)], cursor=1.0,
        ),
        "map": charts.point_map(
            [Point(0, 0, words, words), Point(1, 2, "input", words, ring=True)], [words], title=words
        ),
        "matrix": charts.matrix(
            [words], [words], [[3]], caption=words, corner=words, key=lambda row, column: words
        ),
        "table": charts.table([words], [[words]], caption=words),
        "figure": charts.figure(charts.escape(words), caption=words),
    }  # fmt: skip


@cases("name", list(_every_chart("a")))
def test_text_of_others_adds_no_element_and_no_attribute(name: str) -> None:
    plain, hostile = (ElementTree.fromstring(_every_chart(words)[name]) for words in ("a", HOSTILE))

    def shape(root: ElementTree.Element) -> list[tuple[str, list[str]]]:
        # A tooltip for what was cut is the one element that a long text adds.
        return [(one.tag, sorted(one.keys())) for one in root.iter() if one.tag != "title"]

    without_tooltips = [
        (tag, [key for key in keys if key != "title"]) for tag, keys in shape(hostile)
    ]
    assert without_tooltips == shape(plain)
    assert "\x1b" not in _every_chart(HOSTILE)[name]
    assert "\u202e" not in _every_chart(HOSTILE)[name]


@cases("name", list(_every_chart("a")))
def test_no_chart_has_a_style_or_a_script_of_its_own(name: str) -> None:
    markup = _every_chart("a")[name]
    assert not re.search(r"style=|<script|<style|\son\w+=|href=", markup)


def test_ten_thousand_letters_are_cut() -> None:
    for name, markup in _every_chart("x" * 10_000).items():
        if name not in ("figure", "matrix"):
            longest = max(len(text) for text in re.findall(r">([^<]*)<", markup))
            assert longest <= 500, name


def test_a_scale_maps_ends_to_ends_and_keeps_what_lies_outside_on_the_edge() -> None:
    scale = Scale(10, 20, 100, 0)
    assert [scale(value) for value in (10, 15, 20, 99, -5, math.nan)] == [100, 50, 0, 0, 100, 100]
    ratios = Scale(1, 100, 0, 100, logarithmic=True)
    assert ratios(10) == pytest.approx(50)
    assert ratios.ticks() == [1, 2, 5, 10, 20, 50, 100]


@cases("low, high", [(0, 1), (0, 0.034), (-3, 17), (0.2, 0.9), (1e-7, 2e-7), (0, 123456)])
def test_ticks_are_round_and_lie_within(low: float, high: float) -> None:
    ticks = round_steps(low, high, 5)
    assert 2 <= len(ticks) <= 11
    assert all(low - 1e-9 <= tick <= high + 1e-9 for tick in ticks)
    assert len({f"{tick:.3g}" for tick in ticks}) == len(ticks)


def test_no_ticks_of_a_range_without_length_but_its_value() -> None:
    assert round_steps(3.0, 3.0, 5) == [3.0]


@cases(
    "shown, value, words",
    [
        (charts.percent, 0.0147, "1.5%"), (charts.percent, 0.98, "98%"), (charts.percent, 0, "0%"), (charts.percent, 0.05, "5%"),
        (charts.percent, 0.9967, "99.7%"), (charts.percent, 0.99996, ">99.9%"), (charts.percent, 1, "100%"), (charts.percent, 0.0001, "<0.1%"), (charts.percent, 0.5049, "50%"),
        (charts.number, 1250.4, "1,250"), (charts.number, 0.03121, "0.0312"), (charts.number, 0, "0"), (charts.milliseconds, 1.2, "1.2 ms"),
    ],
)  # fmt: skip
def test_values_are_shown_short(shown: Callable[[float], str], value: float, words: str) -> None:
    assert shown(value) == words


def test_sixteen_series_differ_in_more_than_colour() -> None:
    drawn = [re.sub(r"class=\"[^\"]*\"", "", marker(series, 0, 0)) for series in range(16)]
    for series in range(16 - SERIES):
        assert drawn[series] != drawn[series + SERIES]
    assert len(set(drawn)) == 6


def test_an_interval_ends_where_its_bound_is() -> None:
    root = ElementTree.fromstring(
        charts.interval_chart(
            [IntervalRow("a", (Span(0.1, 0.4),)), IntervalRow("b", (Span(0.1, 0.2),))],
            title="t", x_label="x",
        )
    )  # fmt: skip
    widths = [float(one.get("width", "")) for one in root.iter("rect")]
    assert widths[0] == pytest.approx(2 * widths[1], abs=0.02)


def test_what_exceeds_its_promise_lies_beyond_the_bar() -> None:
    root = ElementTree.fromstring(
        charts.interval_chart([IntervalRow("a", (Span(0.9, 0.1),))], title="t", x_label="x")
    )
    (bar,) = root.iter("rect")
    (mark,) = [one for one in root.iter("path") if "mark" in one.get("class", "")]
    start = float(re.findall(r"M([\d.]+)", mark.get("d", ""))[0])
    assert start > float(bar.get("x", "")) + 5 * float(bar.get("width", ""))


def test_a_map_has_equal_units_along_both_axes() -> None:
    points = [Point(0, 0, "g", "a"), Point(1, 0, "g", "b"), Point(0, 4, "g", "c")]
    rings = [Point(one.x, one.y, "g", one.name, ring=True) for one in points]
    root = ElementTree.fromstring(charts.point_map([*points, *rings], ["g"], title="t"))
    places = [(float(one.get("cx", "")), float(one.get("cy", ""))) for one in root.iter("circle")]
    (x0, y0), (x1, y1), (x2, y2) = places
    assert (y1, x2) == (y0, x0)
    assert (y0 - y2) == pytest.approx(4 * (x1 - x0), abs=0.1)


def test_names_on_a_map_cover_no_marker_and_no_other_name_where_there_is_room() -> None:
    rng = np.random.default_rng(0)
    area = Box(360, 240, 712, 400)
    for count in (2, 8, 20):
        middles = rng.uniform((40, 60), (680, 420), (count, 2))
        beside = rng.normal(middles[:, None], 12, (count, 6, 2)).reshape(-1, 2)
        markers = [Box(x, y, 13, 13) for x, y in [*middles.tolist(), *beside.tolist()]]
        wanted = [(x, y, 60.0) for x, y in middles.tolist()]
        placed = place_names(wanted, markers, area)
        assert not any(one.meets(other) for one, other in combinations(placed, 2))
        covered = sum(one.meets(marker) for one in placed for marker in markers)
        over = sum(Box(x, y - 13, 60, 16).meets(marker) for x, y, _ in wanted for marker in markers)
        assert covered <= over / 8
        for (x, y, _), one in zip(wanted, placed, strict=True):
            assert math.hypot(one.x - x, one.y - y) < 90
    (alone,) = place_names([(100.0, 100.0, 60.0)], [Box(100, 100, 13, 13)], area)
    assert (alone.x, 76 <= alone.y <= 85) == (100, True)
    corner, above = place_names([(0.0, 0.0, 60.0), (0.0, 0.0, 60.0)], [], area)
    assert (corner.x, corner.y) == (34, 48)
    assert not above.meets(corner)


def test_the_cell_of_what_was_found_right_is_told_from_the_others() -> None:
    markup = charts.matrix(
        ["a", "b"], ["a", "b", "other"], [[9, 1, 0], [0, 5, 2]], caption="c", corner="x"
    )
    root = ElementTree.fromstring(markup)
    kinds = [(one.get("class") or "nothing").split()[0] for one in root.iter("td")]
    assert kinds == ["right", "wrong", "nothing", "nothing", "right", "wrong"]


def test_every_class_that_charts_use_stands_in_the_stylesheet() -> None:
    used = set()
    for markup in _every_chart("a").values():
        used |= {name for names in re.findall(r'class="([^"]*)"', markup) for name in names.split()}
    missing = {name for name in used if f".{name}" not in charts.style()}
    assert missing <= {"label"}


def test_a_tables_columns_of_numbers_are_set_at_the_right_by_the_style() -> None:
    heads = [f"column {place}" for place in range(10)]
    root = ElementTree.fromstring(
        charts.table(heads, [heads], caption="c", numbers=list(range(10)))
    )
    named = root.find("table").get("class").split()  # type: ignore[union-attr]
    assert len(named) == len(heads)
    for place, name in enumerate(named):
        rule = rf"\.{name} tr > :nth-child\({place + 1}\)[^}}]*{{ text-align: right; }}"
        assert re.search(rule, charts.style())


def test_a_value_between_two_gaps_is_seen() -> None:
    values = (math.nan, 0.5, math.nan, *([0.2] * 60), math.nan, 0.7)
    one = Series("share", tuple(range(len(values))), values)
    drawn = charts.line_chart([one], title="t", x_label="x", y_label="y", y_range=(0, 1))
    heights = set(re.findall(r'class="mark s0" d="M[\d.]+ ([\d.]+)a', drawn))
    assert len(heights) == 3
