"""The files of a workspace's folder, read and written: the index's bytes, the backbone's files, the
tasks' folders with the digest that they are named by, and the lock that one writer holds.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from cfedge.bundle.canonical import canonical_json
from cfedge.errors import MissingExtraError, StorageError, WorkspaceError
from cfedge.plain_files import LARGEST_BYTES, read_plain
from cfedge.storage import new_folder, remove_leftovers, write_file

try:
    import filelock
except ImportError as error:
    raise MissingExtraError("a workspace needs filelock: pip install 'cfedge[add]'") from error

__all__ = [
    "checked_bytes",
    "digest_of",
    "exclusively",
    "index_bytes",
    "remove_unnamed",
    "write_new",
    "write_task",
]


def write_new(folder: Path, index: bytes, backbone: Mapping[str, bytes]) -> None:
    """Write a new workspace without tasks in one step: its index, and its backbone's files."""
    with new_folder(folder) as temporary:
        (temporary / "backbone").mkdir()
        (temporary / "tasks").mkdir()
        for name, data in backbone.items():
            write_file(temporary / "backbone" / name, data)
        write_file(temporary / "workspace.json", index)


def index_bytes(folder: Path) -> tuple[bytes, str]:
    """Read a workspace's index; return it with its path, as errors name it.

    Raises
    ------
    WorkspaceError
        There is none.
    StorageError
        It cannot be read.
    """
    index = folder / "workspace.json"
    # Path.is_file raises for a name that is too long.
    if not os.path.isfile(index):  # noqa: PTH113
        raise WorkspaceError(f"{folder}: expected a workspace, found {_instead(folder)}")
    try:
        return read_plain(index), str(index)
    except OSError as error:
        raise StorageError(f"could not read {index}: {error.strerror}; check the disk") from error


def _instead(folder: Path) -> str:
    """Say what is there where a workspace should be, and what to do."""
    if os.path.isfile(folder / "manifest.json"):  # noqa: PTH113
        return "a bundle; give the workspace that it was exported from"
    if os.path.isfile(folder / "store.json"):  # noqa: PTH113
        return "a store; give the workspace that its bundles were exported from"
    if os.path.lexists(folder):
        kind = "folder" if os.path.isdir(folder) else "file"  # noqa: PTH112
        return f"a {kind} that is none; make one under a new name: cfedge init WS"
    return f"none; make one with: cfedge init {folder}"


def checked_bytes(path: Path, sha256: str) -> bytes:
    """Read one of the backbone's files and check its digest.

    Raises
    ------
    WorkspaceError
        It is missing or was changed.
    """
    try:
        data = read_plain(path, whole_bytes=LARGEST_BYTES)
    except OSError as error:
        raise WorkspaceError(
            f"{path}: expected the backbone's file, found {error.strerror}; make the workspace"
            " again"
        ) from error
    digest = hashlib.sha256(data).hexdigest()
    if digest != sha256:
        raise WorkspaceError(
            f"{path}: expected SHA-256 {sha256}, found {digest}; make the workspace again"
        )
    return data


@contextlib.contextmanager
def exclusively(folder: Path, wait_s: float = 0.0) -> Iterator[None]:
    """Hold a folder for writing; another process that holds it is waited for so long.

    Raises
    ------
    WorkspaceError
        Another process holds it.
    StorageError
        Nothing can be written there.
    """
    lock = filelock.FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=wait_s)
    except filelock.Timeout as error:
        raise WorkspaceError(
            f"{folder}: expected it free for writing, found another cfedge at work; try again when"
            " it ends"
        ) from error
    except OSError as error:
        raise StorageError(
            f"could not write in {folder}: {error.strerror or error}; check the disk and rights"
        ) from error
    try:
        yield
    finally:
        lock.release()


def digest_of(parts: Mapping[str, bytes]) -> str:
    """What a task's folder ends with: 16 digits of the digest of its files."""
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in parts.items()}
    return hashlib.sha256(canonical_json(digests)).hexdigest()[:16]


def write_task(folder: Path, parts: Mapping[str, bytes]) -> None:
    """Write a task's folder in one step, unless it is there with these bytes."""
    if _holds(folder, parts):
        return
    with new_folder(folder, replace=True) as temporary:
        for name, data in parts.items():
            write_file(temporary / name, data)


def remove_unnamed(workspace: Path, named: set[str]) -> None:
    """Delete what interrupted writers left, and the tasks' folders that are not `named`."""
    remove_leftovers(workspace)
    for path in (workspace / "tasks").iterdir():
        if path.name not in named:
            shutil.rmtree(path, ignore_errors=True)


def _holds(folder: Path, parts: Mapping[str, bytes]) -> bool:
    """Whether a folder has exactly these files' bytes by name; what cannot be read is not there."""
    with contextlib.suppress(OSError):
        return all(
            read_plain(folder / name, whole_bytes=LARGEST_BYTES) == data
            for name, data in parts.items()
        )
    return False
