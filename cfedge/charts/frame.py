"""What all charts have in common: the SVG element, axes with grid and names, markers, a legend.

Pixels are those of the view box; the stylesheet lets the picture shrink with the page.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from cfedge.charts.lettering import fitted, words_width
from cfedge.charts.markup import Markup, element, escape, join, shortened
from cfedge.charts.scale import Format, Scale
from cfedge.charts.style import SERIES

__all__ = [
    "Area",
    "WIDTH",
    "drawing",
    "label",
    "legend",
    "marker",
    "x_axis",
    "y_axis",
]

#: Of a chart, in pixels of its view box.
WIDTH = 720.0
#: Pixels that a label may take, and a name in a legend.
_LABEL, _LEGEND = 440.0, 300.0


@dataclass(frozen=True)
class Area:
    """Where the plot lies: pixels from the left and the top of the view box."""

    left: float
    right: float
    top: float
    bottom: float


def drawing(
    *inside: Markup, title: str, height: float, width: float = WIDTH, **data: str | float
) -> Markup:
    """Return the SVG element: one image, with the title as its name for screen readers."""
    return element(
        "svg",
        *inside,
        class_="chart",
        viewBox=f"0 0 {width:g} {height:g}",
        width=width,
        height=height,
        role="img",
        aria_label=title,
        **data,
    )


def label(
    words: str,
    x: float,
    y: float,
    *,
    anchor: str = "start",
    kind: str = "label",
    within: float = _LABEL,
) -> Markup:
    """Return a line of words; one that is wider than `within` pixels is cut, and whole in its
    tooltip.
    """
    shown = fitted(words, within)
    inside = [escape(shown)]
    if shown != words:
        inside.append(element("title", escape(shortened(words, 500))))
    return element("text", *inside, class_=kind, x=x, y=y, text_anchor=anchor)


def x_axis(scale: Scale, area: Area, shown: Format, name: str, *, ticks: int = 6) -> Markup:
    """Return the horizontal axis under the plot: grid, ticks, and what it measures."""
    parts = []
    for value in scale.ticks(ticks):
        x = scale(value)
        parts.append(element("line", class_="grid", x1=x, x2=x, y1=area.top, y2=area.bottom))
        parts.append(label(shown(value), x, area.bottom + 17, anchor="middle", kind="tick"))
    parts.append(
        element("line", class_="axis", x1=area.left, x2=area.right, y1=area.bottom, y2=area.bottom)
    )
    parts.append(
        label(name, (area.left + area.right) / 2, area.bottom + 37, anchor="middle", within=WIDTH)
    )
    return join(parts)


def y_axis(scale: Scale, area: Area, shown: Format, name: str, *, ticks: int = 5) -> Markup:
    """Return the vertical axis left of the plot; its name stands above it, to be read level."""
    parts = []
    for value in scale.ticks(ticks):
        y = scale(value)
        parts.append(element("line", class_="grid", x1=area.left, x2=area.right, y1=y, y2=y))
        parts.append(label(shown(value), area.left - 8, y + 4, anchor="end", kind="tick"))
    parts.append(label(name, 4.0, area.top - 12, within=WIDTH))
    return join(parts)


def marker(series: int, x: float, y: float, size: float = 4.5) -> Markup:
    """Return the marker of a series: its colour, and one of six shapes."""
    return element("path", class_=f"mark s{series % SERIES}", d=_outline(series, x, y, size))


def _outline(series: int, x: float, y: float, size: float) -> str:
    # The next round of colours takes the next shapes, so that no two of the first 48 look alike.
    shape = (series + series // SERIES) % 6
    if shape == 0:
        return f"M{x - size:.1f} {y:.1f}a{size} {size} 0 1 0 {2 * size} 0a{size} {size} 0 1 0 {-2 * size} 0z"
    sides, turn, factor = {
        1: (4, math.pi / 4, 1.2),
        2: (3, -math.pi / 2, 1.3),
        3: (4, 0.0, 1.3),
        4: (3, math.pi / 2, 1.3),
        5: (6, 0.0, 1.15),
    }[shape]
    corners = (
        (x + size * factor * math.cos(angle), y + size * factor * math.sin(angle))
        for angle in (turn + 2 * math.pi * side / sides for side in range(sides))
    )
    return "M" + "L".join(f"{corner_x:.1f} {corner_y:.1f}" for corner_x, corner_y in corners) + "z"


def legend(
    names: Sequence[str], left: float, y: float, *, right: float = WIDTH
) -> tuple[Markup, float]:
    """Return marker and name of every series in rows, and the y under the last row."""
    parts, x = [], left
    for series, name in enumerate(names):
        width = 30 + min(_LEGEND, words_width(name))
        if x > left and x + width > right:
            x, y = left, y + 19
        parts.append(marker(series, x + 6, y - 4))
        parts.append(label(name, x + 16, y, within=_LEGEND))
        x += width
    return join(parts), y + 19
