"""Which encoding a file of letters has: said by its first bytes, by its bytes being UTF-8, or
guessed and told.

Windows-1252, which a spreadsheet saves in Western Europe and America, is the only one that is
guessed, and only where few letters would come of it: another script would come out as garbage.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from cfedge.doors.reading import Reading, unreadable
from cfedge.errors import DataError

__all__ = ["decoded", "opened", "whole"]

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
#: Ways to write letters in others, which Python counts among encodings; some take the square of a
#: file's time.
_NOTATIONS = ("idna", "punycode", "raw_unicode_escape", "unicode_escape")
_PIECE = 1 << 20
#: Bytes that Windows-1252 leaves undefined.
_UNDEFINED = b"\x81\x8d\x8f\x90\x9d"
#: Of the bytes above 127 among all: some 5 % in French, half and more in Greek or Russian.
_MOST_LETTERS = 0.15
#: Bytes above 127 that follow each other, and their share of all of these: few in the languages of
#: Western Europe, nearly all in those of Russia, Greece, China, Korea and Japan.
_RUNS = re.compile(rb"[\x80-\xff]{2,}").findall
_MOST_BESIDE = 0.5


class _Letters(NamedTuple):
    """Where letters stand, for errors and for notes, and what opens them."""

    where: str
    name: str
    open: Callable[[], BinaryIO]


def opened(path: Path, reading: Reading) -> io.TextIOWrapper:
    """Open a file of letters in the encoding that it has; line ends stay as they are.

    Raises
    ------
    DataError
        No encoding is plain; the line is named. Or the disk refused.
    """
    letters = _Letters(str(path), path.name, cast(Callable[[], BinaryIO], partial(path.open, "rb")))
    try:
        return path.open(encoding=_encoding(letters, reading), newline="")
    except OSError as error:
        raise unreadable(path, error) from error


def whole(path: Path, reading: Reading) -> str:
    """Return all of a file of letters; errors as of `opened`."""
    with opened(path, reading) as file:
        return file.read()


def decoded(data: bytes, where: str, reading: Reading) -> str:
    """Return the letters of bytes that are in memory; `where` names them. Errors as of `opened`."""
    letters = _Letters(where, where.rpartition(": ")[2], partial(io.BytesIO, data))
    return data.decode(_encoding(letters, reading))


def _encoding(letters: _Letters, reading: Reading) -> str:
    if reading.encoding is not None:
        return _told(letters, reading.encoding)
    with letters.open() as file:
        start = file.read(4)
    for mark, name in _MARKS:
        if start.startswith(mark):
            _check(letters, name, "save it again as UTF-8")
            if name != "utf-8-sig":
                reading.note(f"{letters.name} was read as {name.upper()}, as its first bytes say")
            return name
    if start[1:2] == b"\0" or start[:1] == b"\0":
        name = "utf-16-le" if start[1:2] == b"\0" else "utf-16-be"
        if _fault(letters, name) is None:
            reading.note(
                f"{letters.name} was read as {name.upper()}, which its zero bytes look like; say"
                " --encoding where it is another"
            )
            return name
    wrong = _fault(letters, "utf-8")
    return "utf-8" if wrong is None else _guessed(letters, wrong, reading)


def _told(letters: _Letters, name: str) -> str:
    try:
        "a".encode(name)  # refuses what turns bytes into bytes, or nothing into anything
        if codecs.lookup(name).name.replace("-", "_") in _NOTATIONS:
            raise LookupError(name)
    except (LookupError, ValueError) as error:
        raise DataError(
            "--encoding: expected the name of an encoding, such as utf-8 or cp1252, found"
            f" {name!r:.80}; choose another"
        ) from error
    _check(letters, name, "say another --encoding or save it as UTF-8")
    return name


def _check(letters: _Letters, name: str, step: str) -> None:
    wrong = _fault(letters, name)
    if wrong is not None:
        raise DataError(
            f"{letters.where}, line {_line(letters, wrong)}: expected {name.upper()}, found bytes that are"
            f" none; {step}"
        )


def _fault(letters: _Letters, name: str) -> int | None:
    """Return where a file stops being of an encoding; None where all of it is."""
    decoder = codecs.getincrementaldecoder(name)()
    position = 0
    with letters.open() as file:
        while True:
            piece = file.read(_PIECE)
            try:
                decoder.decode(piece, final=not piece)
            except UnicodeDecodeError as error:
                return position + error.start - (len(error.object) - len(piece))
            if not piece:
                return None
            position += len(piece)


def _line(letters: _Letters, position: int) -> int:
    count, left = 1, position
    with letters.open() as file:
        while left > 0 and (piece := file.read(min(left, _PIECE))):
            count += piece.count(b"\n")
            left -= len(piece)
    return count


def _guessed(letters: _Letters, wrong: int, reading: Reading) -> str:
    line = _line(letters, wrong)
    total = high = undefined = beside = 0
    with letters.open() as file:
        while piece := file.read(_PIECE):
            total += len(piece)
            high += sum(piece.count(bytes([value])) for value in range(0x80, 0x100))
            beside += sum(len(run) for run in _RUNS(piece))
            undefined += sum(piece.count(bytes([value])) for value in _UNDEFINED)
        file.seek(wrong)
        found = file.read(1)[0]
    if undefined or high > _MOST_LETTERS * total or beside > _MOST_BESIDE * high:
        raise DataError(
            f"{letters.where}, line {line}: expected UTF-8, found byte 0x{found:02x}; save it as UTF-8, or"
            " say which encoding it has with --encoding (cp1251, gb18030, shift_jis, ...)"
        )
    reading.note(
        f"{letters.name} was read as Windows-1252 (cp1252): it is not UTF-8 (byte 0x{found:02x} in"
        f" line {line}); say --encoding where it is another"
    )
    return "cp1252"
