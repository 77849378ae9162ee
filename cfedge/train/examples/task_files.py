"""Several tasks from one folder or file -> `LabelledData` by task: one folder or file a task, or
rows with a column ``task``.

Every file is parsed once. A study that splits one data set's labels into tasks uses `grouped` too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath

from cfedge.doors import stem, suffixes
from cfedge.doors.saved_datasets import is_saved
from cfedge.doors.text.documents import SUFFIXES, are_documents
from cfedge.errors import DataError, UsageError
from cfedge.first_bytes import FIRST_BYTES
from cfedge.inputs import DEFAULT_KIND
from cfedge.plain_files import read_plain
from cfedge.train.examples.class_layout import SPLITS
from cfedge.train.examples.data import INPUT_AND_LABEL, load, read_file, split_files
from cfedge.train.examples.doubts import with_doubts
from cfedge.train.examples.examples import Examples, LabelledData
from cfedge.train.examples.nothing_known import nothing_known
from cfedge.train.examples.rows import Columns, examples_of
from cfedge.train.examples.there import check_there

__all__ = ["grouped", "load_tasks", "task_files"]

#: Files beside those of tasks.
_NO_TASKS = (".", "readme", "license", "requirements")


def load_tasks(
    path: Path,
    columns: Columns = INPUT_AND_LABEL,
    encoding: str | None = None,
    kind: str = DEFAULT_KIND,
) -> dict[str, LabelledData]:
    """Load several tasks, with the splits that are given.

    Parameters
    ----------
    path
        A folder with one folder or file a task; or a file (or a folder with train, validation,
        test) whose rows have a column ``task``.
    columns, encoding, kind
        See `cfedge.train.examples.data.load`.

    Raises
    ------
    DataError, UsageError
        Naming the file, what was expected and found.
    """
    check_there(path)
    if is_saved(path):
        raise UsageError(
            f"{path}: expected --tasks N with a saved datasets folder, found none; or save one"
            " folder a task"
        )
    if path.is_file():
        return _by_column({"train": [path]}, columns, encoding, kind)
    files = split_files(path)
    if "train" in files:
        return _by_column(files, columns, encoding, kind)
    return {name: load(entry, columns, encoding, kind) for name, entry in task_files(path).items()}


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


def task_files(path: Path) -> dict[str, Path]:
    """Return the folder or file of each task.

    Raises
    ------
    DataError
        There is none, or two of one task.
    """
    found: dict[str, Path] = {}
    for entry in sorted(path.iterdir()):
        name = entry.stem if entry.is_dir() else stem(entry)
        if name is None or entry.name.lower().startswith(_NO_TASKS):
            continue
        if (other := found.setdefault(name, entry)) != entry:
            raise DataError(
                f"{path}: expected one folder or file of task {name!r}, found {other.name}"
                f" and {entry.name}; keep one"
            )
    if found and all(map(_is_of_a_label, found.values())):
        raise DataError(
            f"{path}: expected a folder or a file of data for each task, found one folder a label;"
            f" that is one task: give it a name (cfedge add WS NAME --data {path})"
        )
    if not found:
        raise nothing_known(path) or DataError(
            f"{path}: expected a folder or a file of data for each task, found "
            f"{', '.join(sorted(entry.name for entry in path.iterdir())[:5]) or 'nothing'}; put a CSV"
            f" file with the columns {DEFAULT_KIND} and label there, or .txt files in one"
            " folder a label"
        )
    return found


def _is_of_a_label(path: Path) -> bool:
    """Whether a folder is a label's, with one input a file."""
    if not path.is_dir():
        return False
    names = [PurePosixPath("label", entry.name) for entry in path.iterdir() if entry.is_file()]
    unlike = tuple(one for one in suffixes() if one not in SUFFIXES)
    begins = partial(_begins, path)
    return are_documents(names, begins, unlike, tuple(SPLITS))


def _begins(folder: Path, name: PurePosixPath) -> bytes:
    return read_plain(folder / name.name, FIRST_BYTES)


def _by_column(
    files: Mapping[str, Sequence[Path]], columns: Columns, encoding: str | None, kind: str
) -> dict[str, LabelledData]:
    wanted = columns._replace(task="task")
    tables = {split: read_file(parts, wanted, encoding, kind) for split, parts in files.items()}
    return grouped(
        {split: with_doubts(examples_of(table), table) for split, table in tables.items()},
        {split: table.tasks for split, table in tables.items()},
    )
