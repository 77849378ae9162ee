"""Test tables without labels, as competitions give them: nothing is learned of them or measured by
them, so they are left out and told of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from cfedge.doors import Reading, Record, sheet
from cfedge.doors.columns import Columns, same
from cfedge.errors import DataError
from cfedge.kinds import DEFAULT_KIND, KINDS

__all__ = ["without_unlabelled"]


def without_unlabelled(
    files: Mapping[str, Sequence[Path]], columns: Columns, encoding: str | None
) -> tuple[dict[str, Sequence[Path]], tuple[str, ...]]:
    """Return the files of splits without a test split that has inputs alone, and what is to be told."""
    tests = files.get("test", ())
    if "train" not in files or not tests or not _is_bare(tests[0], columns, encoding):
        return dict(files), ()
    note = f"{tests[0].name} has no column {columns.label!r} and was left out"
    return {split: parts for split, parts in files.items() if split != "test"}, (note,)


def _is_bare(table: Path, columns: Columns, encoding: str | None) -> bool:
    """Whether a table has a column of inputs, and none of labels; False where it cannot be read."""
    try:
        opened = sheet(table, Reading(columns.wanted, encoding))
        try:
            names = opened.header or next(opened.rows, Record(0, {})).cells
        finally:
            opened.close()
    except DataError:
        return False
    seen = {same(str(name)) for name in names}
    inputs = {same(columns.input), *(KINDS if columns.input == DEFAULT_KIND else ())}
    return bool(inputs & seen) and columns.label is not None and same(columns.label) not in seen
