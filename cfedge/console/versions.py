"""Which version of each task a workspace has, and how it is given those of another one."""

from __future__ import annotations

import hashlib
from pathlib import Path

__all__ = ["bring", "index_of", "versions_of"]


def index_of(workspace: Path) -> str:
    """Return the digest of a workspace's index: which tasks it has, each in which version."""
    from cfedge.train.workspace.files import index_bytes

    return hashlib.sha256(index_bytes(workspace)[0]).hexdigest()


def bring(workspace: Path, source: Path) -> None:
    """Give a workspace the tasks of another one on the same backbone, each in its version.

    Raises
    ------
    CfedgeError
        The disk refused, or another process holds it.
    """
    from cfedge.train.workspace.folder import WorkspaceFolder

    target, wanted = WorkspaceFolder(workspace), WorkspaceFolder(source)
    have, want = versions_of(workspace), versions_of(source)
    for name in wanted.tasks:
        if have.get(name) != want[name]:
            target.put(wanted.task(name), replace=True)
    for name in set(target.tasks) - set(wanted.tasks):
        target.remove(name)


def versions_of(workspace: Path) -> dict[str, str]:
    """Return the folder of each of a workspace's tasks, named by its content."""
    from cfedge.train.workspace.files import index_bytes
    from cfedge.train.workspace.index import Index

    return dict(Index.parsed(*index_bytes(workspace)).tasks)
