"""Files of labelled data as people have them: one table of doors, one file a format.

A door gives the rows of a file as they stand there, with their places; what an input and a label
may be is for whoever reads the rows (`cfedge.train.examples.rows`). Nothing is guessed silently: what a
door assumes goes into `Reading.notes`. A new format is a file beside these,
or in the folder of the kind that alone it holds, and a line in `DOORS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import NamedTuple, Protocol, cast

from cfedge.doors import packed
from cfedge.doors.archives import is_archive
from cfedge.doors.disguises import disguised, step_of
from cfedge.doors.reading import Reading, Record, Sheet, unreadable
from cfedge.errors import DataError
from cfedge.first_bytes import FIRST_BYTES, known
from cfedge.plain_files import open_plain

__all__ = ["DOORS", "Door", "Reading", "Record", "Sheet", "sheet", "stem", "suffixes"]


class Door(NamedTuple):
    """A format: the suffixes of its files, in lower case, and the module that reads them."""

    suffixes: tuple[str, ...]
    module: str


#: By the name of the format. What a door needs beside the standard library is an extra.
DOORS: Mapping[str, Door] = {
    "CSV": Door((".csv", ".tsv", ".tab"), "cfedge.doors.delimited"),
    "JSON": Door((".jsonl", ".ndjson", ".json"), "cfedge.doors.json_rows"),
    "Parquet": Door((".parquet",), "cfedge.doors.parquet"),
    "Excel": Door((".xlsx", ".xlsm"), "cfedge.doors.excel"),
    "Rasa NLU": Door((".yml", ".yaml"), "cfedge.doors.text.rasa"),
    "fastText": Door((".txt", ".ft", ".train", ".valid"), "cfedge.doors.text.fasttext"),
    "spaCy": Door((".spacy",), "cfedge.doors.text.spacy_docs"),
}

#: What people also have, and what to do with it.
_ELSEWHERE = {
    ".xls": "save it as .xlsx",
    ".ods": "save it as .xlsx or CSV",
    **dict.fromkeys((".feather", ".arrow", ".orc", ".h5", ".sav", ".dta"), "save it as Parquet"),
    **dict.fromkeys((".db", ".sqlite", ".sqlite3"), "save the query's rows as CSV"),
    **dict.fromkeys((".gz", ".bz2", ".xz", ".rar"), "unpack it"),
    ".zst": "unpack it: zstd -d FILE",
    ".7z": "unpack it: 7z x FILE",
    ".npy": "write a CSV of paths and labels beside it, with one array in each file",
    ".npz": "save each array as a .npy file, and a CSV of their paths and labels",
    ".md": "convert it to Rasa's YAML, or to CSV",
}


class _Module(Protocol):
    def sheet(self, path: Path, reading: Reading) -> Sheet: ...


def suffixes() -> tuple[str, ...]:
    """Return every suffix that is read, in lower case."""
    return tuple(suffix for door in DOORS.values() for suffix in door.suffixes)


def stem(path: Path) -> str | None:
    """Return what a table is called by its file, without the suffixes: ``one.csv``, ``one.csv.gz``;
    None where no door takes a file of that name, or it is an archive, which may be something else.
    """
    if path.suffix.lower() in packed.PACKED:
        path = path.with_suffix("")
    return path.stem if path.suffix.lower() in suffixes() else None


def sheet(path: Path, reading: Reading) -> Sheet:
    """Open a file of rows.

    Parameters
    ----------
    path
        Its suffix, in upper or lower case, says which door it is; gzip, bzip2 or xz may have packed
        it, or an archive hold it.
    reading
        What is asked of it; what was assumed is noted there.

    Raises
    ------
    DataError
        The file is not what its suffix says, or no door takes it; also while its rows are taken.
    MissingExtraError
        What its door needs is not installed.
    """
    suffix = path.suffix.lower()
    if is_archive(path) or (suffix in packed.PACKED and stem(path) is not None):
        return packed.sheet(path, reading, sheet, suffixes())
    if suffix in suffixes():
        _check_disguise(path, suffix)
    for door in DOORS.values():
        if suffix in door.suffixes:
            return cast(_Module, import_module(door.module)).sheet(path, reading)
    found = known(_first_bytes(path))
    what = "" if found is None else f" ({found.what})"
    step = _ELSEWHERE.get(suffix) or (None if found is None else step_of(found.what))
    step = step or f"save it as CSV with the columns {' and '.join(reading.columns)}"
    raise DataError(
        f"{path}: expected one of {', '.join(suffixes())}, found {path.suffix or 'no suffix'!r}{what};"
        f" {step}"
    )


def _first_bytes(path: Path) -> bytes:
    try:
        with open_plain(path) as file:
            return file.read(FIRST_BYTES)
    except OSError as error:
        raise unreadable(path, error) from error


def _check_disguise(path: Path, suffix: str) -> None:
    begins = _first_bytes(path)
    if not begins:
        raise DataError(f"{path}: expected rows, found an empty file; add a header and rows")
    found = disguised(begins, suffix)
    if found is not None:
        raise DataError(
            f"{path}: expected {suffix}, as its name says, found {found[0]}; {found[1]}"
        )
