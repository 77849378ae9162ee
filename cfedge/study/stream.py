"""A stream of tasks for a study: from folders, from one file with a ``task`` column, or by
splitting one data set's labels.

Every task gets what a study needs: examples to learn from, held-out ones for certificates and
choices, and test ones. Learning and scoring are elsewhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cfedge.errors import DataError, UsageError
from cfedge.train.data import (
    Examples,
    LabelledData,
    check_labels,
    columns,
    folded,
    is_saved,
    load,
    load_file,
    split_held_out,
)

__all__ = ["Splits", "load_stream", "load_tasks"]

#: Shares of a class, where a split is not given: of all for testing, of the rest held out.
TEST_SHARE, HELD_OUT_SHARE = 0.25, 0.2


@dataclass(frozen=True)
class Splits:
    """One task's examples."""

    train: Examples
    held_out: Examples
    test: Examples


def load_stream(path: Path, *, tasks: int | None = None, seed: int = 0) -> dict[str, Splits]:
    """Load a stream.

    Parameters
    ----------
    path
        See `load_tasks`; or, with `tasks`, labelled examples of any form.
    tasks
        Split the labels at random into so many tasks of equal size (give or take one label), named
        ``task-1``...
    seed
        Of that split and of what is held out.

    Raises
    ------
    DataError, UsageError
        Naming the file, what was expected and found.
    """
    rng = np.random.default_rng(seed)
    named = load_tasks(path) if tasks is None else _split(load(path), tasks, rng)
    if len(named) < 2:
        raise DataError(
            f"{path}: expected at least 2 tasks, found {len(named)}; give a column task, folders,"
            " or --tasks N"
        )
    return {name: _complete(data, rng) for name, data in named.items()}


def load_tasks(path: Path) -> dict[str, LabelledData]:
    """Load several tasks, with the splits that are given.

    Parameters
    ----------
    path
        A folder with one folder or file a task; or a file (or a folder with train, validation,
        test) whose rows have a column ``task``.

    Raises
    ------
    DataError, UsageError
        Naming the file, what was expected and found.
    """
    if not path.exists():
        raise DataError(f"{path}: expected a CSV or JSONL file or a folder, found nothing")
    if is_saved(path):
        raise UsageError(
            f"{path}: expected --tasks N with a saved datasets folder, found none; or save one"
            " folder a task"
        )
    elif path.is_dir() and not any(
        (path / f"train{suffix}").is_file() for suffix in (".csv", ".jsonl")
    ):
        return _by_name(path)
    return _by_column(path)


def _by_name(path: Path) -> dict[str, LabelledData]:
    found: dict[str, Path] = {}
    for one in sorted(
        entry for entry in path.iterdir() if entry.is_dir() or entry.suffix in (".csv", ".jsonl")
    ):
        if (other := found.setdefault(one.stem, one)) != one:
            raise DataError(
                f"{path}: expected one folder or file of task {one.stem!r}, found {other.name} and"
                f" {one.name}; keep one"
            )
    if not found:
        raise DataError(
            f"{path}: expected a folder or a CSV or JSONL file for each task, found "
            f"{', '.join(sorted(entry.name for entry in path.iterdir())[:5]) or 'nothing'}"
        )
    return {name: load(one) for name, one in found.items()}


def _complete(data: LabelledData, rng: np.random.Generator) -> Splits:
    train, test, held_out = data.train, data.test, data.held_out
    if test is None and held_out is None:
        different = Counter(
            label
            for _, label in {
                (folded(text), label) for text, label in zip(train.texts, train.labels, strict=True)
            }
        )
        label, texts = min(sorted(different.items()), key=lambda item: item[1])
        if texts < 3:
            raise DataError(
                f"{train.source}: expected at least 3 different texts of label {label!r} (one to"
                f" learn, one held out, one to test), found {texts}; add examples, or give files"
                " validation.csv and test.csv"
            )
    if test is None:
        train, test = split_held_out(train, TEST_SHARE, rng)
    if held_out is None:
        train, held_out = split_held_out(train, HELD_OUT_SHARE, rng)
    return Splits(train, held_out, test)


def _split(data: LabelledData, tasks: int, rng: np.random.Generator) -> dict[str, LabelledData]:
    labels = list(data.train.classes)
    if not 2 <= tasks <= len(labels) // 2:
        raise UsageError(
            f"--tasks: expected 2..{len(labels) // 2} for {len(labels)} labels (two a task at"
            f" least), found {tasks}"
        )
    groups = np.array_split(rng.permutation(len(labels)), tasks)
    owner = {
        labels[index]: f"task-{position}"
        for position, group in enumerate(groups, start=1)
        for index in group
    }
    for one in _parts(data).values():
        check_labels(one, labels)
    return _grouped(
        data, {split: [owner[label] for label in one.labels] for split, one in _parts(data).items()}
    )


def _by_column(path: Path) -> dict[str, LabelledData]:
    data = load(path)
    files = {"train": path} if path.is_file() else {
        split: file for split in ("train", "validation", "test") for file in path.glob(f"{split}.*") if file.suffix in (".csv", ".jsonl")
    }  # fmt: skip
    for file in files.values():
        if "task" not in columns(file):
            raise DataError(
                f"{file}: expected a column task, found {', '.join(columns(file)) or 'none'}; add"
                " it or split by --tasks N"
            )
    return _grouped(
        data, {split: list(load_file(file, label="task").labels) for split, file in files.items()}
    )


def _parts(data: LabelledData) -> dict[str, Examples]:
    given = {"train": data.train, "validation": data.held_out, "test": data.test}
    return {split: one for split, one in given.items() if one is not None}


def _grouped(data: LabelledData, owners: Mapping[str, list[str]]) -> dict[str, LabelledData]:
    """Take every split apart by the rows' tasks; a task without examples to learn from is refused."""
    parts = _parts(data)
    names = sorted(set(owners["train"]))
    for split, one in parts.items():
        if out_of_domain := sorted(set(owners[split]) - set(names)):
            raise DataError(
                f"{one.source}: expected tasks of the training data, found {out_of_domain[0]!r}; remove"
                " it or add examples"
            )
    found: dict[str, LabelledData] = {}
    for name in names:
        own = {
            split: one.take([row for row, owner in enumerate(owners[split]) if owner == name])
            for split, one in parts.items()
        }
        for split, one in own.items():
            if not one.texts:
                raise DataError(
                    f"{one.source}: expected {split} examples of task {name!r}, found none; add"
                    " some or leave the split out"
                )
        found[name] = LabelledData(own["train"], own.get("validation"), own.get("test"))
    return found
