"""What a workspace's folder is written with: the digest that a task's folder is named by, and the
lock that one writer holds.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from cfedge.bundle.canonical import canonical_json
from cfedge.errors import MissingExtraError, WorkspaceError

try:
    import filelock
except ImportError as error:
    raise MissingExtraError("a workspace needs filelock: pip install 'cfedge[add]'") from error

__all__ = ["digest_of", "exclusively", "holds"]


@contextlib.contextmanager
def exclusively(folder: Path) -> Iterator[None]:
    """Hold a folder for writing.

    Raises
    ------
    WorkspaceError
        Another process holds it, or nothing can be written there.
    """
    lock = filelock.FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        raise WorkspaceError(
            f"{folder}: expected it free for writing, found another cfedge at work; try again when"
            " it ends"
        ) from error
    except OSError as error:
        raise WorkspaceError(
            f"could not write in {folder}: {error.strerror}; check the disk and rights"
        ) from error
    try:
        yield
    finally:
        lock.release()


def digest_of(parts: Mapping[str, bytes]) -> str:
    """What a task's folder ends with: 16 digits of the digest of its files."""
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in parts.items()}
    return hashlib.sha256(canonical_json(digests)).hexdigest()[:16]


def holds(folder: Path, parts: Mapping[str, bytes]) -> bool:
    """Whether a folder has exactly these files' bytes by name; what cannot be read is not there."""
    with contextlib.suppress(OSError):
        return all((folder / name).read_bytes() == data for name, data in parts.items())
    return False
