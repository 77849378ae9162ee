"""Where names stand on a map: near their own point, over no marker and no other name where there is
room. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["Box", "place_names"]

#: Of a line of letters, in pixels, and between a name and its point.
_LINE, _GAP = 16.0, 9.0
#: Lines that a name may move up and down.
_LINES = 4
#: What covers another name counts as so many markers; and so many pixels from its point as one: a
#: name far away would be read as its neighbours'.
_NAME, _AS_ONE = 100, 20.0


class Box(NamedTuple):
    """A name's or marker's middle, and its sizes, in pixels."""

    x: float
    y: float
    width: float
    height: float

    def meets(self, other: Box) -> bool:
        """Whether the two have a pixel in common."""
        return (
            abs(self.x - other.x) < (self.width + other.width) / 2
            and abs(self.y - other.y) < (self.height + other.height) / 2
        )


def place_names(
    wanted: Sequence[tuple[float, float, float]], markers: Sequence[Box], area: Box
) -> list[Box]:
    """Return where each name stands.

    Of the places around its point it gets the one that covers fewest names, then the one that
    covers few markers and is not far; of equal ones over the point, under it, or beside it.

    Parameters
    ----------
    wanted
        Of each name x and y of its point, and its width.
    markers
        What should stay in sight.
    area
        That no name leaves.
    """
    placed: list[Box] = []
    for x, y, width in wanted:
        places = [_within(box, area) for box in _places(x, y, width)]
        reach = Box(x, y, 4 * width + 8 * _GAP, 4 * (_LINES + 2) * _LINE)
        near = [marker for marker in markers if marker.meets(reach)]
        placed.append(min(places, key=lambda box: _cost(box, (x, y), placed, near)))
    return placed


def _places(x: float, y: float, width: float) -> list[Box]:
    """Places around a point, the best first."""
    beside = width / 2 + _GAP
    found = [(0.0, -1.0), (0.0, 1.0), (beside, 0.0), (-beside, 0.0)]
    found += [(side, up) for up in (-1.0, 1.0) for side in (beside, -beside)]
    for lines in range(2, _LINES + 1):
        found += [(side, up * lines) for up in (-1, 1) for side in (0.0, beside, -beside)]
    return [
        Box(x + right, y + down * _LINE + (_GAP - 4) * ((down > 0) - (down < 0)), width, _LINE)
        for right, down in found
    ]


def _within(box: Box, area: Box) -> Box:
    across, along = (area.width - box.width) / 2, (area.height - box.height) / 2
    return box._replace(
        x=min(max(box.x, area.x - across), area.x + across),
        y=min(max(box.y, area.y - along), area.y + along),
    )


def _cost(
    box: Box, point: tuple[float, float], names: Sequence[Box], markers: Sequence[Box]
) -> float:
    covered = _NAME * sum(map(box.meets, names)) + sum(map(box.meets, markers))
    return covered + math.hypot(box.x - point[0], box.y - point[1]) / _AS_ONE
