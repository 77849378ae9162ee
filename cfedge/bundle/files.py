"""A bundle on the disk: read with every check, written whole or not at all.

Rules: nothing is parsed before its length and SHA-256 agree with the manifest; no archive, no
pickle; every file is ``objects/<sha256>``; a file that nothing refers to is refused. What the bytes
mean is for the runtime.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from cfedge.bundle.fileref import FileRef
from cfedge.bundle.limits import LIMITS
from cfedge.bundle.manifest import Manifest, serialize
from cfedge.bundle.objects import Objects, read_file, read_objects
from cfedge.bundle.reading import parse
from cfedge.errors import DamagedError, SchemaError, StorageError
from cfedge.records import record
from cfedge.storage import new_folder, write_file

__all__ = ["Bundle", "check_replaceable", "read", "read_manifest", "reference", "write"]

_MANIFEST, _OBJECTS = "manifest.json", "objects"


@record(frozen=True)
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


def reference(data: bytes) -> FileRef:
    """Name `data` by its content."""
    return FileRef(hashlib.sha256(data).hexdigest(), len(data))


def read(folder: Path, *, keep_adapters: bool = True, known: Manifest | None = None) -> Bundle:
    """Read a bundle.

    Parameters
    ----------
    known
        The manifest that was read of it just now, which is not parsed again where it is still the
        same.
    keep_adapters
        See `cfedge.bundle.objects.read_objects`.

    Raises
    ------
    DamagedError
        A file is missing, cut, changed or superfluous.
    SchemaError
        The manifest breaks the format.
    StorageError
        The disk refused.
    """
    manifest = read_manifest(folder, known)
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


def read_manifest(folder: Path, known: Manifest | None = None) -> Manifest:
    """Read a bundle's manifest alone; `known` as of `read`.

    Raises
    ------
    DamagedError, SchemaError, StorageError
        See `read`.
    """
    # Path.is_file raises for a name that is too long
    if not os.path.isfile(folder / _MANIFEST):  # noqa: PTH113
        raise DamagedError(
            f"{folder}: expected a bundle with {_MANIFEST}, found {_instead(folder)}"
        )
    data = read_file(folder / _MANIFEST, "manifest", LIMITS.manifest_bytes)
    if known is not None and hashlib.sha256(data).hexdigest() == known.digest:
        return known
    try:
        return parse(data)
    except SchemaError as error:
        raise SchemaError(f"{folder / _MANIFEST}: {error}") from error


def _instead(folder: Path) -> str:
    """Say what is there where a bundle should be, and what to do."""
    if os.path.isfile(folder / "workspace.json"):  # noqa: PTH113
        return f"a workspace; export it first: cfedge export {folder} BUNDLE"
    if folder.name == _MANIFEST:
        return f"the file alone; give the folder that it is in: {folder.parent}"
    if _is_packed(folder):
        return "an archive; unpack it, and give the folder that it holds"
    if os.path.lexists(folder):
        kind = "folder" if os.path.isdir(folder) else "file"  # noqa: PTH112
        return f"a {kind} without it; make a bundle under a new name: cfedge export WS BUNDLE"
    return f"none; check the path, or make one with: cfedge export WS {folder}"


def _is_packed(path: Path) -> bool:
    # for an error alone: engines that open do without
    from cfedge.first_bytes import FIRST_BYTES, UNPACK, known
    from cfedge.plain_files import read_plain

    try:
        found = known(read_plain(path, FIRST_BYTES))
    except OSError:
        return False
    return found is not None and found.step == UNPACK


def check_replaceable(folder: Path) -> None:
    """Refuse to put a bundle in the place of what is none.

    Raises
    ------
    StorageError
    """
    if os.path.lexists(folder) and not os.path.isfile(folder / _MANIFEST):  # noqa: PTH113
        raise StorageError(
            f"{folder}: expected a bundle to replace, found something else; remove it yourself or"
            " choose another name"
        )


def write(bundle: Bundle, folder: Path, *, replace: bool = False) -> None:
    """Write a bundle as a new folder.

    Raises
    ------
    StorageError
        The disk refused, or `folder` exists and `replace` is false; nothing was changed.
    """
    if replace:
        check_replaceable(folder)
    with new_folder(folder, replace=replace) as temporary:
        (temporary / _OBJECTS).mkdir()
        for name, data in bundle.objects.items():
            write_file(temporary / _OBJECTS / name, data)
        write_file(temporary / _MANIFEST, serialize(bundle.manifest))
