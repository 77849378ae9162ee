"""One table that was packed: an archive that holds a single one, as Kaggle gives it, or one that is
called as the one to learn from; or a file that gzip, bzip2 or xz packed, ``.csv.gz``.

It is unpacked into a folder of its own that is removed when the table was read, and read by its own
door; errors and lines are told of the packed file.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from cfedge.counted import counted
from cfedge.doors.archives import check_growth, is_archive, opened_archive
from cfedge.doors.columns import quoted
from cfedge.doors.reading import Reading, Record, Sheet
from cfedge.doors.xz import opened_xz
from cfedge.errors import DataError, MissingExtraError
from cfedge.scratch import no_room, scratch_folder

__all__ = ["PACKED", "sheet"]

#: What opens a file that was packed alone, by its suffix.
PACKED: dict[str, Callable[[Path], IO[bytes]]] = {
    ".gz": cast(Any, gzip.GzipFile),
    ".bz2": cast(Any, bz2.BZ2File),
    ".xz": cast(Any, opened_xz),
}
_PIECE = 1 << 20
#: Names that every system takes for a file.
_PLAIN = re.compile(r"[\w][\w .()+-]{0,99}").fullmatch
#: What the table to learn from is called, where there are others.
_TO_LEARN = ("train", "training")
_PACKER = {".gz": "gzip", ".bz2": "bzip2", ".xz": "xz"}
#: Files beside a table that are none.
_NO_TABLES = ("readme", "license", "licence", "citation", "notice")

_Door = Callable[[Path, Reading], Sheet]


def sheet(path: Path, reading: Reading, door: _Door, suffixes: tuple[str, ...]) -> Sheet:
    """Open a packed table.

    Parameters
    ----------
    door
        Opens a file of one of the `suffixes`.

    Raises
    ------
    DataError
        It is no archive, holds no table or several, or unpacks to more than it may; or of its door.
    MissingExtraError
        See `door`.
    """
    with contextlib.ExitStack() as unpacked:
        place = unpacked.enter_context(scratch_folder())
        unpack = _from_archive if is_archive(path) else _alone
        table = unpack(path, place, suffixes, reading)
        try:
            opened = door(table, reading)
        except (DataError, MissingExtraError) as error:
            raise _named(error, table, path) from error
        kept = unpacked.pop_all()

    def close() -> None:
        opened.close()
        kept.close()

    return Sheet(opened.header, _rows(opened.rows, table, path), opened.unit, close)


def _rows(rows: Iterator[Record], table: Path, path: Path) -> Iterator[Record]:
    try:
        yield from rows
    except (DataError, MissingExtraError) as error:
        raise _named(error, table, path) from error


def _named(
    error: DataError | MissingExtraError, table: Path, path: Path
) -> DataError | MissingExtraError:
    """Return an error of the packed file, instead of what was unpacked from it."""
    return type(error)(str(error).replace(str(table), str(path)))


def _alone(path: Path, place: Path, suffixes: tuple[str, ...], _reading: Reading) -> Path:
    table = place / _plain(path.stem, PurePosixPath(path.stem).suffix.lower())
    try:
        with PACKED[path.suffix.lower()](path) as packed:
            _copy(packed, table, path)
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise DataError(
            f"{path}: expected a file that {_PACKER[path.suffix.lower()]} packed, found: {error}; pack"
            " it again"
        ) from error
    return table


def _from_archive(path: Path, place: Path, suffixes: tuple[str, ...], reading: Reading) -> Path:
    with opened_archive(path) as members:
        tables = [one for one in members if _is_table(one.path, suffixes)]
        others = [one for one in tables if one.path.suffix.lower() != ".txt"]
        tables = others or tables  # a note beside a table
        called = [one for one in tables if one.path.stem.lower() in _TO_LEARN]
        chosen = tables if len(tables) == 1 else called
        if len(chosen) != 1:
            found = quoted((str(one.path)[:60] for one in tables or members), most=5)
            step = "the table to learn from, or the folder" if tables else "a table of it"
            raise DataError(
                f"{path}: expected one table ({', '.join(suffixes[:4])}, ...) or one folder a label,"
                f" found {found}; unpack it, and give {step}"
            )
        inside, opens = chosen[0]
        table = place / _plain(inside.name, inside.suffix.lower())
        with opens() as packed:
            _copy(packed, table, path)
    more = counted(len(tables) - 1, "other table")
    rest = (
        f", and not {more}: unpack it, and give the folder, to have all" if len(tables) > 1 else ""
    )
    reading.note(f"{str(inside)!r:.100} was read from {path.name}{rest}")
    return table


def _is_table(inside: PurePosixPath, suffixes: tuple[str, ...]) -> bool:
    return inside.suffix.lower() in suffixes and not inside.name.lower().startswith(_NO_TABLES)


def _plain(name: str, suffix: str) -> str:
    """Return a name that an archive gives, where it can be a file's; notes show it."""
    return name if _PLAIN(name) else f"table{suffix}"


def _copy(packed: IO[bytes], table: Path, path: Path) -> None:
    """Unpack, and refuse what becomes too large before it is."""
    size = 0
    with no_room(table.parent):
        file = table.open("wb", buffering=0)
    with file:
        while piece := packed.read(_PIECE):
            size += len(piece)
            check_growth(path, size)
            left = memoryview(piece)
            with no_room(table.parent):
                while left:  # a disk that is nearly full takes a part, and refuses the rest
                    left = left[file.write(left) :]
