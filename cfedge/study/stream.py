"""A stream of tasks for a study: from folders, from one file with a ``task`` column, or by
splitting one data set's labels.

Every task gets what a study needs: examples to learn from, held-out ones for certificates and
choices, and test ones. Learning and scoring are elsewhere.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cfedge.errors import DataError, UsageError
from cfedge.inputs import DEFAULT_KIND
from cfedge.train.examples.data import load
from cfedge.train.examples.examples import (
    Examples,
    LabelledData,
    check_labels,
    split_held_out,
)
from cfedge.train.examples.task_files import grouped, load_tasks

__all__ = ["Splits", "load_stream"]

#: Shares of a class, where a split is not given: of all for testing, of the rest held out.
TEST_SHARE, HELD_OUT_SHARE = 0.25, 0.2


@dataclass(frozen=True)
class Splits:
    """One task's examples."""

    train: Examples
    held_out: Examples
    test: Examples


def load_stream(
    path: Path, *, tasks: int | None = None, seed: int = 0, kind: str = DEFAULT_KIND
) -> dict[str, Splits]:
    """Load a stream.

    Parameters
    ----------
    path
        See `cfedge.train.examples.task_files.load_tasks`; or, with `tasks`, labelled examples of
        any form.
    tasks
        Split the labels at random into so many tasks of equal size (give or take one label), named
        ``task-1``...
    seed
        Of that split and of what is held out.
    kind
        Of the inputs: a key of `cfedge.inputs.KINDS`.

    Raises
    ------
    DataError, UsageError
        Naming the file, what was expected and found.
    """
    rng = np.random.default_rng(seed)
    named = (
        load_tasks(path, kind=kind) if tasks is None else _split(load(path, kind=kind), tasks, rng)
    )
    if len(named) < 2:
        raise DataError(
            f"{path}: expected at least 2 tasks, found {len(named)}; give a column task, folders,"
            " or --tasks N"
        )
    return {name: _complete(data, rng) for name, data in named.items()}


def _complete(data: LabelledData, rng: np.random.Generator) -> Splits:
    train, test, held_out = data.train, data.test, data.held_out
    if test is None and held_out is None:
        different = Counter(
            label
            for _, label in {
                (key, label) for key, label in zip(train.keys, train.labels, strict=True)
            }
        )
        label, count = min(sorted(different.items()), key=lambda item: item[1])
        if count < 3:
            raise DataError(
                f"{train.source}: expected at least 3 different {train.kind}s of label {label!r}"
                f" (one to learn, one held out, one to test), found {count}; add examples, or"
                " give files validation.csv and test.csv"
            )
    if test is None:
        train, test = split_held_out(train, TEST_SHARE, rng)
    if held_out is None:
        train, held_out = split_held_out(train, HELD_OUT_SHARE, rng)
    return Splits(train, held_out, test)


def _split(data: LabelledData, tasks: int, rng: np.random.Generator) -> dict[str, LabelledData]:
    labels = list(data.train.classes)
    if len(labels) < 4:
        raise UsageError(
            "--tasks: expected at least 4 labels, which make two tasks of two, found"
            f" {len(labels)}; give data with more labels"
        )
    if not 2 <= tasks <= len(labels) // 2:
        raise UsageError(
            f"--tasks: expected 2..{len(labels) // 2} for {len(labels)} labels (at least two for"
            f" each task), found {tasks}; ask for fewer or more"
        )
    groups = np.array_split(rng.permutation(len(labels)), tasks)
    owner = {
        labels[index]: f"task-{position}"
        for position, group in enumerate(groups, start=1)
        for index in group
    }
    given = {"train": data.train, "validation": data.held_out, "test": data.test}
    parts = {split: examples for split, examples in given.items() if examples is not None}
    for examples in parts.values():
        check_labels(examples, labels)
    return grouped(
        parts,
        {split: [owner[label] for label in examples.labels] for split, examples in parts.items()},
    )
