"""Several tasks from one folder or file -> `LabelledData` by task: one folder or file a task, or
rows with a column ``task``.

Every file is parsed once. A study that splits one data set's labels into tasks uses `grouped` too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from cfedge.errors import DataError, UsageError
from cfedge.train.data import SUFFIXES, load, read_table, split_files
from cfedge.train.examples import Examples, LabelledData
from cfedge.train.rows import Columns, examples_of
from cfedge.train.saved_datasets import is_saved

__all__ = ["grouped", "load_tasks"]


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
    if path.is_file():
        return _by_column({"train": path})
    files = split_files(path)
    return _by_column(files) if "train" in files else _by_name(path)


def grouped(
    parts: Mapping[str, Examples], owners: Mapping[str, Sequence[str]]
) -> dict[str, LabelledData]:
    """Take every split apart by the rows' tasks.

    Parameters
    ----------
    parts
        By ``train``, ``validation``, ``test``; the first is there.
    owners
        Of each split the task of every row.

    Raises
    ------
    DataError
        A task has no examples to learn from, or none of a split that others have.
    """
    names = sorted(set(owners["train"]))
    for split, examples in parts.items():
        if unlearned := sorted(set(owners[split]) - set(names)):
            raise DataError(
                f"{examples.source}: expected tasks of the training data, found {unlearned[0]!r};"
                " remove it or add examples"
            )
    rows: dict[str, dict[str, list[int]]] = {name: {} for name in names}
    for split in parts:
        for row, owner in enumerate(owners[split]):
            rows[owner].setdefault(split, []).append(row)
    tasks: dict[str, LabelledData] = {}
    for name in names:
        for split, examples in parts.items():
            if split not in rows[name]:
                raise DataError(
                    f"{examples.source}: expected {split} examples of task {name!r}, found none;"
                    " add some or leave the split out"
                )
        taken = {split: parts[split].take(rows[name][split]) for split in parts}
        tasks[name] = LabelledData(taken["train"], taken.get("validation"), taken.get("test"))
    return tasks


def _by_name(path: Path) -> dict[str, LabelledData]:
    found: dict[str, Path] = {}
    for entry in sorted(
        entry for entry in path.iterdir() if entry.is_dir() or entry.suffix in SUFFIXES
    ):
        if (other := found.setdefault(entry.stem, entry)) != entry:
            raise DataError(
                f"{path}: expected one folder or file of task {entry.stem!r}, found {other.name} and"
                f" {entry.name}; keep one"
            )
    if not found:
        raise DataError(
            f"{path}: expected a folder or a CSV or JSONL file for each task, found "
            f"{', '.join(sorted(entry.name for entry in path.iterdir())[:5]) or 'nothing'}"
        )
    return {name: load(entry) for name, entry in found.items()}


def _by_column(files: Mapping[str, Path]) -> dict[str, LabelledData]:
    tables = {split: read_table(file, Columns(task="task")) for split, file in files.items()}
    return grouped(
        {split: examples_of(table) for split, table in tables.items()},
        {split: table.tasks for split, table in tables.items()},
    )
