"""The files of one folder a label, or of an archive of such folders: which of them are inputs, and what
reads each. What their folders are called is `cfedge.train.examples.class_folders`'.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePath, PurePosixPath
from typing import NamedTuple, Protocol

from cfedge.doors import suffixes
from cfedge.doors.archives import MEMBER_BYTES, Member, is_archive, is_hidden, opened_archive
from cfedge.doors.text.documents import SUFFIXES, Documents, are_documents, is_note
from cfedge.errors import DataError
from cfedge.first_bytes import FIRST_BYTES
from cfedge.inputs import DEFAULT_KIND, KINDS, reader
from cfedge.inputs.modality import Input
from cfedge.plain_files import read_plain
from cfedge.train.examples.class_layout import ALL, SPLITS
from cfedge.train.examples.label_files import LABEL_FILE, shards
from cfedge.train.examples.labels_in_names import labels_in_names

__all__ = [
    "Files",
    "InputFile",
    "LabelledFile",
    "LabelledFiles",
    "hold_inputs",
    "is_input",
    "known_files",
    "of_archive",
    "of_folder",
]


class Files(Protocol):
    """How files that hold one input each are read: a `cfedge.inputs.reader.Reader`, or what reads
    files of letters.
    """

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Of such files; an empty one is of those whose name has none."""

    def read(self, cell: object, folder: Path, where: str) -> Input:
        """Return the input of a file in `folder`, by its path in it."""

    def check(self, value: object, where: str) -> Input:
        """Return the input that the bytes of a file hold."""


class InputFile(NamedTuple):
    """A file's path inside its folder or archive, and how its input is read and checked."""

    path: PurePosixPath
    load: Callable[[], Input]


class LabelledFile(NamedTuple):
    """A file by its path inside its folder or archive: its split, and what reads its input and its
    label.
    """

    path: PurePosixPath
    split: str
    load: Callable[[], tuple[Input, str]]


class LabelledFiles(NamedTuple):
    """Files in folders of labels, and what is to be told of those that lie in none."""

    files: list[LabelledFile]
    notes: tuple[str, ...]


def known_files(kind: str, encoding: str | None = None) -> Files:
    """Return how files of `kind` are read; `encoding` is of those that hold letters."""
    return Documents(encoding) if kind == DEFAULT_KIND else reader(kind)


def is_input(inside: PurePath, suffixes: tuple[str, ...]) -> bool:
    """Whether a file is one by its name, and lies in no folder that a system made for itself."""
    known = inside.suffix.lower() in suffixes and not is_note(inside)
    return known and not any(map(is_hidden, inside.parts))


def hold_inputs(path: Path, kind: str, tables: tuple[str, ...]) -> bool:
    """Whether a folder, in its folders, or an archive has inputs of `kind` in files of their own.

    An archive that cannot be read is refused when it is.

    Parameters
    ----------
    tables
        Names that files of rows have.
    """
    if kind == DEFAULT_KIND:
        others = (*suffixes(), *(one for other in KINDS for one in reader(other).suffixes))
        unlike = tuple(one for one in others if one not in SUFFIXES)
        if path.is_file():
            return _archived_documents(path, unlike, tables)
        names = [PurePosixPath(entry.relative_to(path).as_posix()) for entry in _nested(path)]

        def begins(name: PurePosixPath) -> bytes:
            try:
                return read_plain(path / name, FIRST_BYTES)
            except OSError:
                return b""

        return are_documents(names, begins, unlike, tables)
    known = reader(kind).suffixes
    if path.is_dir():
        if any(is_input(entry.relative_to(path), known) for entry in _nested(path)):
            return True
        return _say_labels([entry for entry in path.iterdir() if entry.is_file()], known)
    try:
        with opened_archive(path) as members:
            return any(is_input(member.path, known) for member in members)
    except DataError:
        return True


def _say_labels(files: list[Path], known: tuple[str, ...]) -> bool:
    """Whether files right in a folder have labels in their names, or beside them: no table does."""
    inputs = [PurePosixPath(file.name) for file in files if is_input(PurePath(file.name), known)]
    ends = {file.suffix.lower() for file in files if not is_note(file)}
    return (
        (bool(labels_in_names(inputs)) and ends.isdisjoint(suffixes()))
        or (bool(inputs) and LABEL_FILE in ends)
        or (any(is_archive(file) for file in files) and bool(shards(files[0].parent)))
    )


def _nested(path: Path) -> Iterator[Path]:
    """Give what lies in the folders of a folder, where labels' and splits' files would."""
    for depth in ("*/*", "*/*/*", "data/*/*/*"):
        yield from (entry for entry in path.glob(depth) if not entry.is_dir())
    for entry in path.glob("*/*/*/*"):  # as somebody unpacked an archive
        outer, inner, last, _ = entry.relative_to(path).parts
        deep = outer == inner or inner.lower() in SPLITS or last.lower() in ALL
        if deep and not entry.is_dir():
            yield entry


def _archived_documents(path: Path, others: tuple[str, ...], tables: tuple[str, ...]) -> bool:
    try:
        with opened_archive(path) as members:
            opens = dict(members)

            def begins(name: PurePosixPath) -> bytes:
                with opens[name]() as file:
                    return file.read(FIRST_BYTES)

            return are_documents(opens, begins, others, tables)
    except DataError:
        return False


def of_folder(path: Path, known: Files) -> Iterator[InputFile]:
    """Give the inputs of a folder, by name; links to folders are not followed."""
    read, suffixes = known.read, known.suffixes
    for entry in sorted(path.rglob("*")):
        inside = PurePosixPath(entry.relative_to(path).as_posix())
        if is_input(inside, suffixes) and (entry.is_file() or entry.is_symlink()):
            yield InputFile(inside, partial(read, str(inside), path, f"{path}"))


def of_archive(path: Path, known: Files) -> list[InputFile]:
    """Return the inputs of an archive, by name, each unpacked in memory.

    Raises
    ------
    DataError
        It cannot be read, has a password, or unpacks to more than it may.
    """
    found = []
    with opened_archive(path) as members:
        for member in members:
            if is_input(member.path, known.suffixes):
                data = _content(member, path)
                where = f"{path}: {str(member.path)!r:.120}"
                found.append(InputFile(member.path, partial(known.check, data, where)))
    return sorted(found, key=lambda file: file.path.parts)


def _content(member: Member, path: Path) -> bytes:
    with member.open() as file:
        data = file.read(MEMBER_BYTES + 1)
    if len(data) > MEMBER_BYTES:
        raise DataError(
            f"{path}: expected files of at most {MEMBER_BYTES >> 20} MB, found"
            f" {str(member.path)!r:.120}; shrink it"
        )
    return data
