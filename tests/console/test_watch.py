from __future__ import annotations

import math

from cfedge.console.watch import (
    charts,
    counters_as_json,
    drift_curves,
    drift_drawn,
    reached,
    summed,
)
from cfedge.kept.records import Counted
from cfedge.runtime.drift_counter import Counter


def test_minutes_are_summed_up_in_equal_steps() -> None:
    rows = [Counted(1_000, "a", 4, 1, 0), Counted(999, "a", 2, 0, 1), Counted(880, "a", 9, 9, 9)]
    steps = summed(rows, 1_000, 120)
    assert len(steps) == 120
    assert steps[-1] == {"ago": 0, "minutes": 1, "tasks": {"a": (4, 1, 0)}}
    assert steps[-2]["tasks"] == {"a": (2, 0, 1)}
    assert sum(len(step["tasks"]) for step in steps) == 2
    week = summed(rows, 1_000, 7 * 24 * 60)
    assert len(week) == 120
    assert week[-1]["tasks"]["a"][0] == 6
    assert week[0]["ago"] == -119 * 84


def test_charts_draw_the_busiest_tasks_and_escape_their_names() -> None:
    rows = [Counted(1_000, f"t{n}<b>", n + 1, n, 0) for n in range(12)]
    drawn = charts(summed(rows, 1_000, 60))
    assert "<b>" not in drawn["unknown"]
    assert "t11&lt;b&gt;" in drawn["unknown"]
    assert "t0&lt;b&gt;" not in drawn["unknown"]
    assert "nan" not in drawn["unknown"]
    none = charts(summed([], 5, 60))["answers"]
    assert none.startswith("<svg")
    assert ">0.6</text>" in none  # from 0 to 1: there are no fewer answers than none


def test_counters_say_their_bound_and_their_alarm() -> None:
    found = counters_as_json({"a": Counter(0.1, inputs=3, hits=1)}, 0.01)
    assert found == {
        "alpha": 0.01,
        "rows": [{"name": "a", "inputs": 3, "hits": 1, "bound": 0.1, "alarmed": None}],
    }
    assert not math.isnan(found["rows"][0]["bound"])


def test_drift_is_a_line_by_time_against_what_is_promised() -> None:
    """Forty answers a minute: for an hour 5 % are unknown, then half of them."""
    rows = [
        Counted(1_000 - ago, "a<b>", 40, 20 if ago < 30 else 2, 0) for ago in range(60)
    ]  # fmt: skip
    steps = summed(rows, 1_000, 60)
    counters = {"a<b>": Counter(0.1), "quiet": Counter(0.1), "thin margins": Counter(0.4)}
    curves = drift_curves(steps, counters, 0.01)
    drawn = drift_drawn(curves, 0.01)
    assert reached(curves) == ["a<b>"]
    assert "<b>" not in drawn
    assert "a&lt;b&gt;" in drawn
    assert "quiet" not in drawn
    assert "alarm (ever false: 1% at most)" in drawn
    calm = drift_curves(summed(rows[30:], 1_000, 60), counters, 0.01)
    assert reached(calm) == []
    assert drift_drawn(calm, 0.01) != drawn
    nothing = drift_curves(summed([], 1_000, 60), counters, 0.01)
    assert drift_drawn(nothing, 0.01).startswith("<svg")
