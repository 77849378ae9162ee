"""Files that a table of training data names: inside its folder, whatever the table says. Pure
paths, and the checks that touch the disk.
"""

from __future__ import annotations

import re
from pathlib import Path

from cfedge.errors import DataError

__all__ = ["inside"]

#: https://..., gs://..., data:image/png;base64,...
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+:/[/\w]|data:", re.IGNORECASE).match


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
    if _ADDRESS(cell.strip()):
        raise DataError(
            f"{where}: expected the path of {noun}, found the address {cell!r:.80}; download it, and"
            " give the file"
        )
    try:
        path = (folder / cell.strip()).resolve()
        leaves = Path(cell.strip()).is_absolute() or not path.is_relative_to(folder.resolve())
        is_file = path.is_file()
    except (OSError, ValueError, RuntimeError) as error:  # too long a name, a loop of links
        raise DataError(
            f"{where}: expected the path of {noun}, found {cell!r:.80}"
            f" ({getattr(error, 'strerror', None) or 'a loop of links'}); correct it"
        ) from error
    if leaves:
        raise DataError(
            f"{where}: expected a path inside {folder}, found {cell!r:.80}, which leads out of it;"
            " copy the file there"
        )
    if not is_file:
        step = "write paths with /" if "\\" in cell else "correct the path or remove the row"
        shown = f"{cell.strip()!r:.80}".replace("\\\\", "\\")  # as it stands there
        raise DataError(f"{where}: expected {noun}, found no file {shown} in {folder}; {step}")
    return path
