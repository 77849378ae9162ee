"""What a folder holds in which nothing was found that can be learned from: its files by their
first bytes, and what to do with them.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from cfedge.doors import stem
from cfedge.doors.archives import is_hidden
from cfedge.doors.disguises import step_of
from cfedge.errors import DataError
from cfedge.first_bytes import FIRST_BYTES, known
from cfedge.inputs import KINDS, reader
from cfedge.plain_files import read_plain

__all__ = ["nothing_known"]

#: Files that are looked at.
_MOST = 20


def nothing_known(path: Path) -> DataError | None:
    """Return the error for a folder that holds files which are known, and no table; None where it
    does not.
    """
    if any(stem(entry) is not None for entry in path.iterdir() if entry.is_file()):
        return None
    for file in islice(_files(path), _MOST):
        try:
            found = known(read_plain(file, FIRST_BYTES))
        except OSError:
            continue
        if found is not None and (
            step := found.step or step_of(found.what, labelled=_is_unnamed(path, file))
        ):
            name = str(file.relative_to(path))
            return DataError(
                f"{path}: expected examples and their labels, found {name!r:.80}"
                f" ({found.what}); {step}"
            )
    return None


def _is_unnamed(path: Path, file: Path) -> bool:
    """Whether a file lies in another one's folder, and no kind of input knows its ending."""
    known_by_name = any(file.suffix.lower() in reader(kind).suffixes for kind in KINDS)
    return file.parent != path and not known_by_name


def _files(path: Path) -> Iterator[Path]:
    for file in sorted(path.rglob("*")):
        if file.is_file() and not any(map(is_hidden, file.relative_to(path).parts)):
            yield file
