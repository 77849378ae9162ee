"""Texts that carry several labels: they are learned from, and told."""

from __future__ import annotations

import dataclasses

from cfedge.inputs.text.data import folded
from cfedge.train.examples import Examples
from cfedge.train.rows import Table

__all__ = ["conflicts", "with_conflicts"]


def conflicts(table: Table) -> dict[str, list[int]]:
    """Return the positions of the rows of each text that has several labels, by the text but for
    case and spaces.
    """
    first: dict[int, int] = {}
    found: dict[str, list[int]] = {}
    for row, text in enumerate(table.texts):
        key = folded(text)
        before = first.setdefault(hash(key), row)  # a number a text, not each text once more
        if table.labels[before] != table.labels[row] and folded(table.texts[before]) == key:
            found.setdefault(key, [before]).append(row)
    return found


def with_conflicts(examples: Examples, table: Table) -> Examples:
    """Add a note of the texts that carry several labels, where there are any."""
    found = conflicts(table)
    if not found:
        return examples
    rows = next(iter(found.values()))
    labels = " and ".join(repr(label) for label in dict.fromkeys(table.labels[row] for row in rows))
    texts = "1 text carries" if len(found) == 1 else f"{len(found)} texts carry"
    note = (
        f"{texts} several labels; the first is {table.texts[rows[0]]!r} ({labels}, {table.unit}s"
        f" {table.numbers[rows[0]]} and {table.numbers[rows[1]]}); they are learned from and never"
        " held out, so what the held-out examples say is of the others alone"
    )
    return dataclasses.replace(examples, notes=(*examples.notes, note))
