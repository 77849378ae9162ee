"""Counts in bins, such as times of answers: bars over their edges, with percentiles as limits."""

from __future__ import annotations

from collections.abc import Sequence

from cfedge.charts.frame import WIDTH, Area, drawing, label, x_axis, y_axis
from cfedge.charts.lines import Mark
from cfedge.charts.markup import Markup, element, escape
from cfedge.charts.scale import Format, Scale, number

__all__ = ["bar_chart"]


def bar_chart(
    edges: Sequence[float],
    counts: Sequence[float],
    *,
    title: str,
    x_label: str,
    y_label: str,
    x_format: Format = number,
    marks: Sequence[Mark] = (),
    cursor: float | None = None,
    logarithmic_x: bool = False,
    height: float = 260,
) -> Markup:
    """Draw a histogram: bar i reaches from edges[i] to edges[i + 1] and is counts[i] high.

    Parameters
    ----------
    edges
        Ascending, one more than counts.
    marks
        Values drawn across the plot, such as percentiles.
    cursor
        Where the line ``.cursor`` stands at first; None: there is none.
    """
    area = Area(56, WIDTH - 20, 30, height - 48)
    across = Scale(edges[0], edges[-1], area.left, area.right, logarithmic=logarithmic_x)
    up = Scale(0.0, max([*counts, 1e-9]) * 1.05, area.bottom, area.top)
    parts = [
        y_axis(up, area, number, y_label, ticks=4),
        x_axis(across, area, x_format, x_label),
        *(
            element(
                "rect",
                element("title", _bin(edges[place], edges[place + 1], count, x_format)),
                class_="bar s0",
                x=across(edges[place]) + 0.5,
                y=up(count),
                width=max(0.5, across(edges[place + 1]) - across(edges[place]) - 1),
                height=area.bottom - up(count),
            )
            for place, count in enumerate(counts)
            if count > 0
        ),
    ]
    for place, mark in enumerate(marks):
        parts += _marked(mark, place, across(mark.value), area)
    if cursor is not None:
        x = across(cursor)
        parts.append(element("line", class_="cursor", x1=x, x2=x, y1=area.top, y2=area.bottom))
    return drawing(
        *parts, title=title, height=height,
        data_x0=repr(float(edges[0])), data_x1=repr(float(edges[-1])), data_left=area.left, data_right=area.right, data_log=int(logarithmic_x),
    )  # fmt: skip


def _bin(low: float, high: float, count: float, shown: Format) -> Markup:
    return escape(f"{shown(low)} to {shown(high)}: {number(count)}")


def _marked(mark: Mark, place: int, x: float, area: Area) -> list[Markup]:
    """A line across the plot and its name, each a little lower than the one before."""
    right = x > area.right - 120
    return [
        element("line", class_="limit", x1=x, x2=x, y1=area.top, y2=area.bottom),
        label(
            mark.name,
            x + (-5 if right else 5),
            area.top + 10 + 16 * place,
            anchor="end" if right else "start",
            kind="note",
        ),
    ]
