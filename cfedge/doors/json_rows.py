"""Rows in JSON: one object a line, or one array of objects, or one object of columns.

What annotation tools write is known by its fields (`SHAPES`); a row that is none of theirs is its
own cells.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from cfedge.counted import counted
from cfedge.doors import argilla, label_studio
from cfedge.doors.answers import QUESTION
from cfedge.doors.columns import quoted, same
from cfedge.doors.encoding import opened
from cfedge.doors.nested import with_leaves
from cfedge.doors.reading import LIMITS, Reading, Record, Sheet, check_size
from cfedge.doors.text import chat, prodigy
from cfedge.doors.text.json_forms import rows_of
from cfedge.errors import DataError
from cfedge.values import value_words

__all__ = ["sheet"]


class _Shape(Protocol):
    """What an annotation tool's rows look like; None instead of cells leaves a row out."""

    NAME: str

    def recognises(self, row: Mapping[str, Any]) -> bool: ...

    def cells(self, row: Mapping[str, Any], columns: tuple[str, ...]) -> dict[str, Any] | None: ...


SHAPES: tuple[_Shape, ...] = (label_studio, argilla, prodigy, chat)


class _Line(NamedTuple):
    """A value with its number, or why there is none."""

    number: int
    value: Any
    fault: str = ""


#: The keys of an object that holds boxes or outlines, by the program that writes it.
_BOXES = {"COCO": {"images", "annotations", "categories"}, "LabelMe": {"imagePath", "shapes"}}


def sheet(path: Path, reading: Reading) -> Sheet:
    """Open a file.

    Raises
    ------
    DataError
        It is no JSON, or neither objects nor an array of them.
    """
    file = opened(path, reading)
    try:
        first, second = [*islice((line for line in file if line.strip()), 2), "", ""][:2]
        file.seek(0)
        if _is_lines(path, first, second):
            return Sheet(None, _rows(_lines(file), path, reading), close=file.close)
        check_size(path, LIMITS.json_bytes, "write one object a line (JSONL), which has no limit")
        whole = file.read()
    except BaseException:
        file.close()
        raise
    file.close()
    return Sheet(None, _rows(_entries(path, whole, reading), path, reading), "entry")


def _is_lines(path: Path, first: str, second: str) -> bool:
    """Whether the lines that are not empty are values of their own, and no arrays."""
    if first.lstrip().startswith("["):
        return False
    if path.suffix.lower() != ".json":
        return True
    try:
        return isinstance(json.loads(first), dict) and bool(second)
    except (ValueError, RecursionError):
        return False


def _lines(file: io.TextIOWrapper) -> Iterator[_Line]:
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        try:
            yield _Line(number, json.loads(line.rstrip("\r\n"), object_pairs_hook=_once))
        except (ValueError, RecursionError) as error:
            yield _Line(number, None, f"expected a JSON object, found {_place(error)}")


def _entries(path: Path, whole: str, reading: Reading) -> Iterator[_Line]:
    try:
        value = json.loads(whole, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        line = f", line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise DataError(
            f"{path}{line}: expected a JSON array of objects, found {_place(error)}; save it again"
        ) from error
    for program, keys in _BOXES.items():
        if isinstance(value, dict) and keys <= value.keys():
            raise DataError(
                f"{path}: expected rows of one label each, found annotations of {program}, which are"
                " of parts of pictures; write a table of the files and their labels"
            )
    if isinstance(value, dict) and isinstance(value.get("data"), list):
        value = _of_split(value)
    elif (isinstance(value, dict) and (rows := rows_of(value, path, reading)) is not None) or (
        isinstance(value, dict) and (rows := _inside(value, path, reading)) is not None
    ):
        value = rows
    elif isinstance(value, dict) and _is_columns(value):
        names = list(value)
        value = [
            dict(zip(names, cells, strict=True))
            for cells in zip(*map(_cells, value.values()), strict=True)
        ]
    if not isinstance(value, list):
        raise DataError(
            f"{path}: expected a JSON array of objects with {quoted(reading.columns)}, found"
            f" {value_words(value)}; write one object a row"
        )
    return (_Line(number, row) for number, row in enumerate(value, start=1))


