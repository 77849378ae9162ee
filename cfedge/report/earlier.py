"""An earlier report, read: its page or its JSON, to hold a new one against."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cfedge.bundle.canonical import typed
from cfedge.errors import SchemaError, StorageError, UsageError
from cfedge.plain_files import open_plain
from cfedge.report.contents import SCHEMA, Contents
from cfedge.report.foreign_json import foreign_json

__all__ = ["is_comparable", "is_report", "parsed", "read_old"]

#: Bytes of an old report's data, which are parsed, and of a page around them.
_MOST_BYTES, _PAGE_BYTES = 8_000_000, 64_000_000
_BEGIN, _END = b'<script type="application/json" id="report-data">', b"</script>"


def parsed(data: bytes, what: str) -> Contents:
    """Read what `dumped` wrote; `what` names it in errors.

    Raises
    ------
    UsageError
        It is no report of this version of cfedge.
    """
    try:
        value: Any = foreign_json(data)
        if isinstance(value, dict):
            value.pop("changes", None)  # what --json tells besides
        if isinstance(value, dict) and value.get("schema") != SCHEMA:
            raise SchemaError(f"schema: expected {SCHEMA}, found {str(value.get('schema'))[:20]!r}")
        contents: Contents = typed(Contents, value, "report")
    except (SchemaError, ValueError, RecursionError) as error:
        raise UsageError(
            f"{what}: expected a report of this version of cfedge, found none: {error}; make it with:"
            " cfedge report"
        ) from error
    return contents


def is_report(path: Path) -> bool:
    """Whether a file is a report, its page or its JSON, of any version; nothing of it is checked."""
    with open_plain(path) as file:
        data = file.read(_MOST_BYTES + 1)
        if data[:1] == b"{":  # the data of very many long labels end behind what is read
            return b'"clusters"' in data and b'"schema"' in data
        while data and _BEGIN not in data:  # of a page they may begin behind it
            data = data[-len(_BEGIN) :] + more if (more := file.read(_MOST_BYTES)) else b""
    return bool(data)


def is_comparable(data: bytes) -> bool:
    """Whether `read_old` reads a report, its page or its JSON, that is so large."""
    return len(data) <= _PAGE_BYTES and len(_data_of(data)) <= _MOST_BYTES


def _data_of(whole: bytes) -> bytes:
    """The data in a page; all of it where it is none."""
    begin = whole.find(_BEGIN) + len(_BEGIN)
    end = whole.find(_END, begin)
    return whole[begin:end] if begin >= len(_BEGIN) and end >= 0 else whole


def read_old(path: Path) -> Contents:
    """Read an earlier report, its page or its JSON.

    Raises
    ------
    UsageError
        It is none.
    StorageError
        It cannot be read.
    """
    try:
        with open_plain(path) as file:
            whole = file.read(_PAGE_BYTES + 1)
    except OSError as error:
        raise StorageError(f"could not read {path}: {error.strerror}; check the path") from error
    if not is_comparable(whole):
        raise UsageError(
            f"{path}: expected a report with at most {_MOST_BYTES / 1e6:.0f} MB of data, found more;"
            " name another file"
        )
    return parsed(_data_of(whole), str(path))
