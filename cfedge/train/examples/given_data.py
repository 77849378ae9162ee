"""Labelled data as a caller gives them: the path of a file or folder, or inputs with their labels.

Reading files is `cfedge.train.examples.data`'s, and checking values in memory
`cfedge.train.examples.arrays`'.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from cfedge.errors import UsageError
from cfedge.train.examples.arrays import from_arrays
from cfedge.train.examples.data import INPUT_AND_LABEL, load, load_file
from cfedge.train.examples.examples import Examples, LabelledData
from cfedge.train.examples.task_files import load_tasks
from cfedge.train.examples.there import check_there

__all__ = ["Labelled", "check_by_task", "given_examples", "task_data", "tasks_data"]

#: A file or folder, or inputs with their labels.
Labelled = str | os.PathLike[str] | tuple[Iterable[object], Iterable[object]] | Examples


def task_data(
    name: str,
    inputs: Iterable[object] | str | os.PathLike[str],
    labels: Iterable[object] | None,
    held_out: Labelled | None,
    *,
    kind: str,
    groups: Iterable[object] | None = None,
) -> LabelledData:
    """Return a task's examples, and its held-out ones where they are given or lie beside them.

    Parameters
    ----------
    inputs, labels
        A path alone, or inputs with a label for each.
    kind
        What the backbone reads: a key of `cfedge.inputs.KINDS`.
    groups
        Of each input what it belongs to; of a path, the name of the column that says it.

    Raises
    ------
    DataError, UsageError
        They cannot be read, or labels are missing or too many.
    """
    data = _learned(name, inputs, labels, kind, groups)
    if held_out is None:
        return data
    held_out_examples = given_examples(f"task {name!r} held out", held_out, kind)
    return dataclasses.replace(data, held_out=held_out_examples)


def tasks_data(
    tasks: Mapping[str, Labelled] | str | os.PathLike[str], *, kind: str
) -> dict[str, LabelledData]:
    """Return several tasks' examples: by name, or from the path of a folder of tasks or of a file
    with a column ``task``.

    Raises
    ------
    DataError, UsageError
        They cannot be read, or labels are missing or too many.
    """
    if isinstance(tasks, str | os.PathLike):
        return load_tasks(Path(tasks), kind=kind)
    check_by_task("tasks", tasks)
    return {
        name: load(Path(given), kind=kind)
        if isinstance(given, str | os.PathLike)
        else LabelledData(given_examples(f"task {name!r}", given, kind))
        for name, given in tasks.items()
    }


def check_by_task(what: str, given: object) -> None:
    """Refuse examples of several tasks that are not given by task.

    Raises
    ------
    UsageError
    """
    if not isinstance(given, Mapping):
        raise UsageError(
            f"{what}: expected a mapping of each task's name to its examples, found"
            f" {type(given).__name__}; write {{NAME: PATH}}, or {{NAME: (inputs, labels)}}"
        )


def given_examples(what: str, given: Labelled, kind: str) -> Examples:
    """Return examples from a path, or from inputs and labels; `what` names them in errors."""
    if isinstance(given, Examples):
        return given
    if isinstance(given, str | os.PathLike):
        check_there(Path(given))
        return load_file(Path(given), kind=kind)
    if not isinstance(given, tuple | list) or len(given) != 2:
        found = f"{type(given).__name__} of {len(given)}" if isinstance(given, tuple | list) else ""
        raise UsageError(
            f"{what}: expected a path, or two columns as (inputs, labels), found"
            f" {found or type(given).__name__}; give one of these"
        )
    inputs, labels = given
    return from_arrays(inputs, labels, what, kind)


def _learned(
    name: str,
    inputs: Iterable[object] | str | os.PathLike[str],
    labels: Iterable[object] | None,
    kind: str,
    groups: Iterable[object] | None,
) -> LabelledData:
    if labels is not None:
        if isinstance(inputs, os.PathLike):
            raise UsageError(
                f"task {name!r}: expected inputs with their labels, or a path alone, found the path"
                f" {os.fspath(inputs)!r} and labels; leave the labels out"
            )
        return LabelledData(from_arrays(inputs, labels, f"task {name!r}", kind, groups))
    if isinstance(inputs, str | os.PathLike):
        if groups is not None and not isinstance(groups, str):
            raise UsageError(
                f"task {name!r}: expected the name of a column as groups of the path"
                f" {os.fspath(inputs)!r}, found {type(groups).__name__}; name the column, or give"
                " inputs and labels"
            )
        return load(Path(inputs), INPUT_AND_LABEL._replace(group=groups), kind=kind)
    named = (
        isinstance(inputs, Mapping) or hasattr(inputs, "column_names") or hasattr(inputs, "columns")
    )
    step = "give its columns: the inputs, then the labels" if named else "give one for each input"
    raise UsageError(
        f"task {name!r}: expected labels with the inputs, found none"
        f"{f' beside one {type(inputs).__name__}' if named else ''}; {step}, or the path of a file that"
        " holds both"
    )
