"""Held-out inputs that are nearly the same as one that is learned from: they ask of a task what it has
nearly seen.
"""

from __future__ import annotations

from cfedge.inputs import reader
from cfedge.inputs.modality import Input
from cfedge.train.examples.examples import Examples

__all__ = ["are_many", "near_each_other", "near_learned"]

#: Share from which near inputs are told of.
_MANY = 0.05


def are_many(near: int, among: int) -> bool:
    """Whether so many near inputs are worth a word."""
    return near >= max(2, _MANY * among)


def near_learned(examples: Examples, held_out: Examples) -> list[int]:
    """Return the rows of `held_out` that are nearly, but not wholly, the same as one of the examples
    of their label.
    """
    known, found = set(examples.keys), list[int]()
    learned: dict[str, list[Input]] = {label: [] for label in held_out.classes}
    for value, label in zip(examples.inputs, examples.labels, strict=True):
        if label in learned:
            learned[label].append(value)
    asked: dict[str, list[int]] = {}
    for row, (key, label) in enumerate(zip(held_out.keys, held_out.labels, strict=True)):
        if key not in known:
            asked.setdefault(label, []).append(row)
    for label, rows in asked.items():
        alike = reader(examples.kind).near([held_out.inputs[row] for row in rows], learned[label])
        found += [row for row, is_near in zip(rows, alike, strict=True) if is_near]
    return sorted(found)


def near_each_other(examples: Examples) -> list[int]:
    """Return the rows that are nearly, but not wholly, the same as another row of their label."""
    by_label: dict[str, dict[str, int]] = {}
    for row, (key, label) in enumerate(zip(examples.keys, examples.labels, strict=True)):
        by_label.setdefault(label, {}).setdefault(key, row)
    found: list[int] = []
    for first in by_label.values():
        rows = list(first.values())
        alike = reader(examples.kind).near([examples.inputs[row] for row in rows])
        found += [row for row, is_near in zip(rows, alike, strict=True) if is_near]
    return sorted(found)
