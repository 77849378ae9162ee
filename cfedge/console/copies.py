"""Copies of folders whose files are never changed in place: names for the same bytes where the disk
can do so, which takes no room; else copies.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection
from pathlib import Path

from cfedge.errors import StorageError
from cfedge.storage import new_folder

__all__ = ["copy_folder"]


def copy_folder(
    source: Path, target: Path, *, without: Collection[str] = (), replace: bool = False
) -> None:
    """Make `target` a copy of a folder, whole or not at all.

    Workspaces and bundles are written anew under other names, and renamed: a second name keeps what
    was there.

    Parameters
    ----------
    without
        Names at the top that are left out.
    replace
        Put it in the place of what is there.

    Raises
    ------
    StorageError
        The disk refused; what was there is as it was.
    """
    with new_folder(target, replace=replace) as temporary:
        try:
            for path in sorted(source.iterdir()):
                if path.name not in without and not path.name.startswith(".cfedge-tmp-"):
                    _copy(path, temporary / path.name)
        except OSError as error:
            raise StorageError(
                f"could not copy {source}: {error.strerror or error}; make room, or check the disk"
            ) from error


def _copy(source: Path, target: Path) -> None:
    if source.is_symlink() or not (source.is_dir() or source.is_file()):
        raise OSError(f"{source.name} is neither a file nor a folder")
    if source.is_dir():
        target.mkdir()
        for path in source.iterdir():
            _copy(path, target / path.name)
        return
    try:
        os.link(source, target)
    except OSError:  # another disk, or one without links
        shutil.copyfile(source, target)
