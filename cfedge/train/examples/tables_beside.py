"""A table that lies beside the files that it names, as the image folders of the Hugging Face Hub have
it: ``metadata.csv``, ``.jsonl`` or ``.parquet`` with a column ``file_name``, in a folder or in
those of its splits. And the only table in a folder of inputs, whatever it is called.
"""

from __future__ import annotations

from pathlib import Path

from cfedge.doors import Reading, sheet, stem
from cfedge.doors.columns import Columns, same
from cfedge.errors import DataError
from cfedge.inputs import reader
from cfedge.kinds import DEFAULT_KIND, KINDS
from cfedge.train.examples.class_layout import SPLITS

__all__ = ["columns_of", "lone_table", "lone_table_note", "names_inputs", "tables_beside"]

_STEM, _SUFFIXES = "metadata", (".csv", ".tsv", ".jsonl", ".parquet")
_FILE_NAME = "file_name"
#: Files that say something of a folder, and are no tables.
_NOTES = ("readme", "license", "requirements")


def columns_of(table: Path, columns: Columns, kind: str) -> Columns:
    """Return the columns under the names that they have in such a table; in another one the input's
    is called as its kind, where no other name is asked for.
    """
    if columns.input != DEFAULT_KIND:
        return columns
    return columns._replace(input=_FILE_NAME if names_inputs(table, kind, columns) else kind)


def tables_beside(path: Path, kind: str, columns: Columns) -> dict[str, list[Path]]:
    """Return the tables of a folder that name labelled inputs of `kind` beside them, by ``train``,
    ``validation`` and ``test``; none of a file.
    """
    if not reader(kind).suffixes or not path.is_dir():
        return {}
    found: dict[str, list[Path]] = {}
    for place in (path, path / "data"):
        for entry in sorted(place.iterdir()) if place.is_dir() else ():
            split = SPLITS.get(entry.name.lower()) if entry.is_dir() else "train"
            for table in sorted(entry.iterdir()) if split and entry.is_dir() else [entry]:
                if split and names_inputs(table, kind, columns):
                    found.setdefault(split, []).append(table)
    return found


def lone_table(folder: Path) -> Path | None:
    """Return the only table that lies right in a folder, with inputs in files of their own beside it
    and no folders: these can be nobody else's, so it is no folder of tasks.
    """
    shown = [entry for entry in sorted(folder.iterdir()) if not entry.name.startswith(".")]
    tables = [
        entry
        for entry in shown
        if stem(entry) is not None and not entry.name.lower().startswith(_NOTES)
    ]
    kept = {suffix for kind in KINDS for suffix in reader(kind).suffixes}
    if len(tables) != 1 or any(entry.is_dir() for entry in shown):
        return None
    return tables[0] if any(entry.suffix.lower() in kept for entry in shown) else None


def lone_table_note(folder: Path) -> tuple[str, ...]:
    """Return what is to be told where such a table is read, and is not called as one of a split."""
    table = lone_table(folder)
    if table is None or (stem(table) or "").lower() in SPLITS:
        return ()
    return (f"labels of {folder} were read from {table.name!r:.80}, the only table there",)


def names_inputs(table: Path, kind: str, columns: Columns) -> bool:
    """Whether a table names files of `kind`, with their labels."""
    suffixes = reader(kind).suffixes
    if (
        not suffixes
        or table.stem.lower() != _STEM
        or table.suffix.lower() not in _SUFFIXES
        or not table.is_file()
    ):
        return False
    wanted = [_FILE_NAME, *(name for name in columns.wanted[1:])]
    try:
        opened = sheet(table, Reading(tuple(wanted)))
        try:
            first = next(opened.rows, None)
        finally:
            opened.close()
    except DataError:
        return False
    cells = {same(name): cell for name, cell in (first.cells if first else {}).items()}
    named = cells.get(_FILE_NAME)
    return (
        all(same(name) in cells for name in wanted)
        and isinstance(named, str)
        and named.lower().strip().endswith(suffixes)
    )
