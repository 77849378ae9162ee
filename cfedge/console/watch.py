"""What was answered over time, as charts: answers a minute and the share of unknown ones, and whether
the inputs are still those that the certificates are about. Pure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cfedge.charts import Markup, Series, line_chart, percent
from cfedge.kept.records import Counted
from cfedge.runtime.drift_counter import Counter

__all__ = ["charts", "counters_as_json", "summed"]

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
