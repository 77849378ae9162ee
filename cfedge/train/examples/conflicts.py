"""Inputs that carry several labels: they are learned from, and told."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from cfedge.counted import counted
from cfedge.inputs import reader
from cfedge.train.examples.examples import Examples
from cfedge.train.examples.rows import Table

__all__ = ["conflicts", "labels_of", "with_conflicts"]

#: Labels that are named.
_MOST = 3


def conflicts(table: Table) -> dict[str, list[int]]:
    """Return the positions of the rows of each input that has several labels, by the input's
    key.
    """
    key_of = reader(table.kind).key
    first: dict[int, int] = {}
    found: dict[str, list[int]] = {}
    for row, value in enumerate(table.inputs):
        key = key_of(value)
        before = first.setdefault(hash(key), row)  # a number an input, not each key once more
        if table.labels[before] != table.labels[row] and key_of(table.inputs[before]) == key:
            found.setdefault(key, [before]).append(row)
    return found


def with_conflicts(examples: Examples, table: Table) -> Examples:
    """Add a note of the inputs that carry several labels, where there are any."""
    found = conflicts(table)
    if not found:
        return examples
    rows = next(iter(found.values()))
    labels = labels_of(table, rows)
    carried = counted(len(found), f"{table.kind} carries", f"{table.kind}s carry")
    note = (
        f"{carried} several labels; the first is {str(table.inputs[rows[0]])!r:.200} ({labels},"
        f" {table.unit}s {table.numbers[rows[0]]} and {table.numbers[rows[1]]}); they are"
        " learned from and never held out, so what the held-out examples say is of the others alone"
    )
    return dataclasses.replace(examples, notes=(*examples.notes, note))


def labels_of(table: Table, rows: Sequence[int]) -> str:
    """Return how a sentence names the labels of some rows: the first of them, and how many more."""
    names = list(dict.fromkeys(table.labels[row] for row in rows))
    more = [f"{len(names) - _MOST} more"] if len(names) > _MOST else []
    return " and ".join([f"{name!r:.60}" for name in names[:_MOST]] + more)
