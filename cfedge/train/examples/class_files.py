"""The files of one folder a label, or of an archive of such folders: which of them are inputs, and what
reads each. What their folders are called is `cfedge.train.examples.class_folders`'.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePath, PurePosixPath
from typing import NamedTuple

from cfedge.errors import DataError
from cfedge.inputs import reader
from cfedge.inputs.modality import Input

__all__ = ["InputFile", "is_hidden", "is_input", "may_hold", "of_archive", "of_folder"]

#: Folders that systems make for themselves.
_HIDDEN = ("@eadir", "$recycle.bin", "lost+found")
#: Of a ZIP file, unpacked in memory: far above what a workshop learns from at once.
UNPACKED_BYTES, MEMBER_BYTES = 2 << 30, 64 << 20


class InputFile(NamedTuple):
    """A file's path inside its folder or archive, and how its input is read and checked."""

    path: PurePosixPath
    load: Callable[[], Input]


def is_input(inside: PurePath, suffixes: tuple[str, ...]) -> bool:
    """Whether a file is one by its name, and lies in no folder that a system made for itself."""
    return inside.name.lower().endswith(suffixes) and not any(map(is_hidden, inside.parts))


def is_hidden(part: str) -> bool:
    """Whether a file or folder is one that systems and programs make for themselves, by its name."""
    hidden = part.startswith((".", "__")) and part not in (".", "..")
    return hidden or part.lower() in _HIDDEN


def of_folder(path: Path, kind: str) -> Iterator[InputFile]:
    """Give the inputs of a folder, by name; links to folders are not followed."""
    read, suffixes = reader(kind).read, reader(kind).suffixes
    for entry in sorted(path.rglob("*")):
        inside = PurePosixPath(entry.relative_to(path).as_posix())
        if is_input(inside, suffixes) and (entry.is_file() or entry.is_symlink()):
            yield InputFile(inside, partial(read, str(inside), path, f"{path}"))


def may_hold(path: Path, suffixes: tuple[str, ...]) -> bool:
    """Whether an archive names such files; one that cannot be read is refused when it is."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, OSError, EOFError):
        return True
    return any(is_input(PurePosixPath(name.replace("\\", "/")), suffixes) for name in names)


def of_archive(path: Path, kind: str) -> Iterator[InputFile]:
    """Give the inputs of a ZIP file, by name, each unpacked in memory.

    Raises
    ------
    DataError
        It cannot be read, has a password, or unpacks to more than it may.
    """
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
                if not is_input(inside, known.suffixes):
                    continue
                data = _member(archive, member, path)
                where = f"{path}: {member.filename!r:.120}"
                yield InputFile(inside, partial(known.check, data, where))
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
