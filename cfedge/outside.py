"""Where cfedge may write what a user names: outside of the folders whose content is cfedge's own, and
a file where there is a folder for it. It is asked before the work.

A bundle with a file more is refused everywhere, and what lies in a workspace or a store may be deleted
with what nothing points to.
"""

from __future__ import annotations

import os
from pathlib import Path

from cfedge.errors import UsageError

__all__ = ["check_file", "check_folder", "check_outside"]

#: What each kind of folder holds.
_OWN = {
    "bundle": ("manifest.json", "objects"),
    "workspace": ("workspace.json", "tasks"),
    "store": ("store.json", "objects"),
    "repository": ("metadata/timestamp.json", "targets"),
    "folder of keys": ("keys.json", "timestamp-1.pem"),
}
#: Where the console writes in a workspace.
_ROOMS = {"workspace": ("console", "exports")}


def check_outside(target: Path) -> None:
    """Refuse a place for something new that is inside of a bundle, a workspace, a store, a
    repository or a folder of keys.

    Raises
    ------
    UsageError
        Naming the folder.
    """
    place = Path(os.path.realpath(target))
    for folder in place.parents:
        for kind, held in _OWN.items():
            if not all(os.path.exists(folder / name) for name in held):  # noqa: PTH110 - Path's raises where it may not look
                continue
            if place.relative_to(folder).parts[0] not in _ROOMS.get(kind, ()):
                raise UsageError(
                    f"{target}: expected a place outside of cfedge's own folders, found the {kind}"
                    f" {folder} around it; choose another place"
                )


def check_file(path: Path, option: str = "") -> None:
    """Refuse a place where no file could be written: one that `check_outside` refuses, one without a
    folder around it, and a folder.

    Parameters
    ----------
    option
        By which the user gave it; else the path itself is named.

    Raises
    ------
    UsageError
        Naming option or path.
    """
    check_outside(path)
    named, folder = option or str(path), path.absolute().parent
    if not os.path.isdir(folder):  # noqa: PTH112 - Path's raises for a name that is too long
        raise UsageError(f"{named}: expected a folder {path.parent}, found none; make it first")
    if os.path.isdir(path):  # noqa: PTH112
        raise UsageError(f"{named}: expected a file, found the folder {path}; name a file in it")
    _check_name(path.name, folder, named)


def check_folder(path: Path) -> None:
    """Refuse a place where no folder could be made, with those around it that are not there: one that
    `check_outside` refuses, one below a file, and one where this user may not write.

    Raises
    ------
    UsageError
        Naming the path.
    """
    check_outside(path)
    inner, folder = path.absolute().name, path.absolute().parent
    while not os.path.lexists(folder):
        inner, folder = folder.name, folder.parent
    if not os.path.isdir(folder):  # noqa: PTH112 - Path's raises for a name that is too long
        raise UsageError(
            f"{path}: expected a place in a folder, found the file {folder}; choose another place"
        )
    _check_name(inner, folder, str(path))


def _check_name(name: str, folder: Path, named: str) -> None:
    """Refuse a name that `folder` could not take."""
    size, longest = len(os.fsencode(name)), os.pathconf(folder, "PC_NAME_MAX")
    if size > longest:
        raise UsageError(
            f"{named}: expected a name of at most {longest} bytes, found {size}; choose a shorter one"
        )
    if not os.access(folder, os.W_OK):
        raise UsageError(
            f"{named}: expected a folder that this user may write into, found {folder}; choose"
            " another"
        )
