"""Inputs with labels in files beside them (`cfedge.train.examples.label_files`): which files these are, in
a folder, an archive, or a folder of shards.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path, PurePosixPath

from cfedge.doors.reading import LIMITS
from cfedge.errors import DataError
from cfedge.inputs.modality import Input
from cfedge.train.examples.class_files import (
    Files,
    InputFile,
    LabelledFile,
    LabelledFiles,
    of_archive,
    of_folder,
)
from cfedge.train.examples.class_layout import split_of
from cfedge.train.examples.label_files import key_of, labels_beside, shards

__all__ = ["files_with_labels"]


def files_with_labels(path: Path, known: Files) -> LabelledFiles | None:
    """Return the inputs of a folder or an archive whose labels stand beside them; None where none do.

    A shard's or a folder's name says which split it is of; where none says so, all is learned from.

    Raises
    ------
    DataError
        As of `cfedge.train.examples.class_folders.load_class_folders`; or the shards are too large
        together.
    """
    parts = shards(path) if path.is_dir() else []
    total = sum(shard.stat().st_size for shard in parts)
    if total > LIMITS.archive_bytes:
        raise DataError(
            f"{path}: expected shards of at most {LIMITS.archive_bytes >> 20:,} MB together, found"
            f" {total >> 20:,} MB; give some of them"
        )
    found: list[LabelledFile] = []
    for part in parts or [path]:
        labels = labels_beside(part)
        if not labels:
            return None
        for file in (of_archive if part.is_file() else of_folder)(part, known):
            inside = PurePosixPath(part.name, file.path) if parts else file.path
            split = split_of(inside.parts[:-1])
            load = partial(_load, path, file, labels.get(key_of(file.path)))
            found.append(LabelledFile(inside, split, load))
    notes = (f"labels of {path} were read from the .cls files beside its inputs",)
    return LabelledFiles(found, notes)


def _load(path: Path, file: InputFile, label: str | None) -> tuple[Input, str]:
    if label is None:
        raise DataError(
            f"{path}: expected a file .cls beside each input, found none beside"
            f" {str(file.path)!r:.120}; add it"
        )
    return file.load(), label
