"""A table whose rows are answered: what stands in each, and beside it what was answered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from cfedge.doors import Reading, sheet
from cfedge.doors.columns import Columns, chosen, quoted, same
from cfedge.doors.reading import LIMITS
from cfedge.errors import DataError, InputError
from cfedge.inputs import DEFAULT_KIND, reader
from cfedge.runtime.answers import Answers

__all__ = ["ANSWER", "AnsweredRow", "AnsweredTable", "answered_table"]

#: The columns that are put beside a table's own.
ANSWER = ("predicted_task", "predicted_label", "probability", "unknown", "error")


class AnsweredRow(NamedTuple):
    """One row of a table.

    Attributes
    ----------
    number
        Its place in the file, as errors call it: ``line 3``.
    cells
        As they stand, and those of `ANSWER`; as many as the table's header.
    answer
        As `Answers` gives it; None where there is none.
    error
        Why there is none.
    alarms
        Of the monitor.
    """

    number: int
    cells: tuple[str, ...]
    answer: dict[str, object] | None
    error: str
    alarms: tuple[str, ...]


class AnsweredTable(NamedTuple):
    """A table, answered row by row as it is read.

    Attributes
    ----------
    header
        Its own columns and those of `ANSWER`.
    rows
        In the order of the file, each once; none is left out.
    reading
        What was assumed of the file, once the rows were taken.
    """

    header: tuple[str, ...]
    rows: Iterator[AnsweredRow]
    reading: Reading


def answered_table(
    answers: Answers, path: Path, column: str = DEFAULT_KIND, encoding: str | None = None
) -> AnsweredTable:
    """Answer the inputs in a column of a table.

    Parameters
    ----------
    path
        A file of any format of `cfedge.doors`.
    column
        What the column of inputs is called; unless given as the bundle's kind.
    encoding
        Of its letters; None: it is found out.

    Raises
    ------
    DataError
        The file cannot be read, has no such column, or has one of `ANSWER`; also while its rows are
        taken.
    MissingExtraError
        What its door needs is not installed.
    """
    noun = answers.modality.noun
    columns = Columns(noun if column == DEFAULT_KIND else column, label=None)
    reading = Reading(columns.wanted, encoding)
    header = _header(path, reading)
    if taken := [name for name in header if same(name) in ANSWER]:
        raise DataError(
            f"{path}: expected no column of the names that answers get, found {quoted(taken)};"
            " rename it, or leave it out"
        )
    if not any(same(name) == same(columns.input) for name in header):
        raise DataError(
            f"{path}: expected a column {columns.input!r}, found {quoted(header)}; name the one that"
            " holds the inputs with --input-column"
        )
    found = chosen(header, columns, str(path), reading)
    names = tuple(dict.fromkeys(header))
    if len(names) < len(header):
        reading.note(f"of columns of {path.name} that share a name the last one was kept")
    rows = _answered(answers, path, reading, names, found.input)
    return AnsweredTable((*names, *ANSWER), rows, reading)


def _header(path: Path, reading: Reading) -> tuple[str, ...]:
    """Return the columns; where each row names its own, those of all rows."""
    opened = sheet(path, reading)
    try:
        if opened.header is not None:
            return opened.header
        names: dict[str, None] = {}
        fault = ": expected rows, found none; add some"
        for row in opened.rows:
            names |= dict.fromkeys(map(str, row.cells))
            if not names and row.fault:
                fault = f", {opened.unit} {row.number}: {row.fault}"
            if len(names) > LIMITS.columns:
                raise DataError(
                    f"{path}: expected at most {LIMITS.columns:,} columns, found more by"
                    f" {opened.unit} {row.number}; leave those out that are not needed"
                )
        if not names:
            raise DataError(f"{path}{fault}")
        return tuple(names)
    finally:
        opened.close()


def _answered(
    answers: Answers, path: Path, reading: Reading, names: tuple[str, ...], column: str
) -> Iterator[AnsweredRow]:
    read = reader(answers.modality.noun).read
    opened = sheet(path, reading)
    try:
        for row in opened.rows:
            where = f"{opened.unit} {row.number}"
            cells = tuple(_shown(row.cells.get(name)) for name in names)
            answer, error, alarms = None, "", list[str]()
            try:
                if row.fault:
                    raise DataError(f"{where}: {row.fault}")
                answer, alarms = answers(read(row.cells.get(column), path.parent, where))
            except (DataError, InputError) as refused:
                error = str(refused).replace("input 0", where, 1)
            beside = _beside(answer, error)
            yield AnsweredRow(row.number, (*cells, *beside), answer, error, tuple(alarms))
    finally:
        opened.close()


def _beside(answer: dict[str, object] | None, error: str) -> tuple[str, ...]:
    """Return the cells of `ANSWER`: of an unknown input neither task nor label."""
    if answer is None:
        return ("", "", "", "", error)
    if answer["unknown"]:
        return ("", "", "", "true", "")
    shown = (str(answer["task"]), str(answer["label"]), f"{answer['probability']:.4f}")
    return (*shown, "false", "")


def _shown(cell: object) -> str:
    """Return a cell as CSV has it: nothing where there is none, or it holds a file's bytes."""
    if cell is None or isinstance(cell, bytes):
        return ""
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, list | dict):
        return json.dumps(cell, ensure_ascii=False, default=lambda _: "")
    return str(cell)
