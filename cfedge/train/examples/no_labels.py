"""Folders of files that are no labels: those of splits, of all pictures, and of data sets of object
detection; and the table beside them that may name what lies in them.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from cfedge.doors.archives import opened_archive
from cfedge.errors import DataError
from cfedge.train.examples.class_layout import ALL, Layout, are_splits

__all__ = ["check_labels", "table_beside"]

#: Folders beside the pictures that say what stands where in them.
_BOXES = ("labels", "annotations")
#: What tables of paths are called.
_TABLES = (".csv", ".tsv", ".jsonl", ".parquet", ".xlsx")


def check_labels(path: Path, layout: Layout) -> None:
    """Refuse folders that are no labels: those of splits, and those beside files of boxes.

    Raises
    ------
    DataError
    """
    labels = {place.label for place in layout.places.values()}
    one = labels.copy().pop() if len(labels) == 1 else None
    if are_splits(labels):
        found = f"files right in the folders of splits ({', '.join(sorted(labels))})"
    elif one is not None and (boxes := _boxes(path, layout)) and boxes != one:
        found = f"the folder {one!r} beside a folder {boxes!r}, as object detection has it"
    elif one is not None and one.lower() in ALL:
        found = f"all files in the folder {one!r}, whose name is no label"
    else:
        return
    step = table_beside(path) or "give a table of paths and labels"
    raise DataError(
        f"{path}: expected one folder a label, found {found}; put each file into the folder of its"
        f" label, or {step}"
    )


def table_beside(path: Path) -> str | None:
    """Return how to give the only table right in a folder, or in an archive, which may name what lies
    there.
    """
    tables = [name for name in _names(path) if PurePosixPath(name).suffix.lower() in _TABLES]
    if len(tables) != 1:
        return None
    unpacked = "unpack it and " if path.is_file() else ""
    return f"{unpacked}give the table {tables[0]!r:.80}, if it has paths and labels"


def _names(path: Path) -> list[str]:
    if path.is_dir():
        return [one.name for one in path.iterdir() if one.is_file()]
    with opened_archive(path) as members:
        return [str(one.path) for one in members]


def _boxes(path: Path, layout: Layout) -> str | None:
    """Return the folder beside that of the first label which says what stands where in pictures."""
    folder = path.joinpath(*next(iter(layout.places)).parts[:-2])
    beside = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
    return next((name for name in sorted(beside) if name.lower() in _BOXES), None)
