"""Change what a task is called or which classes it has, without its data: rename a task or a label,
remove a class.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from cfedge.counted import counted
from cfedge.errors import TaskError
from cfedge.meanings import Meanings
from cfedge.train.change.parts import part_of
from cfedge.train.examples.labels import check_classes, check_name
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge.train.workspace.learned_task import LearnedTask

__all__ = ["lost_by", "remove_class", "rename", "rename_label"]


def rename(workspace: WorkspaceFolder, name: str, new: str) -> None:
    """Give a task another name; what it answers stays.

    Raises
    ------
    TaskError
        There is no such task, or the new name is taken or malformed.
    """
    made_of, task = workspace.versions(name), workspace.task(name)
    check_name(new)
    if new == name:
        raise TaskError(
            f"task name: expected another than {name!r}, found the same; choose another"
        )
    if new in workspace.tasks:
        raise TaskError(
            f"task name: expected one that no task has, found {new!r}; choose another, or remove"
            " that task first"
        )
    renamed = dataclasses.replace(task, record=dataclasses.replace(task.record, name=new))
    workspace.exchange([renamed], {name}, made_of=made_of)


def rename_label(workspace: WorkspaceFolder, name: str, label: str, new: str) -> None:
    """Give a label of a task another name; where it means the same as other tasks' labels, it still
    does.

    Raises
    ------
    TaskError
        The task has no such label, or has the new one too.
    """
    made_of, task, new = workspace.versions(name), workspace.task(name), new.strip()
    place = _place(task, label)
    classes = list(task.record.classes)
    classes[place] = new
    check_classes(name, classes)
    if len(set(classes)) < len(classes):
        raise TaskError(
            f"task {name!r}: expected a label that it does not have, found {new!r}; choose another"
        )
    declared = {other: workspace.record(other).same_labels for other in workspace.tasks}
    shared_by, meaning = Meanings(declared).of(name, label)
    same = {one: other for one, other in task.record.same_labels.items() if one != label}
    if shared_by is None:
        same[new] = meaning
    record = dataclasses.replace(task.record, classes=tuple(classes), same_labels=same)
    workspace.put(dataclasses.replace(task, record=record), replace=True, made_of=made_of)


def remove_class(workspace: WorkspaceFolder, name: str, label: str) -> None:
    """Remove a class of a task: its clusters, its part of the head, its held-out examples. The rest
    of the head stays, but for its temperature, which is chosen anew, and the shapes of its classes.

    Raises
    ------
    TaskError
        The task has no such label, no other one, or no held-out example of another.
    """
    made_of, task = workspace.versions(name), workspace.task(name)
    place = _place(task, label)
    if len(task.record.classes) == 1:
        raise TaskError(
            f"task {name!r}: expected another class beside {label!r}, found none; remove the task"
        )
    stay = [one for one in range(len(task.record.classes)) if one != place]
    left = part_of(task, stay, name, workspace.encoder())
    workspace.put(left, replace=True, made_of=made_of)


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
        lost.append(f"what {before - after} of its {counted(before, 'example')} taught")
    return " and ".join(lost) or None


def _place(task: LearnedTask, label: str) -> int:
    if label not in task.record.classes:
        raise TaskError(
            f"task {task.record.name!r}: expected one of its labels"
            f" ({', '.join(task.record.classes)!s:.200}), found {label!r}; name one of"
            " them"
        )
    return task.record.classes.index(label)
