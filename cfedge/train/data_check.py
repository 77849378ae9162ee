"""Look at data before anything is learned of them: every fault at once, each with its rows and what
to do. ``cfedge check`` prints them.

What stops `cfedge.train.data.load` is here; so is what would be learned and should not be: texts of
several labels, labels that look alike, words for a missing value, several labels in one cell.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cfedge.doors import Reading, sheet
from cfedge.doors.reading import Sheet
from cfedge.doors.saved_datasets import is_saved, splits
from cfedge.errors import DataError
from cfedge.spelling import folded
from cfedge.train.conflicts import conflicts
from cfedge.train.data import INPUT_AND_LABEL, split_files
from cfedge.train.labels import look
from cfedge.train.rows import Columns, Table, looked_at, places
from cfedge.train.task_files import task_files

__all__ = ["Checked", "Fault", "check"]

#: What programs write where nothing is.
_MISSING = {"nan", "none", "null", "n/a", "#n/a", "<na>", "nat", "undefined"}
#: Between labels in one cell.
_BETWEEN = re.compile(r"\s*[,;|/+]\s*")


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
    for source, opened in _sheets(path, columns, encoding):
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
        faults += [_fault(table, numbers, found) for numbers, found in _doubtful(table)]
        if not table.inputs and not wrong:
            faults.append(Fault(source, "expected examples, found none; add rows"))
    return Checked(rows, dict(sorted(classes.items())), tuple(faults), tuple(notes))


def _sheets(
    path: Path, columns: Columns, encoding: str | None
) -> Iterator[tuple[str, Callable[[], tuple[Sheet, Columns, Reading]]]]:
    """Give every file's name, and what opens it."""

    def opener(given: Callable[[Reading], Sheet]) -> Callable[[], tuple[Sheet, Columns, Reading]]:
        reading = Reading(columns.wanted, encoding)
        return lambda: (given(reading), columns, reading)

    if path.is_file():
        yield str(path), opener(partial(sheet, path))
    elif is_saved(path):
        for name, found in splits(path).items():
            yield f"{path}:{name}", opener(lambda reading, found=found: found)  # type: ignore[misc]
    elif files := split_files(path):
        for part in (part for parts in files.values() for part in parts):
            yield str(part), opener(partial(sheet, part))
    else:
        for entry in task_files(path).values():
            yield from _sheets(entry, columns, encoding)


def _fault(table: Table, numbers: Sequence[int], found: str) -> Fault:
    return Fault(f"{table.source}, {places(numbers, table.unit, most=20)}", found)


def _doubtful(table: Table) -> Iterator[tuple[Sequence[int], str]]:
    """Give rows that could be learned and should be looked at, with the reason."""
    yield from _of_several_labels(table)
    by_label: dict[str, list[int]] = {}
    for row, label in enumerate(table.labels):
        by_label.setdefault(label, []).append(row)
    yield from _labels_that_look_alike(table, by_label)
    yield from _several_in_a_cell(table, by_label)
    missing = [row for row, text in enumerate(table.inputs) if text.strip().casefold() in _MISSING]
    if missing:
        yield (
            _numbers(table, missing),
            (
                f"expected a text, found {table.inputs[missing[0]]!r}, which programs write where"
                " there is none; fill it in or remove the row"
            ),
        )
    for label, rows in by_label.items():
        if label.casefold() in _MISSING:
            yield (
                _numbers(table, rows),
                (
                    f"expected a label, found {label!r}, which programs write where there is none;"
                    " fill it in or remove the row"
                ),
            )
        if len({folded(table.inputs[row]) for row in rows[:50]}) < 2:
            yield (
                _numbers(table, rows),
                (
                    f"expected at least 2 different texts of label {label!r} (one to learn, one"
                    " held out), found 1; add examples"
                ),
            )


def _of_several_labels(table: Table) -> Iterator[tuple[Sequence[int], str]]:
    for rows in conflicts(table).values():
        labels = " and ".join(repr(one) for one in dict.fromkeys(table.labels[row] for row in rows))
        yield (
            _numbers(table, rows),
            (
                f"expected one label of the text {table.inputs[rows[0]][:80]!r}, found {labels};"
                " keep one"
            ),
        )


def _labels_that_look_alike(
    table: Table, by_label: Mapping[str, list[int]]
) -> Iterator[tuple[Sequence[int], str]]:
    alike: dict[str, list[str]] = {}
    for label in by_label:
        alike.setdefault(look(label), []).append(label)
    for labels in alike.values():
        if len(labels) > 1:
            shown = " and ".join(f"{one!a} ({len(by_label[one])} rows)" for one in labels)
            fewest = min(reversed(labels), key=lambda label: len(by_label[label]))
            yield (
                _numbers(table, by_label[fewest]),
                (f"expected labels that look different, found {shown}; make them one"),
            )


def _several_in_a_cell(
    table: Table, by_label: Mapping[str, list[int]]
) -> Iterator[tuple[Sequence[int], str]]:
    for label, rows in by_label.items():
        parts = [part for part in _BETWEEN.split(label) if part]
        if len(parts) > 1 and all(part in by_label for part in parts):
            yield (
                _numbers(table, rows),
                (
                    f"expected one label, found {label!r}, which is"
                    f" {' and '.join(map(repr, parts))}; an input has one label: keep one"
                ),
            )


def _numbers(table: Table, rows: Sequence[int]) -> list[int]:
    return [table.numbers[row] for row in rows]
