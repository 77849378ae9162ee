"""The tasks that an engine has opened: what the manifest says of each, and its signature's bytes.

Unpacked, signatures are five times as many bytes, so each stage of the lookup unpacks them for
itself, one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from cfedge.bundle.arrays import load_arrays
from cfedge.bundle.manifest import Backbone, Manifest, Task
from cfedge.errors import IncompatibleError
from cfedge.lookup import TaskSignature

__all__ = ["OpenedTask", "Signatures", "has_same_files", "shared_files"]


class OpenedTask(NamedTuple):
    """A task and the bytes of its signature."""

    task: Task
    signature: bytes


class Signatures(Mapping[str, TaskSignature]):
    """The signatures of tasks by name, each unpacked and checked when it is asked for.

    Parameters
    ----------
    opened
        By name.
    backbone
        That they fit.
    """

    def __init__(self, opened: Mapping[str, OpenedTask], backbone: Backbone) -> None:
        self._opened, self._backbone = opened, backbone

    def __getitem__(self, name: str) -> TaskSignature:
        task, data = self._opened[name]
        what = f"signature of task {name!r}"
        signature = TaskSignature.from_arrays(
            load_arrays(data, what), what, self._backbone.width, self._backbone.views
        )
        if len(signature.tail.counts) != len(task.classes):
            raise IncompatibleError(
                f"{what}: expected one of {len(task.classes)} classes, found"
                f" {len(signature.tail.counts)}; export the bundle again"
            )
        return signature

    def __iter__(self) -> Iterator[str]:
        return iter(self._opened)

    def __len__(self) -> int:
        return len(self._opened)


def has_same_files(task: Task, other: Task) -> bool:
    """Whether two tasks' files, and what they must fit, are the same."""
    return (task.adapter, task.signature, task.classes, task.rank) == (
        other.adapter,
        other.signature,
        other.classes,
        other.rank,
    )


def shared_files(manifest: Manifest, before: Manifest) -> set[str]:
    """Return SHA-256 of the files that an engine of `manifest` takes over from one of `before`."""
    if manifest.backbone != before.backbone:
        return set()
    known = {task.name: task for task in before.tasks}
    same = {ref.sha256 for ref in manifest.backbone.files().values()}
    needed: set[str] = set()  # also where a task under another name has the very same file
    for task in manifest.tasks:
        files = {task.adapter.sha256, task.signature.sha256}
        if task.name in known and has_same_files(known[task.name], task):
            same |= files
        else:
            needed |= files
    return same - needed
