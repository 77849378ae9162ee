"""Inputs in files of their own, one folder a label: a folder of folders, or the same in an archive.

With folders ``train``, ``validation`` and ``test`` around them these are the splits, as the Hugging
Face Hub's image folders have it (`cfedge.train.examples.class_layout`). What a table of paths is, is
`cfedge.train.examples.data`'s.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path, PurePosixPath

from cfedge.counted import counted
from cfedge.doors.archives import is_archive, is_hidden
from cfedge.doors.text.documents import Documents, is_note
from cfedge.errors import DataError
from cfedge.inputs.modality import Input
from cfedge.train.examples.class_files import (
    Files,
    InputFile,
    LabelledFile,
    LabelledFiles,
    hold_inputs,
    is_input,
    known_files,
    of_archive,
    of_folder,
)
from cfedge.train.examples.class_layout import SPLITS, Layout, laid_out
from cfedge.train.examples.examples import Examples, LabelledData
from cfedge.train.examples.labels import label_of
from cfedge.train.examples.labels_beside import files_with_labels
from cfedge.train.examples.no_labels import check_labels, table_beside

__all__ = [
    "are_class_folders",
    "are_tasks",
    "check_groups",
    "labelled_files",
    "left_out",
    "load_class_folders",
]

#: What systems leave in folders.
_LITTER = ("thumbs.db", "desktop.ini", "icon\r")


def are_class_folders(path: Path, kind: str) -> bool:
    """Whether `path` holds inputs of `kind` in one folder a label: an archive, or a folder with
    such files in its folders and no table of a split.
    """
    if path.is_file():
        return is_archive(path) and hold_inputs(path, kind, tuple(SPLITS))
    return not any(
        entry.is_file() and entry.stem.lower() in SPLITS for entry in path.iterdir()
    ) and hold_inputs(path, kind, tuple(SPLITS))


def check_groups(path: Path, kind: str, group: str | None) -> None:
    """Refuse to look for groups in folders of labels.

    Raises
    ------
    DataError
        A column `group` is asked for.
    """
    if group is not None:
        raise DataError(
            f"{path}: expected a table with a column {group!r} that says what belongs together,"
            f" found folders of labels; name the files in a table with the columns {kind}, label and"
            f" {group}"
        )


def load_class_folders(path: Path, kind: str, encoding: str | None = None) -> LabelledData:
    """Load such a folder or archive; every input is decoded once.

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
    found = labelled_files(path, known)
    for file in found.files:
        rows.setdefault(file.split, []).append(file.load())
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
            (*found.notes, *left_out(path, known)),
            kind,
        )
        for split, pairs in rows.items()
    }
    return LabelledData(parts["train"], parts.get("validation"), parts.get("test"))


def labelled_files(path: Path, known: Files) -> LabelledFiles:
    """Find the files of a folder or an archive, by name.

    Raises
    ------
    DataError
        There are no files, or their folders are no labels; and of what reads one, as of
        `load_class_folders`.
    """
    if (beside := files_with_labels(path, known)) is not None:
        return beside
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
    layout = laid_out(file.path for file in files)
    if layout.tasks:
        shown = ", ".join(map(repr, layout.tasks[:4]))
        raise DataError(
            f"{path}: expected one folder a label, found folders of them in several ({shown:.120});"
            " give one of these, or all as tasks without naming one; if these are the labels, move the"
            " files of each right into it"
        )
    check_labels(path, layout)
    places = layout.places
    kept = [one for one in files if one.path in places or not _may_stray(one.path, layout, known)]
    certain = len({place.label for place in places.values()}) > 1 and not layout.in_names
    table = None if certain and len(kept) == len(places) else table_beside(path)
    found = [
        LabelledFile(file.path, places[file.path].split, partial(_read, path, file, layout))
        if file.path in places
        else LabelledFile(file.path, "train", partial(_refused, path, file.path, table))
        for file in kept
    ]
    strays = [one for one in layout.strays if _may_stray(one, layout, known)]
    notes = [*_strayed(path, strays)]
    if layout.in_names:
        notes.insert(0, f"labels of {path} were read from the names of its files")
    if table is not None and len(kept) == len(places):
        notes.append(f"a table in {path} was not read; {table}")
    return LabelledFiles(found, tuple(notes))


def are_tasks(path: Path, known: Files) -> bool:
    """Whether a folder holds several folders of folders of labels, which are no splits."""
    return path.is_dir() and bool(laid_out(file.path for file in of_folder(path, known)).tasks)


def left_out(path: Path, known: Files) -> tuple[str, ...]:
    """Return what is to be told of files in the folders of labels that are no inputs, and of what
    was assumed of those that are.
    """
    assumed = known.notes if isinstance(known, Documents) else ()
    if not path.is_dir():
        return assumed
    others, empty, links, odd = list[str](), list[str](), list[str](), list[str]()
    for entry in sorted(path.rglob("*")):
        name = entry.relative_to(path)
        if any(map(is_hidden, name.parts)) or name.name.lower() in _LITTER:
            continue
        if entry.is_file():
            if len(name.parts) > 1 and not is_input(name, known.suffixes) and not is_note(name):
                others.append(name.as_posix())
        elif entry.is_dir():
            if entry.is_symlink():
                links.append(name.as_posix())
            elif next(entry.iterdir(), None) is None:
                empty.append(name.as_posix())
        elif is_input(name, known.suffixes) and not entry.is_symlink():
            odd.append(name.as_posix())
    notes = [
        f"the folder {name!r:.80} of {path} is empty: nothing is learned of it" for name in empty
    ]
    notes += [
        f"{name!r:.80} of {path} is a link to a folder, which is not followed: nothing is learned of"
        " it; copy the folder there"
        for name in links
    ]
    notes += [
        f"{name!r:.80} of {path} is a pipe or a device: nothing is learned of it" for name in odd
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


def _may_stray(inside: PurePosixPath, layout: Layout, known: Files) -> bool:
    """Whether a file in no folder of a label is left out: beside splits, and one of letters beside
    labels, which is a list or says what the others are.
    """
    above = isinstance(known, Documents) and len(inside.parts) < min(
        (len(path.parts) for path in layout.places), default=0
    )
    return layout.may_stray or above


def _strayed(path: Path, strays: list[PurePosixPath]) -> tuple[str, ...]:
    if not strays:
        return ()
    count = counted(len(strays), "file")
    was = "was" if len(strays) == 1 else "were"
    return (
        f"{count} of {path} in no folder of a label {was} left out (as {str(strays[0])!r:.100})",
    )


def _read(path: Path, file: InputFile, layout: Layout) -> tuple[Input, str]:
    return file.load(), label_of(layout.places[file.path].label, f"{path}")


def _refused(path: Path, inside: PurePosixPath, table: str | None) -> tuple[Input, str]:
    raise DataError(
        f"{path}: expected LABEL/FILE or SPLIT/LABEL/FILE, found {str(inside)!r:.120};"
        f" move it into the folder of its label{f', or {table}' if table else ''}"
    )
