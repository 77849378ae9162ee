"""Values inside of values as columns of their own: ``{"answer": {"intent": "heat"}}`` has a column
``answer.intent``. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cfedge.doors.columns import same

__all__ = ["leaves", "with_leaves"]

#: Objects in one another that are looked into.
_DEEP = 4


def with_leaves(row: Mapping[str, Any], columns: tuple[str, ...]) -> Mapping[str, Any]:
    """Return a row that has all columns as it is, and another one by its `leaves`."""
    if {same(name) for name in columns} <= {same(name) for name in row}:
        return row
    return leaves(row)


def leaves(row: Mapping[str, Any], deep: int = _DEEP) -> dict[str, Any]:
    """Return a row's values, and those of objects in it under names with dots."""
    found: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, dict) and value and deep:
            found |= {f"{name}.{inner}": one for inner, one in leaves(value, deep - 1).items()}
        else:
            found[name] = value
    return found
