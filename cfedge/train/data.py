"""Labelled texts from a file or folder -> `LabelledData`. CSV, JSONL, or a Hugging Face
``datasets`` folder.

A folder holds ``train.csv`` (or ``.jsonl``), and optionally ``validation.*`` (held out) and
``test.*``, or what ``datasets`` saved with ``save_to_disk``. Every file is parsed once. Several
tasks in one file or folder are read by `cfedge.train.task_files`.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

from cfedge.errors import DataError
from cfedge.train.examples import Examples, LabelledData
from cfedge.train.rows import Columns, Row, Table, check_columns, examples_of, parsed
from cfedge.train.saved_datasets import is_saved, load_saved

__all__ = ["SUFFIXES", "load", "load_file", "load_inputs", "read_table", "split_files"]

SUFFIXES = (".csv", ".jsonl")


def load(path: Path) -> LabelledData:
    """Load a file, or a folder of splits.

    Raises
    ------
    DataError
        Naming the file, the row, what was expected and found.
    """
    if not path.exists():
        raise DataError(f"{path}: expected a CSV or JSONL file or a folder, found nothing")
    if path.is_file():
        return LabelledData(load_file(path))
    if is_saved(path):
        return load_saved(path)
    files = split_files(path)
    if "train" not in files:
        raise DataError(
            f"{path}: expected train.csv, train.jsonl or a saved datasets folder, found "
            f"{', '.join(sorted(entry.name for entry in path.iterdir())[:5]) or 'nothing'}"
        )
    splits = {name: load_file(file) for name, file in files.items()}
    return LabelledData(splits["train"], splits.get("validation"), splits.get("test"))


def load_file(path: Path) -> Examples:
    """Load one CSV or JSONL file with the columns ``text`` and ``label``; errors as of `load`."""
    return examples_of(read_table(path, Columns()))


def load_inputs(path: Path) -> tuple[str, ...]:
    """Load one CSV or JSONL file with the column ``text``, without labels; errors as of `load`."""
    return read_table(path, Columns(label=None)).texts


def read_table(path: Path, columns: Columns) -> Table:
    """Parse one CSV or JSONL file once; errors as of `load`."""
    if path.suffix not in SUFFIXES:
        raise DataError(
            f"{path}: expected one of {', '.join(SUFFIXES)}, found {path.suffix or 'no suffix'!r}"
        )
    try:
        content = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: expected UTF-8, found byte 0x{error.object[error.start]:02x} at"
            f" {error.start}; save it as UTF-8"
        ) from error
    except OSError as error:
        raise DataError(f"could not read {path}: {error.strerror}; check the path") from error
    rows = (_csv_rows if path.suffix == ".csv" else _json_rows)(content, path, columns)
    return parsed(rows, columns, str(path))


def split_files(folder: Path) -> dict[str, Path]:
    """Return the files of a folder's splits, by ``train``, ``validation`` and ``test``: those that
    are there.

    Raises
    ------
    DataError
        There are two files of one split.
    """
    files: dict[str, Path] = {}
    for name in ("train", "validation", "test"):
        found = [path for suffix in SUFFIXES if (path := folder / f"{name}{suffix}").is_file()]
        if len(found) > 1:
            raise DataError(
                f"{folder}: expected one {name} file, found {found[0].name} and {found[1].name};"
                " keep one"
            )
        if found:
            files[name] = found[0]
    return files


def _csv_rows(content: str, path: Path, columns: Columns) -> Iterator[Row]:
    reader = csv.DictReader(io.StringIO(content, newline=""), strict=True)
    try:
        header = list(reader.fieldnames or [])
        check_columns(header, columns, str(path))
        for row in reader:
            if None in row:
                raise DataError(
                    f"{path}, line {reader.line_num}: expected {len(header)} columns, found"
                    f" {len(header) + len(row[None])}; put texts that hold commas in double quotes"
                )
            yield Row(reader.line_num, *(name and row[name] for name in columns))
    except csv.Error as error:
        raise DataError(
            f"{path}, line {reader.reader.line_num}: expected CSV, found {error}"
        ) from error


def _json_rows(content: str, path: Path, columns: Columns) -> Iterator[Row]:
    for number, line in enumerate(content.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(
                f"{path}, line {number}: expected a JSON object, found {error}"
            ) from error
        if not isinstance(row, dict):
            raise DataError(
                f"{path}, line {number}: expected a JSON object, found {type(row).__name__}"
            )
        check_columns(list(row), columns, f"{path}, line {number}")
        yield Row(number, *(name and row[name] for name in columns))
