"""Labelled inputs from a file or folder -> `LabelledData`. Every format of `cfedge.doors`.

A folder holds ``train.csv`` (or another format), and optionally ``validation.*`` (held out) and
``test.*``; they may lie in ``data/`` and be in parts, as the Hugging Face Hub keeps them; or it is
what ``datasets`` saved with ``save_to_disk``. Every file is parsed once. Several tasks in one file
or folder are read by `cfedge.train.examples.task_files`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from cfedge.doors import Reading, sheet, stem
from cfedge.doors.saved_datasets import is_saved, splits
from cfedge.errors import DataError
from cfedge.inputs import DEFAULT_KIND
from cfedge.kinds import KINDS, NEW_WORKSPACE
from cfedge.train.examples.class_folders import are_class_folders, check_groups, load_class_folders
from cfedge.train.examples.doubts import with_doubts
from cfedge.train.examples.examples import Examples, LabelledData
from cfedge.train.examples.nothing_known import nothing_known
from cfedge.train.examples.rows import Columns, Table, examples_of, table_of
from cfedge.train.examples.tables_beside import (
    columns_of,
    lone_table,
    lone_table_note,
    tables_beside,
)
from cfedge.train.examples.there import check_there
from cfedge.train.examples.unlabelled import without_unlabelled

__all__ = [
    "INPUT_AND_LABEL",
    "load",
    "load_file",
    "of_split",
    "read_file",
    "read_tables",
    "split_files",
]

INPUT_AND_LABEL = Columns()
#: What the files of a split are called.
_NAMES = {
    "train": ("train",),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test",),
}
#: As other programs call the parts of one table: part-00000-c000.parquet, part.0.parquet, part1.csv.
_PARTS = re.compile(r"part[-_. ]?\d+(\D.*)?", re.IGNORECASE)
#: train-00000-of-00002.parquet
_PART = re.compile(r"(?P<name>.+)-(?P<part>\d{5})-of-(?P<parts>\d{5})")


def load(
    path: Path,
    columns: Columns = INPUT_AND_LABEL,
    encoding: str | None = None,
    kind: str = DEFAULT_KIND,
) -> LabelledData:
    """Load a file, or a folder of splits.

    Parameters
    ----------
    columns
        What the columns of inputs and labels are called.
    encoding
        Of files of letters; None: it is found out.
    kind
        Of the inputs: a key of `cfedge.inputs.KINDS`. Of kinds that stand in files of their own a
        table's cells are paths inside its folder. A folder or an archive may hold one folder a
        label instead, with one input a file (`cfedge.train.examples.class_folders`).

    Raises
    ------
    DataError
        Naming the file, the row, what was expected and found.
    MissingExtraError
        What its format needs is not installed.
    """
    check_there(path)
    if not tables_beside(path, kind, columns) and are_class_folders(path, kind):
        check_groups(path, kind, columns.group)
        return load_class_folders(path, kind, encoding)
    if path.is_file():
        return LabelledData(load_file(path, columns, encoding, kind))
    tables = read_tables(path, columns, encoding, kind).items()
    loaded = {split: with_doubts(examples_of(table), table) for split, table in tables}
    return LabelledData(loaded["train"], loaded.get("validation"), loaded.get("test"))


def load_file(
    path: Path,
    columns: Columns = INPUT_AND_LABEL,
    encoding: str | None = None,
    kind: str = DEFAULT_KIND,
) -> Examples:
    """Load one file of inputs and labels; errors as of `load`."""
    if os.path.exists(path):  # noqa: PTH110 - pathlib raises for a name that is too long
        check_there(path)
        if are_class_folders(path, kind):
            return load_class_folders(path, kind, encoding).train
    table = read_file([path], columns, encoding, kind)
    return with_doubts(examples_of(table), table)


def read_tables(
    folder: Path, columns: Columns, encoding: str | None = None, kind: str = DEFAULT_KIND
) -> dict[str, Table]:
    """Parse every split of a folder once; ``train`` is there. Errors as of `load`."""
    if is_saved(folder):
        return _saved(folder, columns, kind)
    files: Mapping[str, Sequence[Path]] = tables_beside(folder, kind, columns)
    files = files or split_files(folder)
    other = next((one for one in KINDS if one != kind and are_class_folders(folder, one)), None)
    if not files and other is not None:
        raise DataError(
            f"{folder}: expected data of the kind {kind}, found folders of the kind {other}; take a"
            f" backbone of that kind, as in: {NEW_WORKSPACE[other]}"
        )
    if "train" not in files:
        raise nothing_known(folder) or DataError(
            f"{folder}: expected train.csv (or another format) or a saved datasets folder, found "
            f"{', '.join(sorted(entry.name for entry in folder.iterdir())[:5]) or 'nothing'}; call"
            " the file to learn from train, or give it alone"
        )
    files, notes = without_unlabelled(files, columns, encoding)
    tables = {
        split: read_file(parts, of_split(columns, split), encoding, kind)
        for split, parts in files.items()
    }
    learned = tables["train"]
    told = (*learned.notes, *notes, *lone_table_note(folder))
    return {**tables, "train": learned._replace(notes=told)}


def read_file(
    parts: Sequence[Path], columns: Columns, encoding: str | None = None, kind: str = DEFAULT_KIND
) -> Table:
    """Parse a file, or the parts that it was cut into, once; errors as of `load`."""
    tables = []
    for path in parts:
        named = columns_of(path, columns, kind)
        reading = Reading(named.wanted, encoding)
        tables.append(table_of(sheet(path, reading), named, str(path), reading, kind))
    if len(tables) == 1:
        return tables[0]
    return Table(
        tuple(value for table in tables for value in table.inputs),
        tuple(label for table in tables for label in table.labels),
        tuple(task for table in tables for task in table.tasks),
        str(parts[0].parent),
        [number for table in tables for number in table.numbers],
        tables[0].unit,
        tuple(dict.fromkeys(note for table in tables for note in table.notes)),
        kind,
        tuple(group for table in tables for group in table.groups),
    )


def of_split(columns: Columns, split: str) -> Columns:
    """Return the columns of a split: groups are asked for where a share may be held out."""
    return columns if split == "train" else columns._replace(group=None)


def split_files(folder: Path) -> dict[str, list[Path]]:
    """Return the files of a folder's splits, by ``train``, ``validation`` and ``test``: those that
    are there, in the folder or in its folder ``data``. Parts of one table are to be learned from, and
    so is the only table of a folder of inputs.

    Raises
    ------
    DataError
        There are two files of one split, or a part of one is missing.
    """
    places = [place for place in (folder, folder / "data") if place.is_dir()]
    entries = {
        entry: name
        for place in places
        for entry in sorted(place.iterdir())
        if (name := stem(entry)) is not None and entry.is_file()
    }
    found: dict[str, list[Path]] = {}
    for split, names in _NAMES.items():
        whole = [entry for entry, name in entries.items() if name.lower() in names]
        parts = [
            entry
            for entry, name in entries.items()
            if (part := _PART.fullmatch(name)) and part["name"].lower() in names
        ]
        if len(whole) + bool(parts) > 1:
            first, second = [*whole, *parts][:2]
            raise DataError(
                f"{folder}: expected one {split} file, found {first.name} and {second.name}; keep"
                " one"
            )
        _check_parts(folder, parts)
        if whole or parts:
            found[split] = whole or parts
    if not found and len(entries) > 1 and all(map(_PARTS.fullmatch, entries.values())):
        return {"train": [*entries]}
    if not found and (lone := lone_table(folder)) is not None:
        return {"train": [lone]}
    return found


def _check_parts(folder: Path, parts: Sequence[Path]) -> None:
    matches = [match for part in parts if (match := _PART.fullmatch(stem(part) or ""))]
    expected = int(matches[0]["parts"]) if matches else 0
    if [int(match["part"]) for match in matches] != list(range(expected)):
        raise DataError(
            f"{folder}: expected {expected} parts like {parts[0].name}, found {len(parts)};"
            " download the others"
        )


def _saved(folder: Path, columns: Columns, kind: str) -> dict[str, Table]:
    found = splits(folder)
    if "train" not in found:
        raise DataError(
            f"{folder}: expected a split named train, found {', '.join(found)}; rename the one to"
            " learn from"
        )
    columns = columns_of(folder, columns, kind)
    tables = {}
    for name in (name for name in _NAMES if name in found):
        wanted = of_split(columns, name)
        source = f"{folder}:{name}"
        tables[name] = table_of(found[name], wanted, source, Reading(wanted.wanted), kind)
    return tables
