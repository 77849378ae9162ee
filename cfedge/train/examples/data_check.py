"""Look at data before anything is learned of them: every fault at once, each with its rows and what
to do. ``cfedge check`` prints them.

What stops `cfedge.train.examples.data.load` is here; so is what would be learned and should not be:
inputs of several labels, labels that look alike, words for a missing value, several labels in one
cell.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cfedge.errors import DataError, TaskError
from cfedge.train.examples.data import INPUT_AND_LABEL
from cfedge.train.examples.doubts import doubts, rare
from cfedge.train.examples.files_check import Fault, fault
from cfedge.train.examples.labels import check_name
from cfedge.train.examples.near import are_many, near_each_other
from cfedge.train.examples.parts_check import parts_of
from cfedge.train.examples.rows import Columns, Table, examples_of
from cfedge.train.examples.splits_check import Splits, apart
from cfedge.train.examples.there import check_there

__all__ = ["Checked", "Fault", "check"]


@dataclass(frozen=True)
class Checked:
    """What was found.

    Attributes
    ----------
    rows
        That could be learned.
    classes
        How many rows each label has.
    tasks
        Of a folder of tasks, how many rows each label of each task has; else empty.
    faults
        In the order of the files, and of the rows in them.
    notes
        What was assumed, without being a fault.
    """

    rows: int
    classes: Mapping[str, int]
    faults: tuple[Fault, ...]
    notes: tuple[str, ...]
    tasks: Mapping[str, Mapping[str, int]]


def check(
    path: Path,
    columns: Columns = INPUT_AND_LABEL,
    encoding: str | None = None,
    kind: str | None = None,
) -> Checked:
    """Look at a file, a folder of splits, of labels or of tasks.

    Parameters
    ----------
    columns, encoding
        As of `cfedge.train.examples.data.load`.
    kind
        Of the inputs: a key of `cfedge.inputs.KINDS`. None: of which kind the files are, or what the
        column of the inputs is called, says it.

    Raises
    ------
    MissingExtraError
        What a format needs is not installed.
    DataError
        There is nothing at `path`, or no data in it.
    """
    check_there(path)
    rows, faults, notes = 0, list[Fault](), dict[str, None]()
    classes: Counter[str] = Counter()
    tasks: dict[str, Counter[str]] = {}
    fitting: dict[str, Splits] = {}
    for task, source, look, split, cut in parts_of(path, columns, encoding, kind):
        if task and task not in tasks:
            tasks[task] = Counter()
            faults += _misnamed(task, source)
        splits_of = fitting.setdefault(task, Splits(set(), set(), []))
        splits_of.names.add(split)
        try:
            table, wrong = look()
        except DataError as error:
            where, _, found = str(error).partition(": ")
            faults.append(Fault(where, found))
            continue
        rows += len(table.inputs)
        classes.update(table.labels)
        if task:
            tasks[task].update(table.labels)
        splits_of.add(split, table)
        notes |= dict.fromkeys((*table.notes, *rare(table), *_near(table)))
        faults += wrong
        faults += [fault(table, numbers, found) for numbers, found in doubts(table, cut=cut)]
        if cut and (together := apart(table)) is not None:
            faults.append(Fault(table.source, together))
        if not table.inputs and not wrong:
            faults.append(Fault(source, "expected examples, found none; add rows"))
    faults += _unfitting(path, fitting.values())
    counts = {task: dict(sorted(of.items())) for task, of in tasks.items()}
    return Checked(rows, dict(sorted(classes.items())), tuple(faults), tuple(notes), counts)


def _unfitting(path: Path, parts: Iterable[Splits]) -> list[Fault]:
    """Refuse splits that do not fit together: there must be one to learn from, and it must have
    every label of the others.
    """
    faults: list[Fault] = []
    for one in parts:
        if "train" not in one.names:
            found = (
                f"expected data to learn from, called train, found {', '.join(sorted(one.names))}"
            )
            faults.append(Fault(str(path), f"{found}; call what is to be learned from train"))
        faults += [fault(*unlearned) for unlearned in one.unlearned()]
    return faults


def _misnamed(task: str, source: str) -> list[Fault]:
    """Refuse the name of a file or folder of a task, where no task can have it."""
    try:
        check_name(task)
    except TaskError as error:
        return [Fault(source, f"{str(error).rpartition('; ')[0]}; rename it")]
    return []


def _near(table: Table) -> list[str]:
    """Tell of inputs that are nearly the same, unless groups are asked for."""
    if table.groups or not table.labels or not table.inputs:
        return []
    near = near_each_other(examples_of(table))
    if not are_many(len(near), len(table.inputs)):
        return []
    return [
        f"{len(near)} of {len(table.inputs)} {table.kind}s of {table.source} are nearly the same as"
        f" another of their label; if they belong together, like frames of one video, name the"
        " column that says so with --group-column when you add them"
    ]
