"""Files that a table of training data names: inside its folder, whatever the table says. Pure
paths, and the checks that touch the disk.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import chain, islice
from pathlib import Path

from cfedge.errors import DataError

__all__ = ["inside", "is_address"]

#: A path of Windows that begins with a drive.
_DRIVE = re.compile(r"[A-Za-z]:[\\/]").match
#: Of a path: what is longer is something else.
_LONG = 512
#: Of the files that are looked through for one that is missing.
_MOST = 100_000
#: https://..., gs://..., data:image/png;base64,...
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+:/[/\w]|data:", re.IGNORECASE).match


def is_address(path: str) -> bool:
    """Return whether a path is an address, which nothing here fetches."""
    return _ADDRESS(path.strip()) is not None


def inside(cell: object, folder: Path, noun: str, where: str) -> Path:
    """Return the file that a cell names, relative to `folder`, which it may not leave.

    Raises
    ------
    DataError
        It is no path, absolute, leads out of the folder (also by a symbolic link), or is no file.
    """
    if not isinstance(cell, str) or not cell.strip() or "\x00" in cell:
        raise DataError(
            f"{where}: expected the path of {noun}, found {cell!r:.80}; fill it in or remove the"
            " row"
        )
    if is_address(cell):
        local = cell.strip().lower().startswith("file:")
        step = "write the path alone" if local else "download it, and give the file"
        if cell.strip().lower().startswith("data:"):
            step = "save what it holds as a file, and write its path"
        raise DataError(
            f"{where}: expected the path of {noun}, found the address {cell!r:.80}; {step}"
        )
    try:
        path = (folder / cell.strip()).resolve()
        leaves = not path.is_relative_to(folder.resolve())
        is_file = path.is_file()
    except (OSError, ValueError, RuntimeError) as error:  # too long a name, a loop of links
        raise DataError(
            f"{where}: expected the path of {noun}, found {cell!r:.80}"
            f" ({getattr(error, 'strerror', None) or 'a loop of links'}); correct it"
        ) from error
    if leaves:
        raise DataError(
            f"{where}: expected a path inside {folder}, found {cell!r:.80}, which leads out of it;"
            " copy the file there, and write its path from there"
        )
    if not is_file:
        step = "write paths with /" if "\\" in cell else "correct the path or remove the row"
        if _DRIVE(cell.strip()):
            step = "write paths from the table's folder, with /"
        there = ""
        if alike := _alike(path):
            there, step = f" (but {alike!a:.80})", "write names as the files have them"
        elif below := _below(folder, cell.strip()):
            there, step = f" (but {below!a:.80})", "write paths from the table's folder"
        elif cell.lstrip().startswith("["):
            step = "give lists of numbers in JSON lines or Parquet, or the path of a .npy file"
        elif len(cell) > _LONG:
            step = "save what it holds as a file, and write its path"
        shown = f"{cell.strip()!r:.80}".replace("\\\\", "\\")  # as it stands there
        raise DataError(
            f"{where}: expected {noun}, found no file {shown} in {folder}{there}; {step}"
        )
    return path


def _alike(path: Path) -> str:
    """Return the file beside a missing one that is called the same but for case, or for the way in
    which accents are written; empty where there is none.
    """
    try:
        modified = path.parent.stat().st_mtime_ns
    except OSError:
        return ""
    alike = _looks(path.parent, modified).get(_look(path.name), "")
    return alike if alike != path.name else ""


@lru_cache(maxsize=4)
def _looks(folder: Path, modified: int) -> dict[str, str]:
    """The names in a folder by how they look, once for as long as it is not changed."""
    return {_look(entry.name): entry.name for entry in folder.iterdir()}


def _below(folder: Path, name: str) -> str:
    """Return the file in a folder beside, or of a name that also has an ending, which a cell without
    these may mean; empty where there is none, or more than one.
    """
    try:
        modified = folder.stat().st_mtime_ns
    except OSError:
        return ""
    found = _ends(folder, modified).get(name.removeprefix("./"), ())
    return found[0] if len(found) == 1 else ""


@lru_cache(maxsize=2)
def _ends(folder: Path, modified: int) -> dict[str, list[str]]:
    """The files of a folder and of those in it, by their names without folder and ending, once for
    as long as it is not changed.
    """
    found: dict[str, list[str]] = {}
    for path in islice(chain(folder.glob("*"), folder.glob("*/*")), _MOST):
        if not path.is_file():
            continue
        inside = path.relative_to(folder)
        for end in {path.name, path.stem, str(inside.with_suffix(""))} - {str(inside)}:
            found.setdefault(end, []).append(inside.as_posix())
    return found


def _look(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()
