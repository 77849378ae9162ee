"""An Excel workbook: its first sheet whose first row names the columns, or the first that has
rows.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from cfedge.counted import counted
from cfedge.doors.columns import same
from cfedge.doors.excel_xml import Merged, layout
from cfedge.doors.reading import LIMITS, Reading, Record, Sheet, needed
from cfedge.errors import DataError

__all__ = ["sheet"]

#: That Excel itself can hold.
_ROWS = 1 << 20
#: Rows among which the header is looked for.
_TITLES = 20


def sheet(path: Path, reading: Reading) -> Sheet:
    """Open a workbook; formulas give the values that they had when it was saved.

    Raises
    ------
    DataError
        It is no workbook, unpacks to more than it may, or is empty.
    MissingExtraError
        openpyxl is not installed.
    """
    openpyxl = needed("openpyxl", path)
    _check_unpacked(path)
    file = path.open("rb")  # openpyxl leaves its own open where it fails
    try:
        book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
        rows = _filled(path, book, reading)
        first = next(rows, None)
    except DataError:
        file.close()
        raise
    except Exception as error:  # openpyxl checks nothing itself: KeyError, ValueError, ParseError
        file.close()
        raise _refused(path, error) from error
    if first is None:
        file.close()
        raise DataError(f"{path}: expected a sheet with a header and rows, found none; add them")
    header = tuple("" if cell is None else str(cell) for cell in first[1])
    return Sheet(header, _rows(rows, header), "row", file.close)


def _check_unpacked(path: Path) -> None:
    """Refuse an archive whose files would be too large, by what it says of them and is held to when
    it is unpacked.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise _refused(path, error) from error
    if size > LIMITS.unpacked_bytes:
        raise DataError(
            f"{path}: expected a workbook of at most {LIMITS.unpacked_bytes:,} bytes once it is"
            f" unpacked, found {size:,}; save the sheet as CSV"
        )


def _filled(path: Path, book: Any, reading: Reading) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """Give the rows with their numbers of the first sheet whose first row has the columns that are
    asked for; where none has, of the first that has any rows.
    """
    try:
        fitting = _fitting(book, reading)
        if not fitting:
            return
        sheet, *alike = fitting
        if len(book.worksheets) > 1:
            named = (
                f"{', '.join(repr(one.title) for one in alike[:5])}{', ...' if alike[5:] else ''}"
            )
            have = "has" if len(alike) == 1 else "have"
            reading.note(
                f"sheet {sheet.title!r} of {path.name} was read, and not"
                f" {counted(len(book.worksheets) - 1, 'other')}"
                + (
                    f"; {named} {have} the columns too: put all rows into one sheet"
                    if alike
                    else ""
                )
            )
        rows = _of_sheet(sheet)
        skipped = _titles(sheet, reading)
        if skipped:
            lines = counted(skipped, "row")
            reading.note(f"{lines} above the header left out of {path.name}")
        found = layout(sheet)
        if found.uncalculated:
            reading.note(
                f"formulas of {path.name} that no program has calculated are empty; open it in a"
                " spreadsheet and save it there"
            )
        yield from islice(_filled_in(rows, found.merged, path, reading), skipped, None)
    except DataError:
        raise
    except Exception as error:
        raise _refused(path, error) from error


def _fitting(book: Any, reading: Reading) -> list[Any]:
    """Return the sheets that have the columns; where none has, the first that has any rows."""
    wanted = {same(name) for name in reading.columns}
    filled, fitting = list[Any](), list[Any]()
    for sheet in book.worksheets:
        firsts = [row for _, row in islice(_of_sheet(sheet), _TITLES)]
        filled += [sheet] if firsts else []
        if any(wanted <= {same(str(cell)) for cell in row} for row in firsts):
            fitting.append(sheet)
    return fitting or filled[:1]


def _titles(sheet: Any, reading: Reading) -> int:
    """Return how many rows stand above the one that names the columns; 0 where none does."""
    wanted = {same(name) for name in reading.columns}
    for above, (_, row) in enumerate(islice(_of_sheet(sheet), _TITLES)):
        if wanted <= {same(str(cell)) for cell in row}:
            return above
    return 0


def _filled_in(
    rows: Iterator[tuple[int, tuple[Any, ...]]],
    merged: Mapping[int, list[Merged]],
    path: Path,
    reading: Reading,
) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """Give each row with the value of a merged cell in all the rows that it covers, as it is seen."""
    covering: dict[int, tuple[int, Any]] = {}  # by column: the last row, and the value
    for number, row in rows:
        cells = list(row)
        for column, (last, value) in covering.items():
            if number > last:
                continue
            cells += [None] * (column + 1 - len(cells))
            if cells[column] is None:
                cells[column] = value
                reading.note(f"merged cells of {path.name} were read as their value in each row")
        for one in merged.get(number, ()):
            if one.column < len(row):
                covering[one.column] = one.last, row[one.column]
        yield number, tuple(cells)


def _of_sheet(sheet: Any) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """Give the rows of a sheet that are not empty."""
    sheet.reset_dimensions()  # what it says of its size is not to be trusted
    rows = sheet.iter_rows(values_only=True, max_row=_ROWS)
    for number, row in enumerate(rows, start=1):
        if any(cell is not None and cell != "" for cell in row):
            yield number, row


def _rows(rows: Iterator[tuple[int, tuple[Any, ...]]], header: tuple[str, ...]) -> Iterator[Record]:
    for number, row in rows:
        yield Record(number, dict(zip(header, row, strict=False)))


def _refused(path: Path, error: Exception) -> DataError:
    own = isinstance(error, AttributeError | TypeError | KeyError | IndexError)
    reason = "what it may not hold" if own else str(error).partition("\n")[0][:200]
    return DataError(
        f"{path}: expected an Excel workbook (.xlsx), found: {reason}; save it again, or as CSV"
    )
