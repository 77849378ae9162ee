"""Look at inputs in files of their own, one folder a label, before anything is learned of them: every
file that cannot be read is named. And what a fault is, of data of any form.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cfedge.counted import counted
from cfedge.errors import DataError
from cfedge.inputs.modality import Input
from cfedge.train.examples.class_files import Files
from cfedge.train.examples.class_folders import SPLITS, labelled_files, left_out
from cfedge.train.examples.rows import Faults, Table

__all__ = ["Fault", "LabelledFile", "files_by_split", "looked_at_files"]


@dataclass(frozen=True)
class Fault:
    """What is wrong, where, and what to do: ``data.csv, lines 3 and 9``."""

    where: str
    found: str

    def __str__(self) -> str:
        return f"{self.where}: {self.found}"


#: A file's path inside its folder, and what reads its split, input and label.
LabelledFile = tuple[str, Callable[[], tuple[str, Input, str]]]


def files_by_split(path: Path, known: Files) -> dict[str, list[LabelledFile]]:
    """Return the files of a folder with one folder a label, by their split."""
    found: dict[str, list[LabelledFile]] = {}
    for inside, load in labelled_files(path, known):
        split = SPLITS.get(inside.parts[0].lower(), "train")
        found.setdefault(split, []).append((str(inside), load))
    return found


def looked_at_files(
    path: Path, files: Sequence[LabelledFile], kind: str, known: Files
) -> tuple[Table, list[Fault]]:
    """Look at every file of a split, as `cfedge.train.examples.rows.looked_at` at every row."""
    kept: list[tuple[Input, str, int]] = []
    faults = Faults()
    for number, (name, load) in enumerate(files, 1):
        try:
            _, value, label = load()
            kept.append((value, label, number))
        except DataError as error:
            found = str(error).removeprefix(f"{path}: ").removeprefix(f"{name!r:.120}: ")
            faults.add(found, number)
    values, labels, numbers = zip(*kept, strict=True) if kept else ((), (), ())
    return Table(values, labels, (), str(path), numbers, "file", left_out(path, known), kind), [
        Fault(f"{path}: {_files_named(files, places)}", found)
        for found, places in faults.said().items()
    ]


def _files_named(files: Sequence[LabelledFile], numbers: Sequence[int]) -> str:
    more = f" and {counted(len(numbers) - 1, 'more file')}" if len(numbers) > 1 else ""
    return f"{files[numbers[0] - 1][0]}{more}"
