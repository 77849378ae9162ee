"""What a door is asked for and what it gives: `Reading`, `Sheet` and `Record`, and the limits of all doors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from cfedge.errors import DataError, MissingExtraError

__all__ = ["LIMITS", "Limits", "Reading", "Record", "Sheet", "check_size", "needed", "unreadable"]


@dataclass(frozen=True)
class Limits:
    """What one file may take. CSV, JSON lines, fastText and Parquet are read row by row and have no
    limit.
    """

    json_bytes: int = 256 << 20  # one value: some ten times as much in memory
    yaml_bytes: int = 32 << 20  # a tree of nodes: some thirty times as much
    unpacked_bytes: int = 128 << 20  # of a workbook, which is a ZIP archive
    cell_characters: int = 1 << 20  # the csv module's own is 131,072
    columns: int = 16_384  # as many as a sheet of Excel has
    archive_files: int = 1 << 20  # some 1 kB of memory each
    archive_bytes: int = 2 << 30  # unpacked: far above what a workshop learns from at once
    free_bytes: int = 64 << 20  # up to so many it does not matter how well they were packed
    archive_growth: int = 200  # times its own size: tables pack to a tenth, bombs to a thousandth


LIMITS = Limits()


class Record(NamedTuple):
    """One row of a file.

    Attributes
    ----------
    number
        Its place in the file, from 1; of what is in `Sheet.unit`.
    cells
        By column, as the file has them.
    fault
        What is wrong with the row as a whole, with what to do; empty where nothing is.
    """

    number: int
    cells: Mapping[str, object]
    fault: str = ""


def _nothing() -> None:
    """There is nothing to close."""


class Sheet(NamedTuple):
    """What a file gives.

    Attributes
    ----------
    header
        None where each row names its own columns.
    rows
        Read one after another.
    unit
        What rows are counted in: ``line``, ``row``, ``entry``.
    close
        Called once the rows were taken, or will not be.
    """

    header: tuple[str, ...] | None
    rows: Iterator[Record]
    unit: str = "line"
    close: Callable[[], object] = _nothing


@dataclass
class Reading:
    """What is asked of a file, and what was assumed while it was read.

    Attributes
    ----------
    columns
        Names that are looked for; a separator is known by them.
    encoding
        Of the letters in it; None: it is found out.
    notes
        Whole sentences without a full stop, each of which whoever asked must be told.
    """

    columns: tuple[str, ...]
    encoding: str | None = None
    notes: list[str] = field(default_factory=list)

    def note(self, remark: str) -> None:
        """Keep a note, once."""
        if remark not in self.notes:
            self.notes.append(remark)


def check_size(path: Path, most: int, step: str) -> None:
    """Refuse a file of a format that must be read as one piece, where it is too large.

    Raises
    ------
    DataError
        Naming both sizes.
    """
    size = path.stat().st_size
    if size > most:
        raise DataError(f"{path}: expected at most {most:,} bytes, found {size:,}; {step}")


def unreadable(path: Path, error: OSError) -> DataError:
    """Return the error for a file that the disk does not give."""
    return DataError(f"could not read {path}: {error.strerror or error}; check the path")


def needed(name: str, path: Path) -> ModuleType:
    """Import a package of the extra ``data``.

    Raises
    ------
    MissingExtraError
        It is not installed.
    """
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError as error:
        extra = "spacy" if name.startswith("spacy") else "data"
        raise MissingExtraError(
            f"could not read {path}: {name.partition('.')[0]} is not installed; pip install"
            f" 'cfedge[{extra}]', or save it as CSV"
        ) from error
