"""ZIP archives that somebody packed: which of their files count, and how much they may unpack to.

What an archive says of its files is checked before anything is unpacked, and zipfile holds each file
to what is said of it.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from cfedge.doors.reading import LIMITS
from cfedge.errors import DataError

__all__ = ["Archive", "check_growth", "is_hidden", "opened_archive"]

#: Folders that systems make for themselves.
_HIDDEN = ("@eadir", "$recycle.bin", "lost+found")
#: An archive, and its files by their path inside it.
Archive = tuple[zipfile.ZipFile, list[tuple[PurePosixPath, zipfile.ZipInfo]]]


def is_hidden(part: str) -> bool:
    """Whether a file or folder is one that systems and programs make for themselves, by its name."""
    hidden = part.startswith((".", "__")) and part not in (".", "..")
    return hidden or part.lower() in _HIDDEN


@contextmanager
def opened_archive(path: Path) -> Iterator[Archive]:
    """Open a ZIP file; its files are sorted by name, and those that systems make left out.

    Raises
    ------
    DataError
        It is none, has a password, holds too many files, or unpacks to more than it may; also while
        its files are read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = [one for one in archive.infolist() if not one.is_dir()]
            if len(members) > LIMITS.archive_files:
                raise DataError(
                    f"{path}: expected at most {LIMITS.archive_files:,} files, found"
                    f" {len(members):,}; unpack it"
                )
            check_growth(path, sum(one.file_size for one in members))
            found = [
                (PurePosixPath(one.filename.replace("\\", "/")), one)  # of Windows
                for one in sorted(members, key=lambda one: one.filename)
            ]
            yield archive, [pair for pair in found if not any(map(is_hidden, pair[0].parts))]
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError) as error:
        locked = isinstance(error, RuntimeError) and "password" in str(error)
        found_what = "one with a password" if locked else f"{error}"
        raise DataError(
            f"{path}: expected a ZIP file, found: {found_what}; pack it again, without a password"
        ) from error


def check_growth(path: Path, size_bytes: int) -> None:
    """Refuse what unpacks to so many bytes or more, where that is too many: at all, or for the size
    of the file.

    Raises
    ------
    DataError
        Naming both sizes.
    """
    if size_bytes > LIMITS.archive_bytes:
        raise DataError(
            f"{path}: expected at most {LIMITS.archive_bytes >> 20:,} MB unpacked, found"
            f" {size_bytes >> 20:,} MB; unpack it"
        )
    packed = path.stat().st_size
    if size_bytes > LIMITS.free_bytes and size_bytes > LIMITS.archive_growth * packed:
        raise DataError(
            f"{path}: expected at most {LIMITS.archive_growth} times its {packed:,} bytes unpacked,"
            f" found {size_bytes >> 20:,} MB or more; unpack it, and look at what it holds"
        )
