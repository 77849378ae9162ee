"""Rows of cells with a separator: CSV as spreadsheets, databases and people write it, and TSV.

The separator is the one under which the header has the columns that are asked for: a comma, a
semicolon, a tab or a bar; or what a first line ``sep=;`` says.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, Protocol

from cfedge.counted import counted
from cfedge.doors.columns import same
from cfedge.doors.encoding import opened
from cfedge.doors.reading import LIMITS, Reading, Record, Sheet
from cfedge.errors import DataError

__all__ = ["has_columns", "sheet"]

#: Lines among which the header is looked for.
_TITLES = 20
_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}


def sheet(path: Path, reading: Reading) -> Sheet:
    """Open a file; empty rows are left out.

    Raises
    ------
    DataError
        There is no header, or a quote is never closed.
    """
    csv.field_size_limit(LIMITS.cell_characters)
    file = opened(path, reading)
    try:
        above = _skip_titles(path, file, reading)
        separator, spaced = _separator(path, file, reading)
        before = above or int(file.tell() > 0)  # the line sep=
        quoting = _quoting(path, file, separator, reading)
        reader = csv.reader(
            file, delimiter=separator, quoting=quoting, strict=True, skipinitialspace=spaced
        )
        lines = _Lines(path, reader, separator, before)
        header = next(lines, (0, []))[1]
        if not header:
            raise DataError(
                f"{path}: expected a header with the columns"
                f" {' and '.join(map(repr, reading.columns))}, found none; add it as the first line"
            )
        if len(header) > LIMITS.columns:
            raise DataError(
                f"{path}: expected at most {LIMITS.columns:,} columns, found {len(header):,}; leave"
                " those out that are not needed"
            )
    except BaseException:
        file.close()
        raise
    return Sheet(tuple(header), _rows(lines, header, reading), close=file.close)


def has_columns(line: str, reading: Reading) -> bool:
    """Whether a line names all the columns that are asked for, under some separator."""
    wanted = {same(name) for name in reading.columns}
    return any(_fit(line, separator, wanted)[0] == len(wanted) for separator in _NAMES)


class _Reader(Protocol):
    """What `csv.reader` returns."""

    line_num: int

    def __next__(self) -> list[str]: ...


class _Lines(Iterator[tuple[int, list[str]]]):
    """The rows that are not empty, each with the number of its last line."""

    def __init__(self, path: Path, reader: _Reader, separator: str, before: int) -> None:
        self.path, self.separator, self.before = path, separator, before
        self.empty: list[int] = []
        self._reader = reader

    @property
    def line(self) -> int:
        return self._reader.line_num + self.before

    def __next__(self) -> tuple[int, list[str]]:
        while True:
            try:
                row = next(self._reader)
            except csv.Error as error:
                raise _refused(self.path, self.line, error) from error
            if any(cell.strip().strip("\x1a") for cell in row):  # the end of a file of DOS
                return self.line, row
            if row:
                self.empty.append(self.line)


def _refused(path: Path, line: int, error: csv.Error) -> DataError:
    if "field limit" in str(error):
        return DataError(
            f"{path}, line {line}: expected cells of at most {LIMITS.cell_characters:,} characters,"
            " found a longer one; cut it, or close a quote that was opened in it or before it"
        )
    found = "a quote that is never closed" if "end of data" in str(error) else str(error)
    return DataError(
        f"{path}, line {line}: expected CSV, found {found}; put cells that hold quotes or line breaks"
        ' in double quotes, and write a quote inside of them twice ("", not \\")'
    )


def _rows(lines: _Lines, header: list[str], reading: Reading) -> Iterator[Record]:
    repeated: list[int] = []
    for line, row in lines:
        while len(row) > len(header) and not row[-1].strip():
            row.pop()  # a spreadsheet ends lines with separators
        row[0] = row[0].removeprefix("\ufeff")  # of a file that was put behind another
        if row == header:
            repeated.append(line)
            continue
        if len(row) > len(header):
            fault = (
                f"expected {len(header)} columns, found {len(row)}; put cells that hold"
                f" {_NAMES[lines.separator]} in double quotes"
            )
            yield Record(line, {}, fault)
        elif len(row) == 1 < len(header) and (other := _other(row[0], lines.separator)):
            fault = (
                f"expected {len(header)} columns with {_NAMES[lines.separator]} between them, as the"
                f" header has, found {other}; separate all lines alike"
            )
            yield Record(line, {}, fault)
        else:
            yield Record(line, dict(zip(header, row, strict=False)))
    if repeated:
        rows = counted(len(repeated), "row that repeats", "rows that repeat")
        was = "was" if len(repeated) == 1 else "were"
        reading.note(
            f"{rows} the header {was} left out of {lines.path.name} (the first in line"
            f" {repeated[0]})"
        )
    if lines.empty:
        count = len(lines.empty)
        rows = counted(count, "empty row was", "empty rows were")
        reading.note(f"{rows} left out of {lines.path.name} (the first in line {lines.empty[0]})")


def _other(line: str, separator: str) -> str | None:
    """Name another separator that a line has instead."""
    return next((name for sign, name in _NAMES.items() if sign != separator and sign in line), None)


def _skip_titles(path: Path, file: io.TextIOWrapper, reading: Reading) -> int:
    """Go to the first of a file's first lines that names the columns, and return how many are above
    it, as titles and comments are; where none does, stay at the beginning.
    """
    start, said = file.tell(), 0
    for above in range(_TITLES):
        here = file.tell()
        line = file.readline(LIMITS.cell_characters)
        if not line or line.strip().strip('"').lower().startswith("sep="):
            break
        if has_columns(line, reading):
            if said:
                lines = counted(said, "line")
                reading.note(f"{lines} above the header left out of {path.name}")
            file.seek(here)
            return above
        said += bool(line.strip())
    file.seek(start)
    return 0


def _separator(path: Path, file: io.TextIOWrapper, reading: Reading) -> tuple[str, bool]:
    """Return the separator, and whether the header has a space behind one: cells then begin
    behind theirs, a quote too. The file is then where the header begins.
    """
    start = file.tell()
    first = file.readline(LIMITS.cell_characters)
    said = first.strip().strip('"').lower()
    if said.startswith("sep=") and len(said) == 5:
        if said[4] not in _NAMES:
            raise DataError(
                f"{path}, line 1: expected one of {', '.join(map(repr, _NAMES))} as separator,"
                f" found {said[4]!r}; save it with commas"
            )
        return said[4], False
    if first.strip() == "sep=":  # a tab, which strip takes
        return "\t", False
    file.seek(start)
    wanted = {same(name) for name in reading.columns}
    usual = "," if path.suffix.lower() == ".csv" else "\t"
    order = sorted(_NAMES, key=lambda separator: separator != usual)
    best = max(order, key=lambda separator: _fit(first, separator, wanted))
    if best != usual:
        reading.note(f"{path.name} was read as separated by {_NAMES[best]}")
    return best, best != "\t" and f"{best} " in first


def _quoting(path: Path, file: io.TextIOWrapper, separator: str, reading: Reading) -> Literal[0, 3]:
    """Return how quotes are read. Where tabs separate, programs that write no quotes are usual: where
    one does not go around a whole cell, none does. The file is then where it was.
    """
    if separator != "\t":
        return csv.QUOTE_MINIMAL
    start = file.tell()
    try:
        for _ in csv.reader(file, delimiter=separator, strict=True):
            pass
    except csv.Error as error:
        if "field limit" in str(error) or "NUL" in str(error):
            return csv.QUOTE_MINIMAL
        reading.note(
            f"quotes in {path.name} were read as they stand: some are not around a whole cell"
        )
        return csv.QUOTE_NONE
    finally:
        file.seek(start)
    return csv.QUOTE_MINIMAL


def _fit(header: str, separator: str, wanted: set[str]) -> tuple[int, int]:
    """Return how many of the columns a separator gives, and how many there are; of equals the first
    is taken, which is what the suffix says.
    """
    if (signs := header.count(separator)) > 2 * LIMITS.columns:
        return 0, signs
    try:
        cells = next(csv.reader(io.StringIO(header), delimiter=separator), [])
    except csv.Error:
        return 0, 0
    found = len({same(cell) for cell in cells} & wanted)
    return found, len(cells) if found < len(wanted) else 0
