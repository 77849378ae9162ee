"""An Excel workbook: its first sheet whose first row names the columns, or the first that has
rows.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cfedge.doors.columns import same
from cfedge.doors.reading import LIMITS, Reading, Record, Sheet, needed
from cfedge.errors import DataError

__all__ = ["sheet"]

#: That Excel itself can hold.
_ROWS = 1 << 20


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
        sheet = _chosen(book, reading)
        if sheet is None:
            return
        if len(book.worksheets) > 1:
            reading.note(
                f"sheet {sheet.title!r} of {path.name} was read, and none of its"
                f" {len(book.worksheets) - 1} others"
            )
        yield from _of_sheet(sheet)
    except DataError:
        raise
    except Exception as error:
        raise _refused(path, error) from error


def _chosen(book: Any, reading: Reading) -> Any | None:
    wanted = {same(name) for name in reading.columns}
    filled = None
    for sheet in book.worksheets:
        first = next(_of_sheet(sheet), None)
        if first is None:
            continue
        filled = filled or sheet
        if wanted <= {same(str(cell)) for cell in first[1]}:
            return sheet
    return filled


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
    reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
    return DataError(
        f"{path}: expected an Excel workbook (.xlsx), found: {reason}; save it again, or as CSV"
    )
