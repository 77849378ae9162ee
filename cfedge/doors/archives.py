"""Archives that somebody packed, ZIP and tar: which of their files count, and how much they may
unpack to.

What an archive says of its files is checked before anything is unpacked, and zipfile and tarfile hold
each file to what is said of it. Links of a tar archive are left out.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache, partial
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple, cast

from cfedge.counted import counted
from cfedge.doors.reading import LIMITS
from cfedge.doors.xz import opened_xz
from cfedge.errors import DataError

__all__ = ["MEMBER_BYTES", "Member", "check_growth", "is_archive", "is_hidden", "opened_archive"]

#: Of a file in an archive that is unpacked in memory.
MEMBER_BYTES = 64 << 20
#: Folders that systems make for themselves.
_HIDDEN = ("@eadir", "$recycle.bin", "lost+found")
#: How a tar archive is packed, by the end of its name.
_TARS: dict[str, Callable[[Path], IO[bytes]]] = {
    ".tar": lambda path: path.open("rb"),
    **dict.fromkeys((".tar.gz", ".tgz"), cast(Any, gzip.GzipFile)),
    **dict.fromkeys((".tar.bz2", ".tbz2"), cast(Any, bz2.BZ2File)),
    **dict.fromkeys((".tar.xz", ".txz"), opened_xz),
}


class Member(NamedTuple):
    """A file in an archive: its path inside, and what opens it, while the archive is open."""

    path: PurePosixPath
    open: Callable[[], IO[bytes]]


def is_archive(path: Path) -> bool:
    """Whether a file is an archive that is read, by its name."""
    return path.name.lower().endswith((".zip", *_TARS))


def is_hidden(part: str) -> bool:
    """Whether a file or folder is one that systems and programs make for themselves, by its name."""
    hidden = part.startswith((".", "__")) and part not in (".", "..")
    return hidden or part.lower() in _HIDDEN


@contextmanager
def opened_archive(path: Path) -> Iterator[list[Member]]:
    """Open an archive; of its files those that systems make are left out. They are in the order in
    which they are quick to read: of a tar archive as they lie there.

    Raises
    ------
    DataError
        It is none, has a password, holds too many files, or unpacks to more than it may; also while
        its files are read.
    """
    form = "ZIP file" if path.suffix.lower() == ".zip" else "tar archive"
    try:
        with ExitStack() as stack:
            find = _in_zip if form == "ZIP file" else _in_tar
            members = [
                Member(PurePosixPath(name.replace("\\", "/")), opens)  # of Windows
                for name, opens in find(path, stack)
            ]
            yield [one for one in members if not any(map(is_hidden, one.path.parts))]
    except _FAULTS as error:
        locked = isinstance(error, RuntimeError) and "password" in str(error)
        found = "one with a password" if locked else f"{error or 'its end is missing'}"
        raise DataError(
            f"{path}: expected a {form}, found: {found}; pack it again, without a password"
        ) from error


_FAULTS = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, NotImplementedError,
           RuntimeError, OSError, EOFError)  # fmt: skip
_Found = list[tuple[str, Callable[[], IO[bytes]]]]


def _in_zip(path: Path, stack: ExitStack) -> _Found:
    archive = stack.enter_context(zipfile.ZipFile(path))
    members = [one for one in archive.infolist() if not one.is_dir()]
    _check_all(path, (one.file_size for one in members))
    members.sort(key=lambda one: one.filename)
    return [(one.filename, partial(archive.open, one)) for one in members]


def _in_tar(path: Path, stack: ExitStack) -> _Found:
    status = path.stat()
    files = _files_of_tar(path, status.st_mtime_ns, status.st_size)
    archive = stack.enter_context(_opened_tar(path, stack))
    return [(one.name, partial(_member, archive, one)) for one in files]


def _opened_tar(path: Path, stack: ExitStack) -> tarfile.TarFile:
    end = next(end for end in _TARS if path.name.lower().endswith(end))
    file = _Bounded(stack.enter_context(_TARS[end](path)), path)
    return tarfile.TarFile(fileobj=cast(IO[bytes], file))


class _FileOfTar(NamedTuple):
    """A file's name, and where it lies in its archive."""

    name: str
    place: int
    size: int
    sparse: Any


@lru_cache(maxsize=1)
def _files_of_tar(path: Path, changed: int, size: int) -> list[_FileOfTar]:
    """Read an archive's headers, which takes as long as all of it: once while it stays the same, as
    it is opened by each that asks what it may be.
    """
    found: list[_FileOfTar] = []
    with ExitStack() as stack:
        archive = stack.enter_context(_opened_tar(path, stack))

        def sizes() -> Iterator[int]:
            for one in archive:
                yield one.size
                if one.isreg():
                    found.append(_FileOfTar(one.name, one.offset_data, one.size, one.sparse))

        _check_all(path, sizes())
    return found


def _member(archive: tarfile.TarFile, one: _FileOfTar) -> IO[bytes]:
    header = tarfile.TarInfo(one.name)
    header.offset_data, header.size, header.sparse = one.place, one.size, one.sparse
    file = archive.extractfile(header)
    assert file is not None  # as of what is no regular file
    return file


class _Bounded:
    """What a tar archive is read from: neither further than it may unpack to, nor much at once."""

    def __init__(self, file: IO[bytes], path: Path) -> None:
        self._file, self._path = file, path
        self.tell = file.tell

    def read(self, size: int) -> bytes:
        """Read so many bytes."""
        if not 0 <= size <= MEMBER_BYTES + 1:
            raise tarfile.ReadError("a header without end")
        return self._file.read(size)

    def seek(self, place: int) -> int:
        """Go to a place, to which all is unpacked."""
        check_growth(self._path, place)
        return self._file.seek(place)


def _check_all(path: Path, sizes: Iterable[int]) -> None:
    """Refuse too many files, or too large ones, as soon as they are."""
    total = 0
    for count, size in enumerate(sizes, 1):
        if count > LIMITS.archive_files:
            raise DataError(
                f"{path}: expected at most {counted(LIMITS.archive_files, 'file')}, found more;"
                " unpack it"
            )
        total += size
        check_growth(path, total)


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
    if size_bytes <= LIMITS.free_bytes:
        return
    packed = path.stat().st_size
    if size_bytes > LIMITS.archive_growth * packed:
        raise DataError(
            f"{path}: expected at most {LIMITS.archive_growth} times its {packed:,} bytes unpacked,"
            f" found {size_bytes >> 20:,} MB or more; unpack it, and look at what it holds"
        )
