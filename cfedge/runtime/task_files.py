"""The tasks that an engine has opened: what the manifest says of each, and where its signature is.

Unpacked, signatures are five times as many bytes, so each stage of the lookup reads and unpacks
them for itself, one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from cfedge.bundle.arrays import load_arrays
from cfedge.bundle.manifest import Manifest, Task
from cfedge.errors import IncompatibleError
from cfedge.lookup.rules import RULES

__all__ = ["OpenedTask", "Signatures", "has_same_files", "shared_files"]


class OpenedTask(NamedTuple):
    """A task, and what gives the bytes of its signature: from memory, or from the disk with every
    check where they were not kept.
    """

    task: Task
    signature: Callable[[], bytes]


class Signatures(Mapping[str, Any]):
    """The signatures of tasks by name, each read when it is asked for, and each part of it unpacked
    and checked when that is.

    Parameters
    ----------
    opened
        By name.
    manifest
        Whose backbone they fit, and whose lookup they are of.
    """

    def __init__(self, opened: Mapping[str, OpenedTask], manifest: Manifest) -> None:
        self._opened, self._backbone = opened, manifest.backbone
        self._rule = RULES[manifest.lookup]

    def __getitem__(self, name: str) -> Any:
        what = f"signature of task {name!r}"
        arrays = load_arrays(self._opened[name].signature(), what)
        backbone = self._backbone
        return self._rule.stored(
            arrays, what, backbone.width, backbone.views, backbone.frozen_views
        )

    def check(self, name: str) -> None:
        """Unpack a signature whole.

        Raises
        ------
        IncompatibleError
            A part does not fit the backbone, the other part, or the task's classes.
        """
        what, task = f"signature of task {name!r}", self._opened[name].task
        found = self._rule.counted(self[name])
        if found != len(task.classes):
            raise IncompatibleError(
                f"{what}: expected one of {len(task.classes)} classes, found {found}; export the"
                " bundle again"
            )

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
