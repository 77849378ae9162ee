"""Write whole or not at all: files and folders appear under their name only when every byte is on
the disk.

Rules: write beside the target under a temporary name, fsync, rename, fsync the folder. An
interrupted or refused write leaves the old state and no temporary file; one that is killed leaves
the old or the new state, and a temporary one beside it. What only writers need is imported where
they need it: engines import this module too, and start sooner. `cfedge.plain_files` reads back.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from cfedge.errors import MissingExtraError, StorageError

__all__ = ["locked", "new_file", "new_folder", "remove_leftovers", "sync_folder", "write_file"]

_TEMPORARY = ".cfedge-tmp-"
#: What no room would help against.
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
_MISNAMED = errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL, errno.EISDIR, errno.ENOTDIR


def write_file(path: Path, data: bytes, *, mode: int = 0o644, durable: bool = True) -> None:
    """Replace `path` by `data` in one step, as `new_file` does."""
    with new_file(path, mode=mode, durable=durable, size_bytes=len(data)) as file:
        file.write(data)


@contextlib.contextmanager
def new_file(
    path: Path, *, mode: int = 0o644, durable: bool = True, size_bytes: int | None = None
) -> Iterator[BinaryIO]:
    """Give a file to fill; on success it becomes `path` in one step, on any error it is gone. Nobody
    but `mode` says may read it at any time. Errors name `size_bytes` where it is known.

    Where it need not be `durable`, the disk is not waited for: after a power cut it may hold
    anything, and whoever reads it must be able to tell.

    Raises
    ------
    StorageError
        The disk refused; `path` is as it was.
    """
    import tempfile

    temporary: str | None = None
    try:
        handle, temporary = tempfile.mkstemp(prefix=_TEMPORARY, dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            _let_read(temporary, mode)
            if durable:
                os.fsync(file.fileno())
        os.replace(temporary, path)
        temporary = None
    except OSError as error:
        raise _refused(path, size_bytes, error) from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
    if durable:
        _sync_name(path.parent)


@contextlib.contextmanager
def new_folder(target: Path, *, replace: bool = False, mode: int = 0o755) -> Iterator[Path]:
    """Give a temporary folder to fill; on success it becomes `target`, on any error it is gone.

    Parameters
    ----------
    target
        Must not exist, unless `replace`.
    replace
        Move an existing `target` aside and delete it once the new one is in place.

    Raises
    ------
    StorageError
        `target` exists and `replace` is false, or the disk refused.
    """
    import shutil
    import tempfile

    if os.path.lexists(target) and not replace:
        raise StorageError(
            f"{target}: expected a name that is free, found something there; choose another name or"
            " remove it"
        )
    temporary: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=_TEMPORARY, dir=target.parent))
        yield temporary
        _let_read(temporary, mode)
        for folder, _, _ in os.walk(temporary):
            sync_folder(Path(folder))
        if os.path.lexists(target):
            _swap(temporary, target)
        else:
            os.replace(temporary, target)
        _sync_name(target.parent)
    except OSError as error:
        raise _refused(target, None, error) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Be the only writer in `folder`, by its file ``lock``; readers need not know.

    Raises
    ------
    StorageError
        Another writer is at work, or the disk refused.
    """
    try:
        import filelock
    except ImportError as error:
        raise MissingExtraError(
            f"writing to {folder} needs filelock: pip install 'cfedge[sync]'"
        ) from error
    lock = filelock.FileLock(folder / "lock", timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise StorageError(
            f"{folder}: expected no other writer, found one at work; try again when it is done"
        ) from error
    except OSError as error:
        raise StorageError(
            f"could not write in {folder}: {error.strerror or error}; check the disk"
        ) from error
    try:
        yield
    finally:
        lock.release()


def remove_leftovers(folder: Path) -> None:
    """Delete what writers that were killed left in `folder`; no other writer may be at work there."""
    import shutil

    with contextlib.suppress(OSError):
        names = os.listdir(folder)  # noqa: PTH208 - of tens of thousands of files, by far the quickest
        for path in [folder / name for name in names if name.startswith(_TEMPORARY)]:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()


def _let_read(path: str | Path, mode: int) -> None:
    """Say who may read it, where the file system knows of that: some sticks' and phones' do not."""
    try:
        os.chmod(path, mode)
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.ENOTSUP):
            raise


def _swap(new: Path, target: Path) -> None:
    """Put `new` in the place of `target`, or leave `target`; where it cannot be moved back, it is
    kept and named.

    In one step where the system has one; otherwise there is no `target` for an instant, and a
    process that is killed then leaves it in a temporary folder beside.
    """
    import shutil
    import tempfile

    if _exchanged(new, target):
        return  # what was there is `new` now, which goes with the temporary folder
    aside = Path(tempfile.mkdtemp(prefix=_TEMPORARY, dir=target.parent)) / "old"
    try:
        os.replace(target, aside)
        os.replace(new, target)
    finally:
        if os.path.lexists(aside) and not os.path.lexists(target):
            try:
                os.replace(aside, target)
            except OSError as error:
                raise StorageError(
                    f"could not move {target} back: {error.strerror or error}; it is whole in"
                    f" {aside}: move it back"
                ) from error
        shutil.rmtree(aside.parent, ignore_errors=True)


def _exchanged(one: Path, other: Path) -> bool:
    """Let two folders take each other's name in one step, if the system can: Linux and macOS, on
    most file systems.
    """
    if other.is_symlink() or not other.is_dir():
        return False  # the temporary name would be left to what is no folder to delete
    name, flags, flag = (
        ("renamex_np", (), 2) if sys.platform == "darwin" else ("renameat2", (-100,), 2)
    )
    try:
        call = getattr(ctypes.CDLL(None), name)
        return not call(*flags, os.fsencode(one), *flags, os.fsencode(other), flag)
    except (AttributeError, TypeError, OSError):  # Windows, or a C library without it
        return False


def _sync_name(folder: Path) -> None:
    """Make a rename durable as far as the disk allows; it is done, so a refusal is no failure."""
    with contextlib.suppress(OSError):
        sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable (nothing to do where folders cannot be opened)."""
    if os.name != "nt":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _refused(path: Path, size_bytes: int | None, error: OSError) -> StorageError:
    import shutil

    wanted = f"write {size_bytes} bytes to {path}" if size_bytes is not None else f"write {path}"
    reason = error.strerror or str(error)
    if error.errno in _FORBIDDEN:
        advice = "get the right to write there, or choose another place"
    elif error.errno in _MISNAMED:
        advice = "choose another name"
    else:
        advice = "make room or choose another place"
        try:
            reason += f" ({shutil.disk_usage(path.parent).free} bytes are free)"
        except OSError:
            reason += " (the folder cannot be read)"
    return StorageError(f"could not {wanted}: {reason}; nothing was changed there: {advice}")
