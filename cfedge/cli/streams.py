"""Standard input, output and error as somebody at a Unix shell expects them to behave.

A reader that has had enough ends the command with success; a full disk is an error of the disk; what
the terminal cannot show is escaped; what comes in with a byte order mark is read as it says.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import os
import stat
import sys
from collections.abc import Iterator
from typing import BinaryIO

from cfedge.errors import InputError, StorageError, UsageError

__all__ = ["LINE_BYTES", "guarded", "is_utf8", "lines", "prepare", "standard_input"]

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
#: Of one line: more than the picture of any camera takes in base64.
LINE_BYTES = 64 << 20
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def prepare() -> None:
    """Let letters that standard output or error cannot carry be escaped, not end the command."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def is_utf8() -> bool:
    """Whether standard output carries any letter."""
    return (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("-", "") == "utf8"


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """Do something that writes to standard output.

    Raises
    ------
    SystemExit
        Nobody reads it any more: success.
    StorageError
        It is a file, and there is no room.
    """
    try:
        yield
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        _let_go()
        raise SystemExit(0) from None
    except OSError as error:
        if error.errno not in _FULL or error.filename is not None:
            raise
        if not _has_disk():
            raise
        _let_go()
        raise StorageError(
            f"could not write to standard output: {error.strerror}; make room and run it again"
        ) from error


def _has_disk() -> bool:
    """Whether standard output goes where there may be no room: a terminal or a pipe never says so."""
    try:
        handle = sys.stdout.fileno()
        return not (os.isatty(handle) or stat.S_ISFIFO(os.fstat(handle).st_mode))
    except (AttributeError, OSError, ValueError):
        return False


def _let_go() -> None:
    """Write what is still to come to nowhere: Python flushes once more when it ends."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def standard_input() -> BinaryIO:
    """Return standard input, as bytes.

    Raises
    ------
    UsageError
        It is closed.
    """
    if sys.stdin is None:
        raise UsageError(
            "standard input: expected lines, found it closed; pipe them in, or give inputs as"
            " arguments"
        )
    return sys.stdin.buffer


def lines(stream: BinaryIO) -> Iterator[bytes]:
    """Give the lines of a stream as they come, in UTF-8, without a byte order mark.

    Raises
    ------
    InputError
        It begins as UTF-16 and is none, or a line is longer than `LINE_BYTES`.
    """
    first = _line(stream, 1)
    if first.startswith(_UTF16):
        yield from _from_utf16(first, stream)
        return
    if line := first.removeprefix(codecs.BOM_UTF8):
        yield line
    number = 1
    while line := _line(stream, number := number + 1):
        yield line


def _line(stream: BinaryIO, number: int) -> bytes:
    line = stream.readline(LINE_BYTES + 1)
    if len(line) > LINE_BYTES:
        raise InputError(
            f"line {number}: expected at most {LINE_BYTES >> 20} MB, found more without a line end;"
            " write one input a line"
        )
    return line


def _from_utf16(piece: bytes, stream: BinaryIO) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder("utf-16")()
    pending, number = "", 0
    while True:
        try:
            pending += decoder.decode(piece, final=not piece)
        except UnicodeDecodeError as error:
            raise InputError(
                f"line {number + 1}: expected UTF-16, as the first bytes say, found {error.reason};"
                " save it as UTF-8"
            ) from error
        *whole, pending = pending.split("\n")
        for line in whole:
            number += 1
            yield line.encode("utf-8") + b"\n"
        if not piece:
            if pending:
                yield pending.encode("utf-8")
            return
        piece = _line(stream, number + 1)
