"""Inputs in files of their own, one folder a label: a folder of folders, or the same in a ZIP file.

With folders ``train``, ``validation`` and ``test`` around them these are the splits, as the Hugging
Face Hub's image folders have it. What a table of paths is, is `cfedge.train.examples.data`'s.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from cfedge.errors import DataError
from cfedge.inputs import reader
from cfedge.inputs.modality import Input
from cfedge.train.examples.examples import Examples, LabelledData
from cfedge.train.examples.labels import label_of

__all__ = ["are_class_folders", "labelled_files", "left_out", "load_class_folders"]

#: What a folder of a split may be called.
SPLITS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}
#: Folders beside the pictures that say what stands where in them.
_BOXES = ("labels", "annotations")
#: What systems leave in folders.
_LITTER = ("thumbs.db", "desktop.ini", "icon\r")
#: Of a ZIP file, unpacked in memory: far above what a workshop learns from at once.
UNPACKED_BYTES, MEMBER_BYTES = 2 << 30, 64 << 20


class _File(NamedTuple):
    """A file's path inside its folder or archive, and how its input is read and checked."""

    path: PurePosixPath
    load: Callable[[], Input]


def are_class_folders(path: Path, kind: str) -> bool:
    """Whether `path` holds inputs of `kind` in one folder a label: a ZIP file, or a folder with
    such files in its folders and no table of a split.
    """
    suffixes = reader(kind).suffixes
    if not suffixes:
        return False
    if path.is_file():
        return path.suffix.lower() == ".zip"
    return not any(
        entry.is_file() and entry.stem.lower() in SPLITS for entry in path.iterdir()
    ) and any(
        _is_input(entry.name, suffixes) for depth in ("*/*", "*/*/*") for entry in path.glob(depth)
    )


def load_class_folders(path: Path, kind: str) -> LabelledData:
    """Load such a folder or ZIP file; every input is decoded once.

    Raises
    ------
    DataError
        A file is no input of `kind`, leads out of the folder, or lies in no folder of a label.
    """
    rows: dict[str, list[tuple[Input, str]]] = {}
    for _, load in labelled_files(path, kind):
        split, value, label = load()
        rows.setdefault(split, []).append((value, label))
    if "train" not in rows:
        raise DataError(f"{path}: expected a folder train, found {', '.join(sorted(rows))}")
    parts = {
        split: Examples(
            tuple(value for value, _ in pairs),
            tuple(label for _, label in pairs),
            str(path),
            left_out(path, kind),
            kind,
        )
        for split, pairs in rows.items()
    }
    return LabelledData(parts["train"], parts.get("validation"), parts.get("test"))


def labelled_files(
    path: Path, kind: str
) -> Iterator[tuple[PurePosixPath, Callable[[], tuple[str, Input, str]]]]:
    """Give each file's path inside the folder or ZIP file, and what reads its split, input and
    label.

    Raises
    ------
    DataError
        There are no files; and of what reads one, as of `load_class_folders`.
    """
    files = list((_of_archive if path.is_file() else _of_folder)(path, kind))
    if not files:
        raise DataError(
            f"{path}: expected one folder a label with files of {', '.join(reader(kind).suffixes)},"
            f" found none; move them there{', or unpack it' if path.is_file() else ''}"
        )
    depth = _common(files)
    _check_labels(path, files, depth)
    for file in files:
        yield file.path, partial(_read, path, file, depth)


def left_out(path: Path, kind: str) -> tuple[str, ...]:
    """Return what is to be told of files in the folders of labels that are no inputs of `kind`."""
    if not path.is_dir():
        return ()
    suffixes = reader(kind).suffixes
    inside = (entry.relative_to(path) for entry in sorted(path.rglob("*")) if entry.is_file())
    others = [
        name.as_posix()
        for name in inside
        if len(name.parts) > 1
        and not _is_input(name.name, suffixes)
        and not any(part.startswith((".", "__")) for part in name.parts)
        and name.name.lower() not in _LITTER
    ]
    if not others:
        return ()
    known, first = ", ".join(suffixes), repr(others[0])[:80]
    if len(others) == 1:
        return (f"{first} was left out of {path}: it is none of {known}",)
    return (f"{len(others)} files were left out of {path}: they are none of {known} (as {first})",)


