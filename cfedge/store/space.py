"""Room on the disk: what a store no longer needs is deleted, and what is to come must fit before it
is fetched.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from cfedge.bundle.fileref import FileRef
from cfedge.errors import BundleError, NoSpaceError, StorageError
from cfedge.storage import sync_folder
from cfedge.store.generations import KEPT
from cfedge.store.store import Store

__all__ = ["RESERVE_BYTES", "check_room", "clear", "collect"]

#: Left free beside what is to come: metadata, the log's growth, and other programs.
RESERVE_BYTES = 4 << 20


def collect(
    store: Store,
    erased: Iterable[str] = (),
    keep: Iterable[str] = (),
    *,
    before: int | None = None,
    scarce: bool = False,
) -> int:
    """Delete generations but for the `KEPT` that matter, and the objects that no generation names:
    what answers stays, then what did before it, then the newest. One that has yet to open stays only
    where no other has opened. Needs `Store.writing`.

    Parameters
    ----------
    store
        Its pointer's generation always stays; others go where today's keys do not vouch for them.
    erased
        SHA-256 of files that nobody may keep: an older generation that names one goes too.
    keep
        SHA-256 of objects, whole or begun, for a generation that is about to be.
    before
        The generation that answered before: not always the newest older one, as that may have been
        gone back from.

    scarce
        Room is short: what has yet to open goes where none has opened, too.

    Returns
    -------
    bytes that were freed.
    """
    pointer = store.pointer()
    if pointer is None:
        return 0
    needed, begun = set(keep), set(keep)
    files = {number: _files(store, number) for number in store.generations()}
    opened, waiting = _to_go_back_to(store, pointer.generation, before, files, erased)
    stay = {pointer.generation, *(opened or ([] if scarce else waiting))[: KEPT - 1]}
    for number, names in files.items():
        if number in stay:
            needed |= names or set()
        else:
            _unlink(store.folder / "generations" / f"{number}.json")
    sync_folder(store.folder / "generations")
    store.boot_attempts.keep(
        store.generations()
    )  # not before: one that comes back after a power cut has yet to open
    store.vouchers.keep(store.generations())
    freed = 0
    for folder, wanted in ((store.objects, needed), (store.folder / "partial", begun)):
        for path in _listed(folder):
            if path.name not in wanted:
                freed += _unlink(path)
        if folder.exists():
            sync_folder(folder)
    return freed


def _to_go_back_to(
    store: Store,
    answers: int,
    before: int | None,
    files: Mapping[int, set[str] | None],
    erased: Iterable[str],
) -> tuple[list[int], list[int]]:
    """Return what may stay beside the generation that answers, the first to stay first: of those
    that have opened, and of those that have yet to.
    """
    gone = set(erased)
    sound = [
        number
        for number in sorted(files, key=lambda one: (one != before, -one))
        if number != answers
        and (names := files[number]) is not None
        and not names & gone
        and not store.boot_attempts.failed(number)
        and store.vouchers.count(number)
    ]
    waiting = [number for number in sound if store.boot_attempts.pending(number)]
    return [number for number in sound if number not in waiting], waiting


def clear(store: Store) -> None:
    """Delete every generation and every object, the pointer first; needs `Store.writing`."""
    _unlink(store.folder / "current")
    sync_folder(store.folder)
    for number in store.generations():
        _unlink(store.folder / "generations" / f"{number}.json")
    sync_folder(store.folder / "generations")
    store.boot_attempts.keep([])
    store.vouchers.keep([])
    for folder in (store.objects, store.folder / "partial"):
        for path in _listed(folder):
            _unlink(path)
        if folder.exists():
            sync_folder(folder)


def check_room(store: Store, coming: Iterable[FileRef], budget_bytes: int | None) -> None:
    """Refuse a download that would fill the disk, or the store above its budget.

    Raises
    ------
    NoSpaceError
    """
    wanted = sum(ref.size for ref in coming)
    if not wanted:
        return
    try:
        free = shutil.disk_usage(store.folder).free
    except OSError as error:
        raise StorageError(
            f"{store.folder}: expected its free space, found {error.strerror}; check the disk"
        ) from error
    if wanted + RESERVE_BYTES > free:
        raise NoSpaceError(
            f"{store.folder}: expected {wanted + RESERVE_BYTES} free bytes for what is to come,"
            f" found {free}; make room, then sync again"
        )
    held = sum(path.stat().st_size for path in _listed(store.objects))
    if budget_bytes is not None and held + wanted > budget_bytes:
        raise NoSpaceError(
            f"{store.folder}: expected at most {budget_bytes} bytes of objects (--budget), found"
            f" {held} here and {wanted} to come; raise it or ask for fewer tasks with --tasks"
        )


def _files(store: Store, generation: int) -> set[str] | None:
    """SHA-256 of a generation's files, None where it is damaged: then it is none to go back to."""
    try:
        return {ref.sha256 for ref in store.manifest(generation).files().values()}
    except BundleError:
        return None


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []


def _unlink(path: Path) -> int:
    try:
        size = path.stat().st_size
        os.unlink(path)
    except OSError as error:
        raise StorageError(f"could not delete {path}: {error.strerror}; check the disk") from error
    return size
