"""fastText's lines: ``__label__NAME`` once or more, then the text."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

from cfedge.doors.encoding import opened
from cfedge.doors.reading import Reading, Record, Sheet
from cfedge.errors import DataError

__all__ = ["sheet"]

_MARK = "__label__"


def sheet(path: Path, reading: Reading) -> Sheet:
    """Open a file.

    Raises
    ------
    DataError
        Its first line has no label: then it is some other text file.
    """
    file = opened(path, reading)
    first = next((line for line in file if line.strip()), "")
    if not first.startswith(_MARK):
        file.close()
        raise DataError(
            f"{path}: expected lines of fastText (__label__NAME and a text), found"
            f" {first.strip()[:60]!r}; save it as CSV with the columns text and label"
        )
    file.seek(0)
    return Sheet(("text", "label"), _rows(file), close=file.close)


def _rows(file: io.TextIOWrapper) -> Iterator[Record]:
    for number, line in enumerate(file, start=1):
        words = line.split()
        if not words:
            continue
        labels = []
        rest = line.strip()
        for word in words:
            if not word.startswith(_MARK):
                break
            labels.append(word.removeprefix(_MARK))
            rest = rest[len(word) :].lstrip()
        label = labels[0] if len(labels) == 1 else labels or None
        yield Record(number, {"text": rest, "label": label})
