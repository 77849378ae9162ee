"""What this machine has verified: noted in the user's cache under everything that decides the
arithmetic, so that a bundle is not verified again until one of these changes.

A note counts where nobody else could have written it: its folders and itself are of this user or of
root, for nobody else to write, and no links.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from pathlib import Path

import numpy as np

from cfedge.bundle.canonical import canonical_json
from cfedge.bundle.manifest import Manifest
from cfedge.device.fingerprint import this_cpu
from cfedge.errors import StorageError
from cfedge.inputs import versions
from cfedge.runtime.session import RUNTIME_VERSION
from cfedge.storage import write_file
from cfedge.version import __version__

__all__ = ["is_verified", "note_verified"]

_NO_LINK, _NO_WAIT = getattr(os, "O_NOFOLLOW", 0), getattr(os, "O_NONBLOCK", 0)


def is_verified(manifest: Manifest, threads: int) -> bool:
    """Whether this machine is noted to have verified a bundle, by this user or by root."""
    name, content = _mark(manifest, threads)
    folder = _folder()
    if folder is None or not (_is_ours(folder.parent) and _is_ours(folder)):
        return False
    try:
        handle = os.open(folder / name, os.O_RDONLY | _NO_LINK | _NO_WAIT)
    except OSError:
        return False
    try:
        found = os.fstat(handle)
        same = found.st_size == len(content) and os.read(handle, len(content)) == content
        return _is_private(found, stat.S_IFREG) and same
    except OSError:
        return False
    finally:
        os.close(handle)


def note_verified(manifest: Manifest, threads: int) -> None:
    """Note that this machine verified a bundle; where nothing can be noted it does so every
    time.
    """
    name, content = _mark(manifest, threads)
    folder = _folder()
    if folder is None:
        return
    with contextlib.suppress(OSError, StorageError):
        folder.parent.parent.mkdir(parents=True, exist_ok=True)
        for made in (folder.parent, folder):
            made.mkdir(mode=0o700, exist_ok=True)
            if not _is_ours(made):
                return
        write_file(folder / name, content, mode=0o600)


def _mark(manifest: Manifest, threads: int) -> tuple[str, bytes]:
    """The note's name and content."""
    cpu = this_cpu()
    content = canonical_json({
        "cfedge": __version__, "bundle": manifest.digest,
        "cpu": [cpu.machine, cpu.name, *cpu.flags], "numpy": np.__version__,
        "onnxruntime": RUNTIME_VERSION, "threads": threads,
        **versions(manifest.backbone.input.kind),
    })  # fmt: skip
    return hashlib.sha256(content).hexdigest(), content


def _folder() -> Path | None:
    """Of the notes: in ``$CFEDGE_CACHE``, or in ``cfedge`` in the user's cache. None where that is
    no absolute path: what lies in the current folder is anybody's.
    """
    own = os.environ.get("CFEDGE_CACHE")
    # Path.home raises without a home
    user = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111
    cache = Path(own) if own else Path(user) / "cfedge"
    return cache / "verified" if cache.is_absolute() else None


def _is_ours(folder: Path) -> bool:
    """Whether it is a folder, no link to one, that nobody else can write to."""
    try:
        return _is_private(os.lstat(folder), stat.S_IFDIR)
    except OSError:
        return False


def _is_private(found: os.stat_result, kind: int) -> bool:
    """Whether it is of the kind, of this user or of root, and for nobody else to write."""
    if stat.S_IFMT(found.st_mode) != kind:
        return False
    if not hasattr(os, "geteuid"):  # Windows, whose user folders are the user's
        return True
    return found.st_uid in (os.geteuid(), 0) and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
