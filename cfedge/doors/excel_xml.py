"""What openpyxl does not tell of a workbook that is read row by row: which cells are merged, and
whether formulas were never calculated. Read from the sheet's XML, once more.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["Layout", "Merged", "layout"]

_PIECE, _ACROSS = 1 << 20, 256
#: <f>A1+1</f><v></v>
_UNCALCULATED = re.compile(rb"</(?:\w+:)?f>\s*(?:<v>\s*</v>|<v\s*/>|</(?:\w+:)?c>)")
#: <mergeCell ref="B2:B4"/>
_MERGED = re.compile(rb'<(?:\w+:)?mergeCell [^>]*?ref="([A-Z]{1,3})(\d{1,7}):[A-Z]{1,3}(\d{1,7})"')


class Merged(NamedTuple):
    """A cell that covers several rows: its column, from 0, and the last of the rows."""

    column: int
    last: int


class Layout(NamedTuple):
    """Merged cells that cover several rows, by the first of these; and whether there are formulas
    without a value, as programs write that do not calculate.
    """

    merged: Mapping[int, list[Merged]]
    uncalculated: bool


def layout(sheet: Any) -> Layout:
    """Return what a sheet's XML says, which is read piece by piece: a match may lie across two."""
    merged: dict[int, list[Merged]] = {}
    uncalculated = False
    with sheet._get_source() as file:
        rest = b""
        while piece := file.read(_PIECE):
            data, end = rest + piece, 0
            uncalculated = uncalculated or _UNCALCULATED.search(data) is not None
            for match in _MERGED.finditer(data):
                end = match.end()
                letters, first, last = match.groups()
                if int(last) > int(first):
                    merged.setdefault(int(first), []).append(Merged(_place(letters), int(last)))
            rest = data[max(end, len(data) - _ACROSS) :]
    return Layout(merged, uncalculated)


def _place(letters: bytes) -> int:
    place = 0
    for letter in letters:
        place = place * 26 + letter - 64
    return place - 1
