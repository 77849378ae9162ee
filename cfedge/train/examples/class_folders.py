"""Inputs in files of their own, one folder a label: a folder of folders, or the same in a ZIP file.

With folders ``train``, ``validation`` and ``test`` around them these are the splits, as the Hugging
Face Hub's image folders have it. What a table of paths is, is `cfedge.train.examples.data`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath

from cfedge.doors.archives import is_hidden
from cfedge.doors.text.documents import Documents, is_note
from cfedge.errors import DataError
from cfedge.inputs.modality import Input
from cfedge.train.examples.class_files import (
    Files,
    InputFile,
    hold_inputs,
    is_input,
    known_files,
    of_archive,
    of_folder,
)
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
#: What folders of all pictures are called: no labels.
_ALL = ("files", "frames", "image", "images", "img", "imgs", "jpegimages", "photos", "pictures")
#: What systems leave in folders.
_LITTER = ("thumbs.db", "desktop.ini", "icon\r")


def are_class_folders(path: Path, kind: str) -> bool:
    """Whether `path` holds inputs of `kind` in one folder a label: a ZIP file, or a folder with
    such files in its folders and no table of a split.
    """
    if path.is_file():
        return path.suffix.lower() == ".zip" and hold_inputs(path, kind, tuple(SPLITS))
    return not any(
        entry.is_file() and entry.stem.lower() in SPLITS for entry in path.iterdir()
    ) and hold_inputs(path, kind, tuple(SPLITS))


def load_class_folders(path: Path, kind: str, encoding: str | None = None) -> LabelledData:
    """Load such a folder or ZIP file; every input is decoded once.

    Parameters
    ----------
    encoding
        Of files of letters; None: it is found out.

    Raises
    ------
    DataError
        A file is no input of `kind`, leads out of the folder, or lies in no folder of a label.
    """
    rows: dict[str, list[tuple[Input, str]]] = {}
    known = known_files(kind, encoding)
    for _, load in labelled_files(path, known):
        split, value, label = load()
        rows.setdefault(split, []).append((value, label))
    if "train" not in rows:
        raise DataError(
            f"{path}: expected a folder train, found {', '.join(sorted(rows))}; call the folder to"
            " learn from train"
        )
    parts = {
        split: Examples(
            tuple(value for value, _ in pairs),
            tuple(label for _, label in pairs),
            str(path),
            left_out(path, known),
            kind,
        )
        for split, pairs in rows.items()
    }
    return LabelledData(parts["train"], parts.get("validation"), parts.get("test"))


def labelled_files(
    path: Path, known: Files
) -> Iterator[tuple[PurePosixPath, Callable[[], tuple[str, Input, str]]]]:
    """Give each file's path inside the folder or ZIP file, and what reads its split, input and
    label.

    Raises
    ------
    DataError
        There are no files; and of what reads one, as of `load_class_folders`.
    """
    files = list((of_archive if path.is_file() else of_folder)(path, known))
    if not files and path.is_dir() and any(entry.is_symlink() for entry in path.iterdir()):
        raise DataError(
            f"{path}: expected one folder a label, found links, which are not followed; copy the"
            " folders there"
        )
    if not files:
        raise DataError(
            f"{path}: expected one folder a label with files of {_listed(known)},"
            f" found none; move them there{', or unpack it' if path.is_file() else ''}"
        )
    depth = _common(files)
    _check_labels(path, files, depth)
    for file in files:
        yield file.path, partial(_read, path, file, depth)


def left_out(path: Path, known: Files) -> tuple[str, ...]:
    """Return what is to be told of files in the folders of labels that are no inputs, and of what
    was assumed of those that are.
    """
    assumed = known.notes if isinstance(known, Documents) else ()
    if not path.is_dir():
        return assumed
    others, empty = list[str](), list[str]()
    for entry in sorted(path.rglob("*")):
        name = entry.relative_to(path)
        if any(map(is_hidden, name.parts)) or name.name.lower() in _LITTER:
            continue
        if entry.is_file():
            if len(name.parts) > 1 and not is_input(name, known.suffixes) and not is_note(name):
                others.append(name.as_posix())
        elif entry.is_dir() and next(entry.iterdir(), None) is None:
            empty.append(name.as_posix())
    notes = [
        f"the folder {name!r:.80} of {path} is empty: nothing is learned of it" for name in empty
    ]
    if len(others) == 1:
        notes.append(f"{others[0]!r:.80} was left out of {path}: it is none of {_listed(known)}")
    elif others:
        notes.append(
            f"{len(others)} files were left out of {path}: they are none of {_listed(known)} (as"
            f" {others[0]!r:.80})"
        )
    return (*notes, *assumed)


def _listed(known: Files) -> str:
    return ", ".join(filter(None, known.suffixes))


def _check_labels(path: Path, files: list[InputFile], depth: int) -> None:
    """Refuse folders that are no labels: those of splits, and those beside files of boxes."""
    labels = {file.path.parts[-2] for file in files if len(file.path.parts) > depth + 1}
    beside = [entry.name for entry in path.iterdir() if entry.is_dir()] if path.is_dir() else []
    boxes = next((name for name in beside if name.lower() in _BOXES), None)
    if labels and all(label.lower() in SPLITS for label in labels):
        found = f"files right in the folders of splits ({', '.join(sorted(labels))})"
    elif len(labels) == 1 and boxes is not None and boxes not in labels:
        found = f"the folder {labels.pop()!r} beside a folder {boxes!r}, as object detection has it"
    elif len(labels) == 1 and (label := labels.pop()).lower() in _ALL:
        found = f"all files in the folder {label!r}, whose name is no label"
    else:
        return
    raise DataError(
        f"{path}: expected one folder a label, found {found}; put each file into the folder of its"
        " label, or give a table of paths and labels"
    )


def _read(path: Path, file: InputFile, depth: int) -> tuple[str, Input, str]:
    *folders, _ = file.path.parts[depth:]
    split = SPLITS[folders.pop(0).lower()] if _is_split(folders) else "train"
    if len(folders) != 1:
        raise DataError(
            f"{path}: expected LABEL/FILE or SPLIT/LABEL/FILE, found {str(file.path)!r:.120};"
            " move it into the folder of its label"
        )
    return split, file.load(), label_of(folders[0], f"{path}")


def _common(files: list[InputFile]) -> int:
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
