"""Change what a task is called or which classes it has, without its data: rename a task or a label,
remove a class.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cfedge.errors import TaskError
from cfedge.lookup import Features
from cfedge.train.early_exit import choose_exit
from cfedge.train.labels import check_classes, check_name
from cfedge.train.learned_task import HeldOut, LearnedTask
from cfedge.train.workspace import WorkspaceFolder

__all__ = ["lost_by", "remove_class", "rename", "rename_label"]

Floats = NDArray[np.float32]


def rename(workspace: WorkspaceFolder, name: str, new: str) -> None:
    """Give a task another name; what it answers stays.

    Raises
    ------
    TaskError
        There is no such task, or the new name is taken or malformed.
    """
    task = workspace.task(name)
    check_name(new)
    if new in workspace.tasks:
        raise TaskError(
            f"task name: expected one that no task has, found {new!r}; choose another, or remove"
            " that task first"
        )
    workspace.put(
        dataclasses.replace(task, record=dataclasses.replace(task.record, name=new)), gone=name
    )


def rename_label(workspace: WorkspaceFolder, name: str, label: str, new: str) -> None:
    """Give a label of a task another name.

    Raises
    ------
    TaskError
        The task has no such label, or has the new one too.
    """
    task = workspace.task(name)
    place = _place(task, label)
    classes = list(task.record.classes)
    classes[place] = new
    check_classes(name, classes)
    if len(set(classes)) < len(classes):
        raise TaskError(
            f"task {name!r}: expected a label that it does not have, found {new!r}; choose another"
        )
    same = {new if one == label else one: other for one, other in task.record.same_labels.items()}
    record = dataclasses.replace(task.record, classes=tuple(classes), same_labels=same)
    workspace.put(dataclasses.replace(task, record=record), replace=True)


def remove_class(workspace: WorkspaceFolder, name: str, label: str) -> None:
    """Remove a class of a task: its clusters, its part of the head, its held-out examples. The rest
    of the head stays as it is.

    Raises
    ------
    TaskError
        The task has no such label, or no other one.
    """
    task = workspace.task(name)
    place = _place(task, label)
    if len(task.record.classes) == 1:
        raise TaskError(
            f"task {name!r}: expected another class beside {label!r}, found none; remove the task"
        )
    classes = tuple(one for one in task.record.classes if one != label)
    statistics = task.statistics.without(place)
    kept = task.held_out.classes != place
    if not kept.any():
        raise TaskError(
            f"task {name!r}: expected held-out examples of another class than {label!r}, found"
            " none; learn it anew with --replace"
        )
    arrays, held_out = _without(task, place, kept)
    record = dataclasses.replace(
        task.record,
        classes=classes,
        examples=int(statistics.tail.counts.sum()),
        same_labels={one: other for one, other in task.record.same_labels.items() if one != label},
    )
    workspace.put(LearnedTask.made(record, arrays, statistics, held_out), replace=True)


def lost_by(workspace: WorkspaceFolder, name: str, counts: Mapping[str, int]) -> str | None:
    """Say what of a task is lost if it is learned anew of so many examples a class; None:
    nothing.
    """
    record = workspace.record(name)
    classes = [label for label in record.classes if label not in counts]
    held_out = len(workspace.held_out(name).inputs)
    before, after = record.examples + held_out, sum(counts.values())
    lost = []
    if classes:
        shown = ", ".join(repr(label) for label in classes[:5])
        lost.append(f"{len(classes)} of its classes ({shown}{', ...' if classes[5:] else ''})")
    if after < before:
        lost.append(f"what {before - after} of its {before} examples taught")
    return " and ".join(lost) or None


def _place(task: LearnedTask, label: str) -> int:
    if label not in task.record.classes:
        raise TaskError(
            f"task {task.record.name!r}: expected one of its labels"
            f" ({', '.join(task.record.classes)!s:.200}), found {label!r}"
        )
    return task.record.classes.index(label)


def _without(
    task: LearnedTask, place: int, kept: NDArray[np.bool_]
) -> tuple[dict[str, Floats], HeldOut]:
    """Return adapter and head without a class, and the held-out examples that are `kept`."""
    arrays = dict(task.adapter)
    for part in ("head.weight", "head.bias", "trunk.weight", "trunk.bias"):
        arrays[part] = np.delete(arrays[part], place, axis=-1)
    before = task.held_out
    features = Features(before.features.trunk[kept], before.features.tail[kept])
    classes = before.classes[kept]
    answers = before.answers[kept]
    # an example that was taken for the class that goes has the second best label now: of the
    # trunk's part, as the adapted features are not kept
    trunk = features.trunk @ arrays["trunk.weight"] + arrays["trunk.bias"]
    moved = np.where(answers == place, trunk.argmax(axis=1), answers - (answers > place))
    if arrays["trunk.bias"].shape[0] == 1:
        arrays |= choose_exit(trunk, trunk)
    held_out = HeldOut(
        tuple(text for text, keep in zip(before.inputs, kept, strict=True) if keep),
        classes - (classes > place),
        features,
        moved.astype(np.int64),
        before.top_scores[kept],
    )
    return arrays, held_out
