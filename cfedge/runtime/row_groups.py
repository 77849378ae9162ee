"""Which rows share a run of trunk or tail."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence

from cfedge.bundle.manifest import Backbone

__all__ = ["ROWS_MEET", "grouped", "most_rows"]

#: Schemes whose graphs give a row an answer that depends on the rows it shares a run with, or may.
ROWS_MEET = frozenset({"as-given", "int8-dynamic"})

#: Rows of one run: enough to fill the CPU, few enough to bound memory.
_ROWS = 32
#: Of one run: 32 inputs of 128 positions in one run take MiniLM's trunk 97 MB, 8 take 19 MB, and
#: no longer.
_POSITIONS = 1024


def most_rows(backbone: Backbone) -> int:
    """Return how many rows a run may have."""
    return 1 if backbone.scheme in ROWS_MEET else _ROWS


def grouped(keys: Sequence[Hashable], positions: Sequence[int], most: int) -> list[list[int]]:
    """Return rows with equal keys together, at most `most` in a group, of `_POSITIONS` in all."""
    groups: defaultdict[Hashable, list[int]] = defaultdict(list)
    for row, key in enumerate(keys):
        groups[key].append(row)
    found = []
    for rows in groups.values():
        step = max(1, min(most, _POSITIONS // max(1, positions[rows[0]])))
        found += [rows[start : start + step] for start in range(0, len(rows), step)]
    return found
