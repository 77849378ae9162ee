"""A bundle on the disk: read with every check, written whole or not at all.

Rules: nothing is parsed before its length and SHA-256 agree with the manifest; no archive, no
pickle; every file is ``objects/<sha256>``; a file that nothing refers to is refused. What the bytes
mean is for the runtime.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from cfedge.bundle.fileref import FileRef
from cfedge.bundle.manifest import Manifest, serialize
from cfedge.bundle.reading import LIMITS, parse
from cfedge.errors import DamagedError, IncompatibleError, SchemaError, StorageError
from cfedge.storage import NotPlainError, new_folder, read_plain, write_file

__all__ = [
    "Bundle",
    "Objects",
    "dump_arrays",
    "load_arrays",
    "load_note",
    "read",
    "read_manifest",
    "read_objects",
    "reference",
    "write",
]

#: No such name, a file for a folder on the way, links in a circle.
_NOTHING_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
_MANIFEST, _OBJECTS = "manifest.json", "objects"
#: Below 32 MiB, which is the most that it learns (4 MiB times the bytes of a long).
_LARGEST_REUSED = 31 << 20
#: Of the header of safetensors: its bytes, the arrays that it names, and the commas in it, of which
#: notes have the most.
_HEADER_BYTES, _ARRAYS, _VALUES = 32 << 20, 4096, 1 << 20


@dataclass(frozen=True)
class Bundle:
    """A manifest and the bytes of its files, by SHA-256. Holding one means that every check has
    passed.
    """

    manifest: Manifest
    objects: Mapping[str, bytes]

    def __getitem__(self, ref: FileRef) -> bytes:
        return self.objects[ref.sha256]

    def source(self, ref: FileRef) -> Callable[[], bytes]:
        """Return what gives the bytes of `ref`: from memory, or from the disk with every check
        where they were not kept.
        """
        if isinstance(self.objects, Objects):
            return self.objects.source(ref.sha256)
        data = self.objects[ref.sha256]
        return lambda: data


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
        self._folder, self._files, self._held = folder, files, held

    def __getitem__(self, sha256: str) -> bytes:
        return self.source(sha256)()

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)

    def on_disk(self) -> Objects:
        """Return the same files with none in memory."""
        return Objects(self._folder, self._files, {})

    def source(self, sha256: str) -> Callable[[], bytes]:
        """Return what gives the bytes of one file, and holds no other's."""
        if sha256 in self._held:
            data = self._held[sha256]
            return lambda: data
        return partial(_object, self._folder / sha256, *self._files[sha256])


def reference(data: bytes) -> FileRef:
    """Name `data` by its content."""
    return FileRef(hashlib.sha256(data).hexdigest(), len(data))


def read(folder: Path, *, keep_adapters: bool = True) -> Bundle:
    """Read a bundle.

    Parameters
    ----------
    keep_adapters
        See `read_objects`.

    Raises
    ------
    DamagedError
        A file is missing, cut, changed or superfluous.
    SchemaError
        The manifest breaks the format.
    StorageError
        The disk refused.
    """
    manifest = read_manifest(folder)
    objects = read_objects(folder / _OBJECTS, manifest, keep_adapters=keep_adapters)
    try:
        beside = sorted({path.name for path in folder.iterdir()} - {_MANIFEST, _OBJECTS})
        extra = sorted({path.name for path in (folder / _OBJECTS).iterdir()} - objects.keys())
    except OSError as error:
        raise StorageError(
            f"could not list {error.filename or folder}: {error.strerror}; check the disk"
        ) from error
    if beside:
        raise DamagedError(
            f"{folder / beside[0]}: expected only {_MANIFEST} and {_OBJECTS}/ here, found this too;"
            " remove it"
        )
    if extra:
        raise DamagedError(
            f"{folder / _OBJECTS / extra[0]}: expected {len(objects)} files that the manifest"
            " names, found this one too; remove it or export the bundle again"
        )
    return Bundle(manifest, objects)


def read_manifest(folder: Path) -> Manifest:
    """Read a bundle's manifest alone.

    Raises
    ------
    DamagedError, SchemaError, StorageError
        See `read`.
    """
    if not os.path.isfile(folder / _MANIFEST):  # noqa: PTH113 - Path.is_file raises for a name that is too long
        raise DamagedError(
            f"{folder}: expected a bundle with {_MANIFEST}, found none; make one with: cfedge"
            f" export WS {folder}"
        )
    data = _bytes(folder / _MANIFEST, "manifest", LIMITS.manifest_bytes)
    try:
        return parse(data)
    except SchemaError as error:
        raise SchemaError(f"{folder / _MANIFEST}: {error}") from error


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
        See `read`.
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


