"""Rows of a sheet -> a `Table` of inputs and labels, or the faults in it, each with its line.

All rows are looked at before anything is refused, so that one message says how often. Which kind of
file the rows come from is elsewhere (`cfedge.doors`), and so is what a cell may hold
(`cfedge.inputs`, `cfedge.train.examples.labels`).
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cfedge.doors.columns import Columns, chosen
from cfedge.doors.reading import Reading, Record, Sheet
from cfedge.errors import DataError
from cfedge.inputs import DEFAULT_KIND, reader
from cfedge.inputs.modality import Input
from cfedge.train.examples.examples import Examples
from cfedge.train.examples.labels import label_of

__all__ = ["Columns", "Faults", "Table", "examples_of", "looked_at", "places", "table_of"]


class Table(NamedTuple):
    """What one parse of a file gives: of each row its input, its label, its task, its number and its
    group.

    `labels`, `tasks` and `groups` are empty where they were not asked for, and so are `names`, those
    of all files, where the inputs are none.
    """

    inputs: tuple[Input, ...]
    labels: tuple[str, ...]
    tasks: tuple[str, ...]
    source: str
    numbers: Sequence[int] = ()
    unit: str = "line"
    notes: tuple[str, ...] = ()
    kind: str = DEFAULT_KIND
    groups: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


def looked_at(
    sheet: Sheet, columns: Columns, reading: Reading, source: str, kind: str = DEFAULT_KIND
) -> tuple[Table, dict[str, Sequence[int]]]:
    """Look at every row.

    Returns
    -------
    tuple
        The rows that are right; and of the others their numbers, by what is wrong with them and
        what to do.

    Raises
    ------
    DataError
        A column is missing, or the file cannot be read to its end.
    """
    try:
        return _looked_at(sheet, columns, source, reading, kind)
    finally:
        sheet.close()


def _looked_at(
    sheet: Sheet, columns: Columns, source: str, reading: Reading, kind: str
) -> tuple[Table, dict[str, Sequence[int]]]:
    read, folder = reader(kind).read, Path(source).parent
    header = None if sheet.header is None else chosen(sheet.header, columns, source, reading)
    kept: list[list[Any]] = [[] for _ in columns.wanted]
    numbers = array("q")
    faults = Faults()
    known: dict[str, str] = {}  # labels are few: each is kept once
    for record in sheet.rows:
        try:
            if record.fault:
                raise DataError(f": {record.fault}")
            if sheet.header is None and (
                header is None or any(name not in record.cells for name in header.wanted)
            ):
                header = chosen(list(record.cells), columns, "", reading)
            assert header is not None
            cells = [read(record.cells.get(header.input), folder, ""), *_names(record, header)]
        except DataError as error:
            faults.add(str(error).removeprefix(": "), record.number)
            continue
        kept[0].append(cells[0])
        for column, cell in zip(kept[1:], cells[1:], strict=True):
            column.append(known.setdefault(cell, cell))
        numbers.append(record.number)
    inputs, *others = (tuple(column) for column in kept)
    labels = others.pop(0) if columns.label is not None else ()
    tasks = others.pop(0) if columns.task is not None else ()
    groups = others[0] if others else ()
    notes = tuple(reading.notes)
    table = Table(inputs, labels, tasks, source, numbers, sheet.unit, notes, kind, groups)
    return table, faults.said()


class Faults:
    """What is wrong with rows or files, by kind: each is said once, with the numbers of all."""

    def __init__(self) -> None:
        self._kinds: dict[str, _Kind] = {}

    def add(self, found: str, number: int) -> None:
        """Count one fault."""
        kind = self._kinds.setdefault(_kind(found), _Kind(found, array("q"), []))
        kind.add(found, number)

    def said(self) -> dict[str, Sequence[int]]:
        """Return what is wrong, and where."""
        return {kind.said(): kind.numbers for kind in self._kinds.values()}


class _Kind(NamedTuple):
    """Faults that differ in nothing but the value: the first, the rows, and whether others differ."""

    first: str
    numbers: array[int]
    others: list[str]

    def add(self, found: str, number: int) -> None:
        """Count one more."""
        self.numbers.append(number)
        if found != self.first and not self.others:
            self.others.append(found)

    def said(self) -> str:
        """Return what is wrong with all of them."""
        if not self.others:
            return self.first
        found, step, rest = self.first.rpartition("; ")
        return f"{found} in the first of them{step}{rest}"


#: The file's name before a fault of what it holds.
_NAMED = re.compile(r"'(?:[^'\\]|\\.)*': ")


def _kind(fault: str) -> str:
    """Return a fault without the value that was found: what was expected, and the next step."""
    expected, _, rest = _NAMED.sub("", fault, count=1).partition(", found")
    return f"{expected};{rest.rpartition('; ')[2]}" if rest else fault


def table_of(
    sheet: Sheet, columns: Columns, source: str, reading: Reading, kind: str = DEFAULT_KIND
) -> Table:
    """Return a sheet whose every row is right.

    Raises
    ------
    DataError
        Naming what is wrong, and in which rows; or there are no rows. See `looked_at` too.
    """
    table, faults = looked_at(sheet, columns, reading, source, kind)
    if faults:
        found, numbers = next(iter(faults.items()))
        more = (
            f" (one of {len(faults)} kinds of faults; cfedge check {source} lists them all)"
            if len(faults) > 1
            else ""
        )
        raise DataError(f"{source}, {places(numbers, table.unit)}: {found}{more}")
    if not table.inputs:
        raise DataError(f"{source}: expected examples, found none; add rows below the header")
    return table


def examples_of(table: Table) -> Examples:
    """Return a table's inputs and labels, and their groups."""
    return Examples(table.inputs, table.labels, table.source, table.notes, table.kind, table.groups)


def places(numbers: Sequence[int], unit: str, most: int = 5) -> str:
    """Return how a sentence names rows: ``line 3``; ``lines 3, 5 and 8``; with how many more."""
    if len(numbers) == 1:
        return f"{unit} {numbers[0]}"
    units = "entries" if unit == "entry" else f"{unit}s"
    if len(numbers) > most:
        shown = ", ".join(map(str, numbers[:most]))
        return f"{units} {shown} and {len(numbers) - most:,} more"
    return f"{units} {', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"


def _names(record: Record, header: Columns) -> list[str]:
    names = []
    if header.label is not None:
        names.append(label_of(record.cells.get(header.label), ""))
    if header.task is not None:
        names.append(label_of(record.cells.get(header.task), "", "task"))
    if header.group is not None:
        names.append(label_of(record.cells.get(header.group), "", "group"))
    return names
