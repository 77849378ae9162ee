"""Look at data before anything is learned of them: every fault at once, each with its rows and what
to do. ``cfedge check`` prints them.

What stops `cfedge.train.data.load` is here; so is what would be learned and should not be: inputs of
several labels, labels that look alike, words for a missing value, several labels in one cell.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cfedge.doors import Reading, sheet
from cfedge.doors.reading import Sheet
from cfedge.doors.saved_datasets import is_saved, splits
from cfedge.errors import DataError
from cfedge.train.data import INPUT_AND_LABEL, split_files
from cfedge.train.doubts import doubts
from cfedge.train.rows import Columns, Table, looked_at, places
from cfedge.train.task_files import task_files

__all__ = ["Checked", "Fault", "check"]


@dataclass(frozen=True)
class Fault:
    """What is wrong, where, and what to do: ``data.csv, lines 3 and 9``."""

    where: str
    found: str

    def __str__(self) -> str:
        return f"{self.where}: {self.found}"


@dataclass(frozen=True)
class Checked:
    """What was found.

    Attributes
    ----------
    rows
        That could be learned.
    classes
        How many rows each label has.
    faults
        In the order of the files, and of the rows in them.
    notes
        What was assumed, without being a fault.
    """

    rows: int
    classes: Mapping[str, int]
    faults: tuple[Fault, ...]
    notes: tuple[str, ...]


def check(path: Path, columns: Columns = INPUT_AND_LABEL, encoding: str | None = None) -> Checked:
    """Look at a file, a folder of splits, or a folder of tasks.

    Raises
    ------
    MissingExtraError
        What a format needs is not installed.
    DataError
        There is nothing at `path`, or no data in it.
    """
    if not path.exists():
        raise DataError(
            f"{path}: expected a file or a folder of data, found nothing; check the path"
        )
    rows, faults, notes = 0, list[Fault](), dict[str, None]()
    classes: Counter[str] = Counter()
    for source, opened, split in _sheets(path, columns, encoding):
        try:
            table, wrong = looked_at(*opened(), source)
        except DataError as error:
            where, _, found = str(error).partition(": ")
            faults.append(Fault(where, found))
            continue
        rows += len(table.inputs)
        classes.update(table.labels)
        notes |= dict.fromkeys(table.notes)
        faults += [_fault(table, numbers, found) for found, numbers in wrong.items()]
        faults += [_fault(table, numbers, found) for numbers, found in doubts(table, split=split)]
        if not table.inputs and not wrong:
            faults.append(Fault(source, "expected examples, found none; add rows"))
    return Checked(rows, dict(sorted(classes.items())), tuple(faults), tuple(notes))


def _sheets(
    path: Path, columns: Columns, encoding: str | None
) -> Iterator[tuple[str, Callable[[], tuple[Sheet, Columns, Reading]], bool]]:
    """Give every file's name, what opens it, and whether others belong to it."""

    def opener(given: Callable[[Reading], Sheet]) -> Callable[[], tuple[Sheet, Columns, Reading]]:
        reading = Reading(columns.wanted, encoding)
        return lambda: (given(reading), columns, reading)

    if path.is_file():
        yield str(path), opener(partial(sheet, path)), False
    elif is_saved(path):
        found = splits(path)
        for name, one in found.items():
            yield f"{path}:{name}", opener(lambda reading, one=one: one), len(found) > 1  # type: ignore[misc]
    elif files := split_files(path):
        every = [part for parts in files.values() for part in parts]
        for part in every:
            yield str(part), opener(partial(sheet, part)), len(every) > 1
    else:
        for entry in task_files(path).values():
            yield from _sheets(entry, columns, encoding)


def _fault(table: Table, numbers: Sequence[int], found: str) -> Fault:
    return Fault(f"{table.source}, {places(numbers, table.unit, most=20)}", found)
