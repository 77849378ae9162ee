"""A map: points in the plane, grouped, with the group's name at its middle."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from cfedge.charts.frame import WIDTH, drawing, label, legend, marker
from cfedge.charts.lettering import words_width
from cfedge.charts.markup import Markup, element, escape, join, shortened
from cfedge.charts.placing import Box, place_names
from cfedge.charts.scale import Scale

__all__ = ["Point", "point_map"]

#: Groups up to which their names are drawn.
_NAMED = 24
#: Pixels that a group's name may take, before it is made bold.
_NAME = 180.0


@dataclass(frozen=True)
class Point:
    """A point: where it lies, its group, its name, and how much it stands for (its area).

    Attributes
    ----------
    ring
        Whether it is drawn as a ring on top of all: an input among clusters.
    """

    x: float
    y: float
    group: str
    name: str
    weight: float = 1.0
    ring: bool = False


def point_map(
    points: Sequence[Point],
    groups: Sequence[str],
    *,
    title: str,
    height: float = 480,
    names: bool = True,
) -> Markup:
    """Draw points with equal units along both axes; their axes have no meaning and are not drawn.

    Parameters
    ----------
    groups
        In the order of colours and markers; every point's group, but for rings, is one of them.
    names
        Whether each group's name stands among its points. Of more than 24 groups neither names nor a
        legend are drawn: every point tells its own in its tooltip.
    """
    few = len(groups) <= _NAMED
    head, top = legend(groups, 8, 16) if few else (Markup(""), 10.0)
    inner = height - top
    x_low, x_high = _ends([point.x for point in points])
    y_low, y_high = _ends([point.y for point in points])
    unit = min((WIDTH - 40) / (x_high - x_low), (inner - 30) / (y_high - y_low))
    half_x, half_y = unit * (x_high - x_low) / 2, unit * (y_high - y_low) / 2
    across = Scale(x_low, x_high, WIDTH / 2 - half_x, WIDTH / 2 + half_x)
    up = Scale(y_low, y_high, top + inner / 2 + half_y, top + inner / 2 - half_y)
    heaviest = max((point.weight for point in points), default=1.0) or 1.0
    parts = [
        element("rect", class_="plane", x=1, y=top - 6, width=WIDTH - 2, height=inner + 4, rx=6),
        head,
    ]
    for index, point in enumerate(points):
        if not point.ring:
            place = across(point.x), up(point.y)
            shape = marker(groups.index(point.group), *place, _size(point, heaviest))
            parts.append(_named(shape, point, index, few=few))
    if names and few:
        area = Box(WIDTH / 2, top + inner / 2 - 4, WIDTH - 8, inner)
        parts.append(_names(points, groups, across, up, heaviest=heaviest, area=area))
    for index, point in enumerate(points):
        if point.ring:
            ring = element("circle", class_="ring", cx=across(point.x), cy=up(point.y), r=9)
            parts.append(_named(ring, point, index, few=few))
    return drawing(*parts, title=title, height=height)


def _named(shape: Markup, point: Point, index: int, *, few: bool) -> Markup:
    said = escape(f"{shortened(point.group, 80)}: {shortened(point.name, 200)}")
    group = point.group if few else None
    return element(
        "g", element("title", said), shape, class_="point", data_group=group, data_index=index
    )


def _names(
    points: Sequence[Point],
    groups: Sequence[str],
    across: Scale,
    up: Scale,
    *,
    heaviest: float,
    area: Box,
) -> Markup:
    """Put every group's name near the point that lies nearest to all others of it."""
    markers = []
    for point in points:
        size = 18.0 if point.ring else 2.6 * _size(point, heaviest)
        markers.append(Box(across(point.x), up(point.y), size, size))
    named, wanted = [], []
    for group in groups:
        own = [point for point in points if point.group == group and not point.ring]
        if own:
            middle = _medoid(own)
            named.append(group)
            width = 1.1 * min(_NAME, words_width(group)) + 8
            wanted.append((across(middle.x), up(middle.y), width))
    return join(
        [
            label(group, box.x, box.y + 4, anchor="middle", kind="name", within=_NAME)
            for group, box in zip(named, place_names(wanted, markers, area), strict=True)
        ]
    )


def _size(point: Point, heaviest: float) -> float:
    return 2.5 + 4.0 * math.sqrt(max(0.0, point.weight) / heaviest)


def _medoid(points: Sequence[Point]) -> Point:
    some = points[:: max(1, len(points) // 60)]
    return min(
        points,
        key=lambda one: sum(math.hypot(one.x - other.x, one.y - other.y) for other in some),
    )


def _ends(values: Sequence[float]) -> tuple[float, float]:
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    return (low, high) if high > low else (low - 0.5, high + 0.5)
