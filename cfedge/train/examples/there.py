"""Whether there are data at a path: what else lies there is named, before anything is read."""

from __future__ import annotations

import os
import re
from pathlib import Path

from cfedge.errors import DataError

__all__ = ["check_there"]

#: What lies in folders that are no data.
_OURS = {"workspace.json": "a workspace", "manifest.json": "a bundle"}


def check_there(path: Path) -> None:
    """Refuse what is not there, and a FIFO, a device and the like, which would be waited for.

    Raises
    ------
    DataError
        Naming what is there instead.
    """
    if str(path) == "-":
        raise DataError(
            "-: expected a file or a folder of data, found standard input, which is read once where"
            " data are read again; save it as a file"
        )
    if not os.path.exists(path):  # noqa: PTH110 - pathlib raises for a name that is too long
        found, step = "nothing", "check the path"
        if os.path.islink(path):  # noqa: PTH114
            found, step = "a link that leads nowhere", "correct the link"
        elif re.match(r"[a-z][a-z0-9+.-]+:/", str(path)):
            found, step = "an address", "download it, and give the file"
        raise DataError(f"{path}: expected a file or a folder of data, found {found}; {step}")
    for name, what in _OURS.items():
        if (path / name).is_file():
            raise DataError(f"{path}: expected data, found {what}; give the examples themselves")
    if not path.is_file() and not path.is_dir():
        raise DataError(
            f"{path}: expected a file or a folder of data, found neither; save the data as a file"
        )
