"""What was answered over time, as charts: answers a minute and the share of unknown ones, and whether
the inputs are still those that the certificates are about. Pure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cfedge.charts import Markup, Series, line_chart, percent
from cfedge.kept.records import Counted
from cfedge.report.alarm_curve import Curves, alarm_curve
from cfedge.runtime.drift import spent_by_each
from cfedge.runtime.drift_counter import Counter, pressure
from cfedge.runtime.drift_file import THIN

__all__ = ["charts", "counters_as_json", "drift_curves", "drift_drawn", "reached", "summed"]

#: Points of a line: what is longer is summed up.
_POINTS = 120
_SERIES = 7


def summed(rows: Iterable[Counted], now_minute: int, minutes: int) -> list[dict[str, Any]]:
    """Return the time in equal steps, each with its answers, unknown and thin ones, by task.

    Parameters
    ----------
    minutes
        How far back from now.
    """
    step = max(1, -(-minutes // _POINTS))
    steps = -(-minutes // step)
    first = now_minute - steps * step + 1
    found: list[dict[str, Any]] = [
        {"ago": -(steps - 1 - at) * step, "minutes": step, "tasks": {}} for at in range(steps)
    ]
    for row in rows:
        at = (row.minute - first) // step
        if 0 <= at < steps:
            tasks = found[at]["tasks"]
            before = tasks.get(row.task, (0, 0, 0))
            counts = (row.answers, row.unknown, row.thin)
            tasks[row.task] = tuple(a + b for a, b in zip(before, counts, strict=True))
    return found


def charts(steps: Sequence[Mapping[str, Any]]) -> dict[str, Markup]:
    """Draw answers a minute, and the share of unknown inputs by task; tasks beyond the busiest few
    are drawn as one.
    """
    total: defaultdict[str, int] = defaultdict(int)
    for step in steps:
        for task, counts in step["tasks"].items():
            total[task] += counts[0]
    busiest = sorted(total, key=lambda task: (-total[task], task))[:_SERIES]
    x = [step["ago"] / 60 for step in steps]
    a_minute = [sum(c[0] for c in step["tasks"].values()) / step["minutes"] for step in steps]
    series = [
        Series(task, x, [_share(step["tasks"].get(task)) for step in steps]) for task in busiest
    ]
    return {
        "answers": line_chart(
            [Series("answers", x, a_minute, steps=True)],
            title="Answers a minute",
            x_label="hours from now",
            y_label="answers a minute",
            height=200,
        ),
        "unknown": line_chart(
            series or [Series("none yet", x, [0.0] * len(x))],
            title="Share of inputs called unknown, by the task that they were nearest to",
            x_label="hours from now",
            y_label="called unknown",
            y_format=percent,
            y_range=(0.0, 1.0),
            height=240,
        ),
    }


def drift_curves(
    steps: Sequence[Mapping[str, Any]], counters: Mapping[str, Counter], alpha: float
) -> Curves:
    """Return how near an alarm the counts of this time are, were counting begun at its beginning: of
    every task what was called unknown, of all together the thin margins.

    Parameters
    ----------
    steps
        As of `summed`.
    counters
        Of the bundle that answers (`cfedge.runtime.drift.Monitor.counters`): what was promised.
    """
    each = spent_by_each(alpha, len(counters) - 1)
    x = [step["ago"] / 60 for step in steps]
    curves: dict[str, tuple[Sequence[float], Sequence[float]]] = {}
    for name, counter in counters.items():
        seen = [_seen(step["tasks"], name) for step in steps]
        if any(inputs for inputs, _ in seen):
            curves[name] = x, pressure(seen, counter.bound, each)
    return curves


def drift_drawn(curves: Curves, alpha: float) -> Markup:
    """Draw what `drift_curves` returns."""
    return alarm_curve(curves, alpha=alpha, x_label="hours from now")


def reached(curves: Curves) -> list[str]:
    """Return the counters that reached an alarm."""
    return [name for name, (_, near) in curves.items() if max(near, default=0.0) >= 1]


def _seen(tasks: Mapping[str, Sequence[int]], counter: str) -> tuple[int, int]:
    """What a counter saw in one step: inputs, and hits among them."""
    if counter == THIN:
        return sum(one[0] for one in tasks.values()), sum(one[2] for one in tasks.values())
    inputs, unknown, _ = tasks.get(counter, (0, 0, 0))
    return inputs, unknown


def _share(counts: Sequence[int] | None) -> float:
    return counts[1] / counts[0] if counts and counts[0] else float("nan")


def counters_as_json(counters: Mapping[str, Counter], alpha: float) -> dict[str, Any]:
    """Return the monitor's counters as JSON types."""
    rows = [
        {
            "name": name,
            "inputs": one.inputs,
            "hits": one.hits,
            "bound": one.bound,
            "alarmed": one.alarmed,
        }
        for name, one in counters.items()
    ]
    return {"alpha": alpha, "rows": rows}
