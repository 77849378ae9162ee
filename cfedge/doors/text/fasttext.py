"""fastText's lines: words of a text, and ``__label__NAME`` once or more before or behind them. A table
that was saved under the same suffix is read as one.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path

from cfedge.doors import delimited
from cfedge.doors.delimited import has_columns
from cfedge.doors.encoding import opened
from cfedge.doors.reading import Reading, Record, Sheet
from cfedge.errors import DataError

__all__ = ["sheet"]

_MARK = "__label__"
_LABELS = re.compile(rf"(?<!\S){_MARK}\S+\s*").sub


def sheet(path: Path, reading: Reading) -> Sheet:
    """Open a file.

    Raises
    ------
    DataError
        Its first line has no label, and no columns either.
    """
    file = opened(path, reading)
    first = next((line for line in file if line.strip()), "")
    if not any(map(_is_label, first.split())):
        file.close()
        if has_columns(first, reading):
            return delimited.sheet(path, reading)
        if reading.columns == ("text",):  # of inputs alone each line is one
            reading.note(f"each line of {path.name} was read as a text")
            file = opened(path, reading)
            return Sheet(("text",), _plain(file), close=file.close)
        raise DataError(
            f"{path}: expected lines of fastText (__label__NAME and a text), found"
            f" {first.strip()[:60]!r}; save it as CSV with the columns"
            f" {' and '.join(reading.columns)}"
        )
    file.seek(0)
    return Sheet(("text", "label"), _rows(file), close=file.close)


def _is_label(word: str) -> bool:
    return word.startswith(_MARK) and word != _MARK


def _rows(file: io.TextIOWrapper) -> Iterator[Record]:
    for number, line in enumerate(file, start=1):
        words = line.split()
        if not words:
            continue
        labels = [word.removeprefix(_MARK) for word in words if _is_label(word)]
        rest = _LABELS("", line).strip()
        label = labels[0] if len(labels) == 1 else labels or None
        yield Record(number, {"text": rest, "label": label})


def _plain(file: io.TextIOWrapper) -> Iterator[Record]:
    for number, line in enumerate(file, start=1):
        if line.strip():
            yield Record(number, {"text": line.strip()})