def _of_split(value: Mapping[str, Any]) -> Any:
    """Rows under ``data``; of pandas' form ``split`` with the names of its columns."""
    names, rows = value.get("columns"), value["data"]
    lists = isinstance(names, list) and all(isinstance(row, list) for row in rows)
    if not lists or not all(isinstance(name, str) for name in names or ()):
        return rows
    return [
        dict(zip(names or (), row, strict=True)) if len(row) == len(names or ()) else row
        for row in rows
    ]


def _inside(value: Mapping[str, Any], path: Path, reading: Reading) -> list[Any] | None:
    """Return the rows that an object holds under one of its names, or one by one under names of
    their own, or that an object in it holds so; None where there are none with any of the columns.
    """
    wanted = {same(name) for name in reading.columns}

    def fit(row: Any) -> int:
        return len(wanted & set(map(same, row))) if isinstance(row, dict) else 0

    lists = {name: rows for name, rows in value.items() if isinstance(rows, list) and rows}
    best = max(lists, key=lambda name: fit(lists[name][0]), default=None)
    if best is not None and fit(lists[best][0]):
        reading.note(f"the rows of {path.name} were taken from {best!r:.60}")
        return lists[best]
    rows = list(value.values())
    if len(rows) > 1 and all(fit(row) == len(wanted) for row in rows):
        return rows
    inner = (_inside(one, path, reading) for one in rows if isinstance(one, dict))
    return next((one for one in inner if one is not None), None)


def _other(asked: str, question: str, reading: Reading) -> str:
    """Say what is wrong with the only answer of a row where those before answer another question."""
    if question == asked or "label" not in reading.columns:
        return ""
    return (
        f"expected an answer to {asked!r}, as in the rows before, found one to {question!r}; say"
        f" which question is meant with --label-column '{asked}'"
    )


class _RepeatedError(ValueError):
    """An object has a name twice, and readers differ in which they take."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _RepeatedError(f"{twice[:40]!r} twice in one object")
    return found


def _place(error: Exception) -> str:
    """Say what stands where in a line that is no JSON."""
    if isinstance(error, _RepeatedError):
        return str(error)
    if isinstance(error, RecursionError):
        return "brackets that are nested too deep"
    if not isinstance(error, json.JSONDecodeError):  # what Python does not convert
        return "a number of thousands of digits"
    rest = error.doc[error.pos : error.pos + 20].split("\n")[0]
    if not rest:
        return (
            f"its end in column {error.colno}, where something is missing (each object stands in one"
            " line, or all of them in an array in a file .json)"
        )
    hints = {"'": " (JSON has double quotes)", ",": " (no comma stands behind the last, or a line)"}
    hint = hints.get(rest[0], "")
    return f"{rest!r} in column {error.colno}, which is no JSON{hint}"


def _is_columns(value: Mapping[str, Any]) -> bool:
    """Whether an object holds columns of one length: lists, or objects by row, as pandas writes
    them.
    """
    lengths = {len(cells) if isinstance(cells, list | dict) else -1 for cells in value.values()}
    return len(value) > 1 and len(lengths) == 1 and lengths != {-1} and lengths != {0}


def _cells(column: list[Any] | dict[str, Any]) -> list[Any]:
    return list(column.values()) if isinstance(column, dict) else column


def _rows(lines: Iterator[_Line], path: Path, reading: Reading) -> Iterator[Record]:
    left_out, asked = 0, ""
    first = next(lines, None)
    shape = None
    if first is not None and isinstance(first.value, dict):
        shape = next((one for one in SHAPES if one.recognises(first.value)), None)
    if shape is not None:
        reading.note(f"{path.name} was read as an export of {shape.NAME}")
    for line in chain([first] if first is not None else [], lines):
        if line.fault:
            yield Record(line.number, {}, f"{line.fault}; write the row again")
        elif not isinstance(line.value, dict):
            found = f"expected a JSON object, found {value_words(line.value)}"
            fault = f"{found}; write it as one with {quoted(reading.columns)}"
            yield Record(line.number, {}, fault)
        elif shape is None or not shape.recognises(line.value):
            yield Record(line.number, with_leaves(line.value, reading.columns))
        elif (cells := shape.cells(line.value, reading.columns)) is not None:
            question = str(cells.pop(QUESTION, asked))
            asked = asked or question
            yield Record(line.number, cells, _other(asked, question, reading))
        else:
            left_out += 1
    if left_out and shape is not None:
        rows = counted(left_out, "row")
        reading.note(f"{rows} of {path.name} that {shape.NAME} calls rejected or skipped left out")
