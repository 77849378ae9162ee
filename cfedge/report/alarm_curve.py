"""How near an alarm the counters came, as lines: the report's over inputs, the console's over time.
Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cfedge.charts import Mark, Markup, Series, line_chart, percent

__all__ = ["Curves", "alarm_curve"]

#: Lines of a chart, those that came nearest.
_LINES = 7

#: By counter x and y, the share of what raises an alarm.
Curves = Mapping[str, tuple[Sequence[float], Sequence[float]]]


def alarm_curve(curves: Curves, *, alpha: float, x_label: str, height: float = 240) -> Markup:
    """Draw the counters that came nearest an alarm.

    Parameters
    ----------
    curves
        By counter as many x, ascending, as y (`cfedge.runtime.drift_counter.pressure`).
    alpha
        The probability of ever raising a false alarm.
    """
    nearest = sorted(curves, key=lambda name: (-max(curves[name][1], default=0.0), name))[:_LINES]
    series = [Series(name, *curves[name], steps=True) for name in nearest if curves[name][0]]
    most = max((max(one.y, default=0.0) for one in series), default=0.0)
    return line_chart(
        series or [Series("none yet", [0.0, 1.0], [0.0, 0.0])],
        title="How near the counts are to an alarm",
        x_label=x_label,
        y_label="of what raises an alarm",
        y_format=percent,
        y_range=(0.0, max(1.1, most * 1.1)),
        y_marks=[Mark(1.0, f"alarm (ever false: {percent(alpha)} at most)")],
        height=height,
    )
