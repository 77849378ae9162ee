"""Labels in files beside inputs: ``0001.jpg`` and ``0001.cls``, as WebDataset packs them into tar
archives, its shards. A folder may hold several shards, each of a split by its name.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from cfedge.doors.archives import is_archive, opened_archive
from cfedge.errors import DataError
from cfedge.inputs.files import inside
from cfedge.plain_files import read_plain
from cfedge.train.examples.labels import LABEL_LENGTH, label_of

__all__ = ["LABEL_FILE", "key_of", "labels_beside", "shards"]

#: Of files that hold a label.
LABEL_FILE = ".cls"
_MOST_BYTES = 4 * LABEL_LENGTH


def key_of(name: PurePosixPath) -> PurePosixPath:
    """Return what a file shares with those beside it: its path up to the first dot of its name."""
    return name.with_name(name.name.partition(".")[0] or name.name)


def shards(folder: Path) -> list[Path]:
    """Return the archives that lie right in a folder, by name, where the first is a shard."""
    found = [one for one in sorted(folder.iterdir()) if one.is_file() and is_archive(one)]
    return found if found and labels_beside(found[0]) else []


def labels_beside(path: Path) -> dict[PurePosixPath, str]:
    """Return the labels that stand in files of their own, by `key_of`.

    Parameters
    ----------
    path
        An archive, or a folder.

    Raises
    ------
    DataError
        One of them holds no label.
    """
    return {
        key_of(name): label_of(_letters(data, f"{path}: {str(name)!r:.120}"), str(path))
        for name, data in (_in_archive if path.is_file() else _in_folder)(path)
    }


def _in_archive(path: Path) -> Iterator[tuple[PurePosixPath, bytes]]:
    with opened_archive(path) as members:
        for member in members:
            if member.path.suffix.lower() == LABEL_FILE:
                with member.open() as file:
                    yield member.path, file.read(_MOST_BYTES + 1)


def _in_folder(path: Path) -> Iterator[tuple[PurePosixPath, bytes]]:
    for entry in sorted(path.rglob(f"*{LABEL_FILE}")):
        name = entry.relative_to(path).as_posix()
        try:
            data = read_plain(inside(name, path, "a label", f"{path}"), _MOST_BYTES + 1)
        except OSError as error:
            raise DataError(f"could not read {entry}: {error.strerror}; check the path") from error
        yield PurePosixPath(name), data


def _letters(data: bytes, where: str) -> str:
    try:
        label = data.decode("utf-8").strip()
    except UnicodeDecodeError:
        label = ""
    if not label or len(data) > _MOST_BYTES:
        raise DataError(
            f"{where}: expected a label in letters, found something else; write the label alone"
        )
    return label
