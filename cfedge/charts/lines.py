"""Lines over a common axis, with limits as dashed lines and a cursor that a script may move."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from cfedge.charts.frame import WIDTH, Area, drawing, label, legend, marker, x_axis, y_axis
from cfedge.charts.markup import Markup, element, join
from cfedge.charts.scale import Format, Scale, number
from cfedge.charts.style import SERIES

__all__ = ["Mark", "Series", "line_chart"]


@dataclass(frozen=True)
class Series:
    """A line: a name, and as many x (ascending) as y; what is no number leaves a gap.

    Attributes
    ----------
    steps
        Whether a value holds until the next x.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    steps: bool = False


@dataclass(frozen=True)
class Mark:
    """A value that the axis is measured against, such as a limit: a dashed line with its name."""

    value: float
    name: str


def line_chart(
    series: Sequence[Series],
    *,
    title: str,
    x_label: str,
    y_label: str,
    x_format: Format = number,
    y_format: Format = number,
    x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None,
    x_marks: Sequence[Mark] = (),
    y_marks: Sequence[Mark] = (),
    cursor: float | None = None,
    logarithmic_x: bool = False,
    height: float = 300,
) -> Markup:
    """Draw lines in one plot.

    Parameters
    ----------
    x_range, y_range
        Ends of the axes; None: of the values, and y from 0.
    x_marks, y_marks
        Limits, drawn across the plot.
    cursor
        Where the line ``.cursor`` stands at first; None: there is none.
    logarithmic_x
        Whether equal ratios are equally long; then every x is above 0.
    """
    x_low, x_high = x_range or _range([x for one in series for x in one.x])
    y_low, y_high = y_range or _upward([y for one in series for y in one.y], y_marks)
    head, top = (
        legend([one.name for one in series], 56, 16) if len(series) > 1 else (Markup(""), 10.0)
    )
    area = Area(56, WIDTH - 20, top + 20, top + height - 48)
    across = Scale(x_low, x_high, area.left, area.right, logarithmic=logarithmic_x)
    up = Scale(y_low, y_high, area.bottom, area.top)
    parts = [
        head,
        x_axis(across, area, x_format, x_label),
        y_axis(up, area, y_format, y_label),
        _limits(x_marks, y_marks, across, up, area),
        *(_line(place, one, across, up) for place, one in enumerate(series)),
    ]
    if cursor is not None:
        x = across(cursor)
        parts.append(element("line", class_="cursor", x1=x, x2=x, y1=area.top - 6, y2=area.bottom))
    return drawing(
        *parts, title=title, height=top + height,
        data_x0=repr(float(x_low)), data_x1=repr(float(x_high)), data_left=area.left, data_right=area.right, data_log=int(logarithmic_x),
    )  # fmt: skip


def _line(place: int, one: Series, across: Scale, up: Scale) -> Markup:
    """Draw one line, with markers on it."""
    commands, before = [], False
    for x, y in zip(one.x, one.y, strict=True):
        known = math.isfinite(x) and math.isfinite(y)
        if known:
            here = f"{across(x):.1f} {up(y):.1f}"
            if before and one.steps:
                commands.append(f"H{across(x):.1f}V{up(y):.1f}")
            else:
                commands.append(f"{'L' if before else 'M'}{here}")
        before = known
    path = element("path", class_=f"line s{place % SERIES}", d="".join(commands) or "M0 0")
    marks = [marker(place, across(one.x[at]), up(one.y[at]), 3.5) for at in _marked(one)]
    return join([path, *marks])


def _marked(one: Series) -> list[int]:
    """Return where markers stand: on some nine values, and on each between two gaps, which no line
    shows.
    """
    every = max(1, math.ceil(len(one.x) / 9))
    known = [math.isfinite(x) and math.isfinite(y) for x, y in zip(one.x, one.y, strict=True)]
    around = [False, *known, False]
    return [
        at
        for at, there in enumerate(known)
        if there and (at % every == every // 2 or not (around[at] or around[at + 2]))
    ]


def _limits(
    x_marks: Sequence[Mark], y_marks: Sequence[Mark], across: Scale, up: Scale, area: Area
) -> Markup:
    parts = []
    for place, mark in enumerate(x_marks):
        x = across(mark.value)
        inside = x < (area.left + area.right) / 2
        parts.append(element("line", class_="limit", x1=x, x2=x, y1=area.top, y2=area.bottom))
        parts.append(
            label(
                mark.name,
                x + (5 if inside else -5),
                area.top + 12 + 16 * place,
                anchor="start" if inside else "end",
                kind="note",
            )
        )
    for mark in y_marks:
        y = up(mark.value)
        parts.append(element("line", class_="limit", x1=area.left, x2=area.right, y1=y, y2=y))
        parts.append(label(mark.name, area.right, y - 5, anchor="end", kind="note"))
    return join(parts)


def _range(values: Sequence[float]) -> tuple[float, float]:
    known = [value for value in values if math.isfinite(value)]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _upward(values: Sequence[float], marks: Sequence[Mark]) -> tuple[float, float]:
    known = [one for one in (*values, *(mark.value for mark in marks)) if math.isfinite(one)]
    if not any(known):
        return 0.0, 1.0  # nothing but zeros: the line lies on the axis
    low, high = _range(known)
    low = min(0.0, low)
    return low, high + (high - low) * 0.04
