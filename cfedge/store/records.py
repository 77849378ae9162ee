"""What a store's small files hold, and its folders."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cfedge.bundle.canonical import typed
from cfedge.errors import DamagedError, SchemaError, StorageError
from cfedge.plain_files import NotPlainError, read_plain
from cfedge.storage import sync_folder

__all__ = ["FOLDERS", "Facts", "Pointer", "make_folders", "read_record", "record_of"]

#: Of a new store.
FOLDERS = ("objects", "generations", "boot_attempts", "vouched")


@dataclass(frozen=True)
class Pointer:
    """Which generation answers; while `pinned`, no sync changes that."""

    generation: int
    manifest: str
    pinned: bool


@dataclass(frozen=True)
class Facts:
    """What a store is, written once."""

    channel: str
    device: str
    schema: int


def make_folders(folder: Path) -> None:
    """Make the folders of a new store.

    Raises
    ------
    StorageError
        The disk refused, or `folder` holds something else.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        beside = {path.name for path in folder.iterdir()} - {"lock", *FOLDERS}
        if any(not name.startswith(".cfedge-tmp-") for name in beside):
            raise StorageError(
                f"{folder}: expected an empty folder for the store, found {min(beside)!r};"
                " choose another"
            )
        for name in FOLDERS:
            (folder / name).mkdir(exist_ok=True)
        sync_folder(folder)
        with contextlib.suppress(PermissionError):  # a parent that is not ours to read
            sync_folder(folder.parent)
    except OSError as error:
        raise StorageError(
            f"could not make a store in {folder}: {error.strerror or error}; choose another folder"
        ) from error


def read_record(path: Path, limit: int) -> bytes:
    """Return a file's bytes, at most one more than `limit`.

    Raises
    ------
    DamagedError
        There is none.
    StorageError
        The disk refused.
    """
    try:
        return read_plain(path, limit + 1)
    except NotPlainError as error:
        raise DamagedError(f"{path}: expected a file, found something else; sync again") from error
    except FileNotFoundError as error:
        raise DamagedError(f"{path}: expected a file, found none; sync again") from error
    except OSError as error:
        raise StorageError(f"could not read {path}: {error.strerror}; check the disk") from error


def record_of(path: Path, kind: Any) -> Any:
    """Return what a file holds, as the dataclass `kind`.

    Raises
    ------
    DamagedError, StorageError
        See `read_record`, or it is not what cfedge writes.
    """
    data = read_record(path, 64 << 10)
    try:
        return typed(kind, json.loads(data.decode("utf-8")), path.name)
    except (ValueError, RecursionError, SchemaError) as error:
        raise DamagedError(
            f"{path}: expected what cfedge wrote, found {error}; sync again; where that does not"
            " help, sync into a new folder"
        ) from error
