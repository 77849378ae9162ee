"""Measured shares with their bounds, a row for each thing: a marker at what was measured, a bar up to
the bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cfedge.charts.frame import (
    WIDTH,
    Area,
    drawing,
    label,
    legend,
    marker,
    x_axis,
)
from cfedge.charts.lettering import words_width
from cfedge.charts.markup import Markup, element, join
from cfedge.charts.scale import Format, Scale, percent
from cfedge.charts.style import SERIES

__all__ = ["IntervalRow", "Span", "interval_chart"]

#: Pixels that a row's name may take, and its note.
_NAME, _NOTE = 190.0, 240.0


@dataclass(frozen=True)
class Span:
    """What was measured, and the interval that it is held against: of the true value, or of what was
    promised, which the value may exceed.
    """

    value: float
    high: float
    low: float = 0.0


@dataclass(frozen=True)
class IntervalRow:
    """A row: its name, a span for each series (None where there is none), and a note at the right."""

    name: str
    spans: tuple[Span | None, ...]
    note: str = ""


def interval_chart(
    rows: Sequence[IntervalRow],
    *,
    title: str,
    x_label: str,
    series: Sequence[str] = (),
    shown: Format = percent,
) -> Markup:
    """Draw every row's spans, in the order given, from the top.

    Parameters
    ----------
    rows
        At least one; all with as many spans as there are series.
    series
        Names of the spans, for the legend; none is drawn for a single series without a name.
    """
    left = 14 + min(_NAME, max((words_width(row.name) for row in rows), default=0.0))
    notes = min(_NOTE, max((words_width(row.note) for row in rows), default=0.0))
    head, top = legend(series, left, 16) if series else (Markup(""), 8.0)
    count = max((len(row.spans) for row in rows), default=1)
    step = 14.0 + 12 * count
    area = Area(left, WIDTH - 16 - notes, top, top + step * max(1, len(rows)))
    highest = max(
        (max(span.value, span.high) for row in rows for span in row.spans if span), default=0.0
    )
    scale = Scale(0.0, max(highest * 1.04, 1e-9), area.left, area.right)
    parts = [head, x_axis(scale, area, shown, x_label, ticks=5)]
    for place, row in enumerate(rows):
        middle = area.top + step * (place + 0.5)
        parts.append(label(row.name, left - 8, middle + 4, anchor="end", within=_NAME))
        if row.note:
            parts.append(label(row.note, area.right + 12, middle + 4, kind="tick", within=_NOTE))
        for which, span in enumerate(row.spans):
            if span is not None:
                y = middle + 12 * (which - (count - 1) / 2)
                parts.append(_span(which, span, scale, y))
    return drawing(*parts, title=title, height=area.bottom + 48)


def _span(series: int, span: Span, scale: Scale, y: float) -> Markup:
    start, end = scale(span.low), scale(span.high)
    bound = element(
        "line", class_=f"end s{series % SERIES}", x1=end, x2=end, y1=y - 5.5, y2=y + 5.5
    )
    return join(
        [
            element(
                "rect",
                class_=f"span s{series % SERIES}",
                x=start,
                y=y - 3.5,
                width=max(0.0, end - start),
                height=7,
                rx=2,
            ),
            *([bound] if span.high != span.value else []),
            marker(series, scale(span.value), y),
        ]
    )
