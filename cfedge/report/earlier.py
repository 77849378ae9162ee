"""An earlier report, read: its page or its JSON, to hold a new one against."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from cfedge.bundle.canonical import typed
from cfedge.errors import SchemaError, StorageError, UsageError
from cfedge.plain_files import open_plain
from cfedge.report.contents import SCHEMA, Contents
from cfedge.report.foreign_json import foreign_json

__all__ = ["is_report", "parsed", "read_old"]

#: Bytes of an old report that are read: twice what one may have.
_MOST_BYTES = 8_000_000
_BEGIN = b'<script type="application/json" id="report-data">'
_DATA = re.compile(_BEGIN + rb"(.*?)</script>", re.S)


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
    # the data of very many long labels end behind what is read
    return _BEGIN in data or (data[:1] == b"{" and b'"clusters"' in data and b'"schema"' in data)


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
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise StorageError(f"could not read {path}: {error.strerror}; check the path") from error
    if len(data) > _MOST_BYTES:
        raise UsageError(
            f"{path}: expected a report of at most {_MOST_BYTES / 1e6:.0f} MB, found more; name"
            " another file"
        )
    found = _DATA.search(data)
    return parsed(found.group(1) if found else data, str(path))