def _check_labels(path: Path, files: list[_File], depth: int) -> None:
    """Refuse folders that are no labels: those of splits, and those beside files of boxes."""
    labels = {file.path.parts[-2] for file in files if len(file.path.parts) > depth + 1}
    boxes = next((name for name in _BOXES if (path / name).is_dir()), None)
    if labels and all(label.lower() in SPLITS for label in labels):
        found = f"files right in the folders of splits ({', '.join(sorted(labels))})"
    elif len(labels) == 1 and boxes is not None and boxes not in labels:
        found = f"the folder {labels.pop()!r} beside a folder {boxes!r}, as object detection has it"
    else:
        return
    raise DataError(
        f"{path}: expected one folder a label, found {found}; put each file into the folder of its"
        " label, or give a table of paths and labels"
    )


def _read(path: Path, file: _File, depth: int) -> tuple[str, Input, str]:
    *folders, _ = file.path.parts[depth:]
    split = SPLITS[folders.pop(0).lower()] if _is_split(folders) else "train"
    if len(folders) != 1:
        raise DataError(
            f"{path}: expected LABEL/FILE or SPLIT/LABEL/FILE, found {str(file.path)!r:.120};"
            " move it into the folder of its label"
        )
    return split, file.load(), label_of(folders[0], f"{path}")


def _common(files: list[_File]) -> int:
    """How many folders all files share, beside a split's and a label's."""
    depth = 0
    while True:
        heads = {file.path.parts[depth] for file in files if len(file.path.parts) > depth + 2}
        enough = all(len(file.path.parts) > depth + 2 for file in files)
        if not enough or len(heads) != 1 or heads.pop().lower() in SPLITS:
            return depth
        depth += 1


def _is_split(folders: list[str]) -> bool:
    return len(folders) == 2 and folders[0].lower() in SPLITS


def _is_input(name: str, suffixes: tuple[str, ...]) -> bool:
    return name.lower().endswith(suffixes) and not name.startswith((".", "__"))


def _of_folder(path: Path, kind: str) -> Iterator[_File]:
    read, suffixes = reader(kind).read, reader(kind).suffixes
    for entry in sorted(path.rglob("*")):
        inside = PurePosixPath(entry.relative_to(path).as_posix())
        if _is_input(entry.name, suffixes) and (entry.is_file() or entry.is_symlink()):
            yield _File(inside, partial(read, str(inside), path, f"{path}"))


def _of_archive(path: Path, kind: str) -> Iterator[_File]:
    known = reader(kind)
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            total = sum(member.file_size for member in members)
            if total > UNPACKED_BYTES:
                raise DataError(
                    f"{path}: expected at most {UNPACKED_BYTES >> 20} MB unpacked, found"
                    f" {total >> 20} MB; unpack it"
                )
            for member in sorted(members, key=lambda member: member.filename):
                inside = PurePosixPath(member.filename.replace("\\", "/"))  # of Windows
                if not _is_input(inside.name, known.suffixes) or "__MACOSX" in inside.parts:
                    continue
                data = _member(archive, member, path)
                where = f"{path}: {member.filename!r:.120}"
                yield _File(inside, partial(known.check, data, where))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError) as error:
        locked = isinstance(error, RuntimeError) and "password" in str(error)
        found = "one with a password" if locked else f"{error}"
        raise DataError(
            f"{path}: expected a ZIP file, found: {found}; pack it again, without a password"
        ) from error


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> bytes:
    with archive.open(member) as file:
        data = file.read(MEMBER_BYTES + 1)
    if len(data) > MEMBER_BYTES:
        raise DataError(
            f"{path}: expected files of at most {MEMBER_BYTES >> 20} MB, found"
            f" {member.filename!r:.120}; shrink it"
        )
    return data
