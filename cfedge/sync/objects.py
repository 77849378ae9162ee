"""Which files of a manifest a store holds, and how the others come."""

from __future__ import annotations

import contextlib

from cfedge.bundle.fileref import FileRef
from cfedge.bundle.manifest import Manifest
from cfedge.errors import BundleError, NoSpaceError, StorageError
from cfedge.plain_files import NotPlainError
from cfedge.progress import Progress
from cfedge.storage import sync_folder
from cfedge.store import Pointer, Store
from cfedge.store.space import check_room, collect
from cfedge.sync.fetch import Fetcher
from cfedge.sync.sinks import digest_of

__all__ = ["fetch", "installed_in", "missing_of"]


def installed_in(store: Store) -> Pointer | None:
    """Return the pointer; None where there is none, or where it or its generation is damaged: this sync
    then puts it right.
    """
    try:
        pointer = store.pointer()
        if (
            pointer is None
            or digest_of(store.folder / "generations" / f"{pointer.generation}.json")
            == pointer.manifest
        ):
            return pointer
    except (BundleError, FileNotFoundError):
        pass
    return None


def missing_of(store: Store, manifest: Manifest) -> dict[str, FileRef]:
    """Return the files of a manifest that are not here whole, by role; a damaged one is deleted."""
    missing: dict[str, FileRef] = {}
    seen: set[str] = set()
    for role, ref in manifest.files().items():
        path = store.objects / ref.sha256
        if ref.sha256 in seen:
            continue
        seen.add(ref.sha256)
        try:
            whole = path.stat().st_size == ref.size and digest_of(path) == ref.sha256
            if not whole:
                path.unlink()
        except FileNotFoundError:
            whole = False
        except NotPlainError:
            path.unlink()
            whole = False
        except OSError as error:
            raise StorageError(
                f"could not read {path} ({role}): {error.strerror}; check the disk"
            ) from error
        if not whole:
            missing[role] = ref
    return missing


def fetch(
    store: Store,
    fetcher: Fetcher,
    manifest: Manifest,
    missing: dict[str, FileRef],
    budget_bytes: int | None,
    progress: Progress,
) -> None:
    """Fetch the `missing` files of a manifest, where there is room for them.

    Raises
    ------
    NoSpaceError, OfflineError, TamperedError, StorageError
        Files that came whole stay.
    """
    try:
        check_room(store, missing.values(), budget_bytes)
    except NoSpaceError:
        with contextlib.suppress(BundleError):  # a damaged pointer, which this sync puts right
            collect(store, keep=[ref.sha256 for ref in manifest.files().values()], scarce=True)
        check_room(store, missing.values(), budget_bytes)
    pointer = installed_in(store)
    before = store.manifest(pointer.generation).files() if pointer else {}
    if missing:
        with progress.track("fetching", sum(ref.size for ref in missing.values())) as advance:
            for role, ref in missing.items():
                like = store.objects / before[role].sha256 if role in before else None
                fetcher.into(
                    store.objects / ref.sha256,
                    role,
                    ref,
                    advance,
                    like if like and like.exists() else None,
                )
    sync_folder(store.objects)
