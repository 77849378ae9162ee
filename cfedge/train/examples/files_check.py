"""Look at inputs in files of their own, one folder a label, before anything is learned of them: every
file that cannot be read is named. And what a fault is, of data of any form.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cfedge.counted import counted
from cfedge.errors import DataError
from cfedge.inputs.modality import Input
from cfedge.train.examples.class_files import Files, LabelledFile, LabelledFiles
from cfedge.train.examples.class_folders import left_out
from cfedge.train.examples.rows import Faults, Table, places

__all__ = ["Fault", "fault", "files_by_split", "files_named", "looked_at_files"]


@dataclass(frozen=True)
class Fault:
    """What is wrong, where, and what to do: ``data.csv, lines 3 and 9``."""

    where: str
    found: str

    def __str__(self) -> str:
        return f"{self.where}: {self.found}"


def files_by_split(found: LabelledFiles) -> dict[str, list[LabelledFile]]:
    """Return files by their split."""
    splits: dict[str, list[LabelledFile]] = {}
    for file in found.files:
        splits.setdefault(file.split, []).append(file)
    return splits


def looked_at_files(
    path: Path,
    files: Sequence[LabelledFile],
    kind: str,
    known: Files,
    notes: tuple[str, ...],
) -> tuple[Table, list[Fault]]:
    """Look at every file of a split, as `cfedge.train.examples.rows.looked_at` at every row."""
    kept: list[tuple[Input, str, int]] = []
    faults = Faults()
    for number, (name, _, load) in enumerate(files, 1):
        try:
            value, label = load()
            kept.append((value, label, number))
        except DataError as error:
            found = str(error).removeprefix(f"{path}: ").removeprefix(f"{str(name)!r:.120}: ")
            faults.add(found, number)
    values, labels, numbers = zip(*kept, strict=True) if kept else ((), (), ())
    notes = (*notes, *left_out(path, known))
    names = tuple(str(file.path) for file in files)
    return Table(values, labels, (), str(path), numbers, "file", notes, kind, names=names), [
        Fault(f"{path}: {files_named(names, places)}", found)
        for found, places in faults.said().items()
    ]


def files_named(names: Sequence[str], numbers: Sequence[int]) -> str:
    """Return how a sentence names files, by their numbers from 1: the first, and how many more."""
    more = f" and {counted(len(numbers) - 1, 'more file')}" if len(numbers) > 1 else ""
    return f"{names[numbers[0] - 1]}{more}"


def fault(table: Table, numbers: Sequence[int], found: str) -> Fault:
    """Return what is wrong with rows of a table, by their numbers."""
    if table.names:
        return Fault(f"{table.source}: {files_named(table.names, numbers)}", found)
    return Fault(f"{table.source}, {places(numbers, table.unit, most=20)}", found)