def write(bundle: Bundle, folder: Path, *, replace: bool = False) -> None:
    """Write a bundle as a new folder.

    Raises
    ------
    StorageError
        The disk refused, or `folder` exists and `replace` is false; nothing was changed.
    """
    if replace and folder.exists() and not (folder / _MANIFEST).is_file():
        raise StorageError(
            f"{folder}: expected a bundle to replace, found something else; remove it yourself or"
            " choose another name"
        )
    with new_folder(folder, replace=replace) as temporary:
        (temporary / _OBJECTS).mkdir()
        for name, data in bundle.objects.items():
            write_file(temporary / _OBJECTS / name, data)
        write_file(temporary / _MANIFEST, serialize(bundle.manifest))


def dump_arrays(
    arrays: Mapping[str, NDArray[np.generic]], note: Mapping[str, object] | None = None
) -> bytes:
    """Serialize arrays (safetensors) and a small JSON note; equal content gives equal bytes."""
    metadata = (
        None
        if note is None
        else {"cfedge": json.dumps(note, sort_keys=True, ensure_ascii=False, allow_nan=False)}
    )
    whole = {name: np.ascontiguousarray(arrays[name]) for name in sorted(arrays)}
    return safetensors.numpy.save(whole, metadata)


def load_arrays(data: bytes, what: str) -> dict[str, NDArray[np.generic]]:
    """Parse safetensors bytes; floats must be finite.

    Raises
    ------
    IncompatibleError
        Naming `what`.
    """
    _check_header(data, what)
    try:
        arrays: dict[str, NDArray[np.generic]] = safetensors.numpy.load(data)
    except (safetensors.SafetensorError, ValueError, KeyError, TypeError) as error:
        raise IncompatibleError(
            f"{what}: expected safetensors, found {error}; export it again"
        ) from error
    _header(data, what)
    for name, array in arrays.items():
        if array.dtype.kind in "fc" and not np.isfinite(array).all():
            raise IncompatibleError(
                f"{what}: expected finite numbers in {name!r}, found NaN or infinity; learn the"
                " task again"
            )
    return arrays


def load_note(data: bytes, what: str = "note") -> dict[str, object]:
    """Return the JSON note of safetensors bytes that `load_arrays` accepted.

    Raises
    ------
    IncompatibleError
        Naming `what`: the note is not a JSON object.
    """
    try:
        note = json.loads(_header(data, what).get("__metadata__", {}).get("cfedge", "{}"))
    except (ValueError, AttributeError, RecursionError) as error:
        raise IncompatibleError(
            f"{what}: expected a note in JSON, found {error}; export it again"
        ) from error
    if not isinstance(note, dict):
        raise IncompatibleError(
            f"{what}: expected a JSON object as note, found {type(note).__name__}; export it again"
        )
    return note


def _check_header(data: bytes, what: str) -> None:
    """Refuse a header that is dear to read, before anything reads it."""
    size = int.from_bytes(data[:8], "little")
    header = data[8 : 8 + min(size, _HEADER_BYTES)]
    arrays, values = header.count(b'"dtype"'), header.count(b",")
    if size > _HEADER_BYTES or arrays > _ARRAYS or values > _VALUES:
        raise IncompatibleError(
            f"{what}: expected safetensors with a header of at most {_HEADER_BYTES} bytes,"
            f" {_ARRAYS} arrays and {_VALUES} values, found {size}, {arrays} and {values}; export it"
            " again"
        )


def _header(data: bytes, what: str) -> dict[str, Any]:
    """The header of safetensors bytes; safetensors itself takes the last of two entries of one
    name.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise IncompatibleError(
                f"{what}: expected each name once, found a name twice; export it again"
            )
        return found

    header: dict[str, Any] = json.loads(
        data[8 : 8 + int.from_bytes(data[:8], "little")], object_pairs_hook=once
    )
    return header


def _bytes(path: Path, role: str, limit: int) -> bytes:
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
    data = _bytes(path, role, ref.size)
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
