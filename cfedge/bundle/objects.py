"""The files that a manifest names, each ``objects/<sha256>``: read whole, and checked against size
and SHA-256 before anybody parses them.
"""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from pathlib import Path

from cfedge.bundle.fileref import FileRef
from cfedge.bundle.manifest import Manifest
from cfedge.errors import DamagedError, StorageError
from cfedge.plain_files import NotPlainError, read_plain

__all__ = ["HandedOn", "Objects", "read_file", "read_objects"]

#: No such name, a file for a folder on the way, links in a circle.
_NOTHING_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
#: Below 32 MiB, which is the most that it learns (4 MiB times the bytes of a long).
_LARGEST_REUSED = 31 << 20


class Objects(Mapping[str, bytes]):
    """The files that a manifest names, by SHA-256, all of them checked; those that are not in
    memory are read, and checked, each time.

    Parameters
    ----------
    folder
        Of objects.
    files
        Role and reference by SHA-256.
    held
        The bytes of some.
    """

    def __init__(
        self, folder: Path, files: Mapping[str, tuple[str, FileRef]], held: Mapping[str, bytes]
    ) -> None:
        self._folder, self._files, self._held = folder, files, dict(held)

    def __getitem__(self, sha256: str) -> bytes:
        return self.source(sha256)()

    def __contains__(self, sha256: object) -> bool:
        return sha256 in self._files  # the mapping's own would read the file

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)

    def pop(self, sha256: str) -> bytes:
        """Return the bytes of one file, and do not hold them from now on."""
        held = self._held.pop(sha256, None)
        return self[sha256] if held is None else held

    def on_disk(self) -> Objects:
        """Return the same files with none in memory."""
        return Objects(self._folder, self._files, {})

    def source(self, sha256: str) -> Callable[[], bytes]:
        """Return what gives the bytes of one file, and holds no other's."""
        if sha256 in self._held:
            data = self._held[sha256]
            return lambda: data
        return partial(_object, self._folder / sha256, *self._files[sha256])


class HandedOn(Mapping[str, bytes]):
    """Some files by role; one that is asked for is no longer held in memory by `objects`, so that
    who asked is the only one to have its bytes.

    Parameters
    ----------
    objects
        By SHA-256. What is no `Objects` keeps its files.
    roles
        SHA-256 by role.
    """

    def __init__(self, objects: Mapping[str, bytes], roles: Mapping[str, str]) -> None:
        self._objects, self._roles = objects, roles

    def __getitem__(self, role: str) -> bytes:
        name = self._roles[role]
        return (
            self._objects.pop(name) if isinstance(self._objects, Objects) else self._objects[name]
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self._roles)

    def __len__(self) -> int:
        return len(self._roles)


def read_objects(
    folder: Path, manifest: Manifest, skip: Collection[str] = (), *, keep_adapters: bool = True
) -> Objects:
    """Read every file that `manifest` names from a folder of objects, but for the SHA-256 in
    `skip`.

    Parameters
    ----------
    keep_adapters
        Hold the files of tasks in memory. Otherwise they are checked like the rest, and read and
        checked again when they are asked for.

    Raises
    ------
    DamagedError, StorageError
        See `cfedge.bundle.files.read`.
    """
    files = {
        ref.sha256: (role, ref) for role, ref in manifest.files().items() if ref.sha256 not in skip
    }
    dropped = (
        {
            ref.sha256
            for task in manifest.tasks
            for ref in (task.adapter, task.signature, task.golden)
        }
        if not keep_adapters
        else set()
    )
    _keep_freed_memory(max((ref.size for _, ref in files.values()), default=0))
    held = {}
    for name, (role, ref) in files.items():
        data = _object(folder / name, role, ref)
        if name not in dropped:
            held[name] = data
    return Objects(folder, files, held)


def read_file(path: Path, role: str, limit: int) -> bytes:
    """Return a file's bytes, at most one more than `limit`.

    Raises
    ------
    DamagedError
        It is missing or no plain file; `role` says what it should be.
    StorageError
        The disk refused.
    """
    try:
        data = read_plain(path, limit + 1)
    except NotPlainError as error:
        raise DamagedError(
            f"{path} ({role}): expected a file, found a folder or device; get the bundle again"
        ) from error
    except OSError as error:
        if error.errno in _NOTHING_THERE:
            raise DamagedError(
                f"{path} ({role}): expected a file, found none; get the bundle again"
            ) from error
        raise StorageError(
            f"could not read {path} ({role}): {error.strerror}; check the disk"
        ) from error
    return data


def _keep_freed_memory(largest_bytes: int) -> None:
    """Have the GNU C library reuse blocks of up to so many bytes, which would happen once the first
    one is freed.

    Until then each goes back to the system at once, which clears new pages for the next: a quarter
    of the time that opening takes, as a graph's bytes are copied four times
    (docs/decisions/0028-cold-start.md). It learns from the size of what is freed (mallopt(3),
    M_MMAP_THRESHOLD); this block is never touched, so it costs nothing, there or with other
    libraries.
    """
    bytes(min(largest_bytes, _LARGEST_REUSED))


def _object(path: Path, role: str, ref: FileRef) -> bytes:
    data = read_file(path, role, ref.size)
    if len(data) != ref.size:
        found = "more" if len(data) > ref.size else str(len(data))
        raise DamagedError(
            f"{path} ({role}): expected {ref.size} bytes, found {found}; get the bundle again"
        )
    digest = hashlib.sha256(data).hexdigest()
    if digest != ref.sha256:
        raise DamagedError(
            f"{path} ({role}): expected SHA-256 {ref.sha256}, found {digest}; get the bundle again"
        )
    return data
