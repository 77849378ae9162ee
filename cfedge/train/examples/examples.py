"""Labelled inputs in memory: `Examples`, what they are checked for, and how a part of them is held
out.

Where they come from is elsewhere (`cfedge.train.examples.data`), and so is what a label may be
(`cfedge.train.examples.labels`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from cfedge.errors import DataError
from cfedge.inputs import DEFAULT_KIND, reader
from cfedge.inputs.modality import Input
from cfedge.spelling import did_you_mean, folded
from cfedge.train.examples.groups import hold_out_groups, units
from cfedge.train.examples.labels import not_shared

__all__ = [
    "Examples",
    "LabelledData",
    "MOST_HELD_OUT",
    "check_labels",
    "not_learned",
    "repeated",
    "split_held_out",
    "unambiguous",
]

#: Examples that are held out where a share is: they bound an error to within half a point, and
#: every task's are looked up again when a task is added.
MOST_HELD_OUT = 10_000


@dataclass(frozen=True)
class Examples:
    """Inputs and their labels, as long as each other; `source` names them in errors.

    `notes` are what was assumed when they were read, for whoever asked; they are no part of the
    examples. `kind` is the inputs': a key of `cfedge.inputs.KINDS`. `groups` names of each input
    what it belongs to, such as a video or a person; empty where nothing is known.
    """

    inputs: tuple[Input, ...]
    labels: tuple[str, ...]
    source: str
    notes: tuple[str, ...] = field(default=(), compare=False)
    kind: str = DEFAULT_KIND
    groups: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def classes(self) -> tuple[str, ...]:
        """The distinct labels, sorted."""
        return tuple(sorted(set(self.labels)))

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """What equal inputs have in common, of each (`cfedge.inputs.reader.Reader.key`)."""
        return tuple(map(reader(self.kind).key, self.inputs))

    @cached_property
    def units(self) -> tuple[str, ...]:
        """What no split may cut through, of each: its key, or what it shares with others of its
        group (`cfedge.train.examples.groups`).
        """
        return tuple(units(self.keys, self.groups)) if self.groups else self.keys

    def take(self, rows: list[int]) -> Examples:
        """Return the examples at `rows`."""
        taken = Examples(
            tuple(self.inputs[row] for row in rows),
            tuple(self.labels[row] for row in rows),
            self.source,
            self.notes,
            self.kind,
            tuple(self.groups[row] for row in rows) if self.groups else (),
        )
        if "keys" in self.__dict__:
            taken.__dict__["keys"] = tuple(self.keys[row] for row in rows)
        return taken

    def joined(self, more: Examples) -> Examples:
        """Return these and more of the same kind behind them."""
        return Examples(
            (*self.inputs, *more.inputs),
            (*self.labels, *more.labels),
            self.source,
            self.notes,
            self.kind,
            (*self.groups, *more.groups) if self.groups and more.groups else (),
        )


@dataclass(frozen=True)
class LabelledData:
    """What a file or folder holds; None for a split that is not there."""

    train: Examples
    held_out: Examples | None = None
    test: Examples | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """What was assumed when they were read, each once."""
        splits = (self.train, self.held_out, self.test)
        return tuple(dict.fromkeys(note for split in splits if split for note in split.notes))


def check_labels(examples: Examples, classes: Sequence[str]) -> None:
    """Refuse examples with a label that nothing was learned of.

    Raises
    ------
    DataError
        Naming the first.
    """
    out_of_domain = sorted(set(examples.labels) - set(classes))
    if out_of_domain:
        raise DataError(f"{examples.source}: {not_learned(out_of_domain[0], classes)}")


def not_learned(label: str, classes: Sequence[str]) -> str:
    """Return what is wrong with a label that is none of those that are learned, and what to do."""
    alike = next((one for one in classes if folded(one) == folded(label)), None)
    step = "remove it or add examples" if alike is None else f"write it as {alike!r}"
    return f"expected labels of the training data, found {label!r}; {step}"


def repeated(examples: Examples, others: Examples) -> list[int]:
    """Return the rows of `others` whose input is, by its key, among `examples` too."""
    known = set(examples.keys)
    return [row for row, key in enumerate(others.keys) if key in known]


def unambiguous(examples: Examples, held_out: Examples) -> list[int]:
    """Return the rows of `held_out` whose input has one label alone, there and among `examples`: an
    input of two labels proves nothing of either, and must not count.

    Raises
    ------
    DataError
        Every held-out input has several labels.
    """
    labels_of: dict[str, set[str]] = {}
    for part in (examples, held_out):
        for key, label in zip(part.keys, part.labels, strict=True):
            labels_of.setdefault(key, set()).add(label)
    rows = [row for row, key in enumerate(held_out.keys) if len(labels_of[key]) == 1]
    if len(held_out) and not rows:
        raise DataError(
            f"{held_out.source}: expected held-out {held_out.kind}s of one label each, found that"
            f" all {len(held_out)} have another label elsewhere in the data; keep one label of each"
        )
    return rows


def split_held_out(
    examples: Examples,
    fraction: float,
    rng: np.random.Generator,
    *,
    spared: Collection[str] = (),
) -> tuple[Examples, Examples]:
    """Split off a held-out part, class by class; inputs that are equal by their keys, or of one
    group, stay on one side. An input of several labels is never held out.

    Parameters
    ----------
    fraction
        Of each class, at least one example, in (0, 1); less where these would be more than
        `MOST_HELD_OUT`.
    spared
        Classes of which none are held out where none can be.

    Raises
    ------
    DataError
        Another class has fewer than two distinct inputs or groups, or none that is its alone.
    """
    fraction = min(fraction, MOST_HELD_OUT / len(examples)) if len(examples) else fraction
    labels_of: dict[str, set[str]] = {}
    by_class: dict[str, dict[str, list[int]]] = {}
    for row, (key, label) in enumerate(zip(examples.keys, examples.labels, strict=True)):
        labels_of.setdefault(key, set()).add(label)
        by_class.setdefault(label, {}).setdefault(key, []).append(row)
    if examples.groups:
        barred = [len(labels_of[key]) > 1 for key in examples.keys]
        out = hold_out_groups(
            examples.units,
            examples.labels,
            barred,
            fraction,
            rng,
            examples.source,
            spared=spared,
        )
        rest = sorted(set(range(len(examples))) - set(out))
        return examples.take(rest), examples.take(out)
    kept: list[int] = []
    held_out: list[int] = []
    for label in sorted(by_class):
        groups = list(by_class[label].values())
        free = [place for place, key in enumerate(by_class[label]) if len(labels_of[key]) == 1]
        if label in spared and (len(groups) < 2 or not free):
            kept += [row for rows in groups for row in rows]
            continue
        _check_enough(examples, label, len(groups), len(free))
        count = min(max(1, round(fraction * len(groups))), len(groups) - 1, len(free))
        chosen = set(rng.permutation(free)[:count].tolist())
        for position, rows in enumerate(groups):
            (held_out if position in chosen else kept).extend(rows)
    return examples.take(sorted(kept)), examples.take(sorted(held_out))


def _check_enough(examples: Examples, label: str, distinct: int, free: int) -> None:
    """Refuse a class of which nothing can be held out: of so many distinct inputs so many are its
    alone.
    """
    if distinct < 2:
        keys = dict[str, set[str]]()
        for key, one in zip(examples.keys, examples.labels, strict=True):
            keys.setdefault(one, set()).add(key)
        lone = sum(len(of) < 2 for of in keys.values())
        if (fault := not_shared(examples.kind, len(keys), lone, len(examples))) is not None:
            raise DataError(f"{examples.source}: {fault}")
        raise DataError(
            f"{examples.source}: expected at least 2 different {examples.kind}s of label"
            f" {label!r}{did_you_mean(label, examples.classes)} (one to learn, one held out), found"
            f" {distinct}; add examples, or give held-out ones with --held-out FILE"
        )
    if not free:
        article = "an" if examples.kind[0] in "aeiou" else "a"
        raise DataError(
            f"{examples.source}: expected {article} {examples.kind} of label {label!r} alone,"
            f" to be held out, found other labels too of all {distinct}; keep one label of each"
        )
