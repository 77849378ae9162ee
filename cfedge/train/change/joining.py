"""Make one task of two without their data: `join`.

Statistics add up and held-out examples are kept with their features, so nothing is learned. Two
tasks have two adapters, so what is joined is answered in closed form, behind the frozen tail. A
task is taken apart by `cfedge.train.change.parts`.

Letters: N held-out examples.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cfedge.arguments import checked
from cfedge.counted import counted
from cfedge.errors import TaskError
from cfedge.lookup import Features
from cfedge.train.certify.routing import routed
from cfedge.train.certify.shipped import Shipped
from cfedge.train.change.update import MAX_DROP, check_drop
from cfedge.train.examples.examples import Examples, unambiguous
from cfedge.train.examples.labels import check_task
from cfedge.train.learn.finished_head import finished
from cfedge.train.learn.head import closed_form_head, no_slots
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge.train.workspace.learned_task import HeldOut, LearnedTask, TaskRecord

__all__ = ["Joined", "join"]


class Joined(NamedTuple):
    """What a join did: the task, and how many of its held-out examples got the right task and label
    before, and get them now.
    """

    task: LearnedTask
    right_before: int
    right_now: int


@checked
def join(
    workspace: WorkspaceFolder,
    name: str,
    other: str,
    new: str,
    *,
    same_labels: Collection[str] = (),
    max_drop: float = MAX_DROP,
) -> Joined:
    """Make one task of two: worth it where their inputs are taken for each other's.

    Parameters
    ----------
    name, other
        The two tasks; they are gone afterwards.
    new
        What the one is called: a new name, or that of one of them.
    same_labels
        Labels that both have and that mean the same: each becomes one class.
    max_drop
        Points of the held-out examples with the right task and label that may be lost.

    Raises
    ------
    TaskError
        There are no such two tasks, the name is taken, both have a label that is not said to mean
        the same, or the joined task answers worse; the workspace is unchanged.
    """
    check_drop(max_drop)
    if name == other:
        raise TaskError(f"task {name!r}: expected two tasks to join, found it twice; name another")
    made_of = workspace.versions(name, other)
    one, two = workspace.task(name), workspace.task(other)
    if new in workspace.tasks and new not in (name, other):
        raise TaskError(f"task name: expected one that no task has, found {new!r}; choose another")
    classes = _joint_classes(one.record, two.record, same_labels)
    check_task(new, classes)
    task, rows = _joined(one, two, new, classes, workspace.kind)
    before, now = _right_answers(workspace, (one, two), task, rows)
    count = len(task.held_out.inputs)
    if before - now > 1 and 100 * (before - now) > max_drop * count:
        raise TaskError(
            f"task {new!r}: expected a join that costs at most {max_drop:g} points, found {before}"
            f" of {counted(count, 'held-out example')} with the right task and label before and {now} after;"
            " both tasks stay: allow more with --max-drop"
        )
    workspace.exchange([task], gone={name, other}, made_of=made_of)
    return Joined(task, before, now)


def _joint_classes(one: TaskRecord, two: TaskRecord, same: Collection[str]) -> tuple[str, ...]:
    """Return the classes of both, the first task's first."""
    for label in same:
        if label not in one.classes or label not in two.classes:
            raise TaskError(
                f"--same-label: expected a label that both tasks have, found {label!r}; rename one"
                " with: cfedge rename --label"
            )
    declared = {label for label, to in (*one.same_labels.items(), *two.same_labels.items()) if label == to}  # fmt: skip
    both = [label for label in two.classes if label in one.classes]
    if apart := [label for label in both if label not in same and label not in declared]:
        raise TaskError(
            f"tasks {one.name!r} and {two.name!r}: expected labels of one task each, found"
            f" {apart[0]!r} in both; say --same-label {apart[0]} if it means the same, or rename one"
            " with: cfedge rename --label"
        )
    return (*one.classes, *(label for label in two.classes if label not in both))


def _joined(
    one: LearnedTask, two: LearnedTask, name: str, classes: Sequence[str], kind: str
) -> tuple[LearnedTask, tuple[list[int], list[int]]]:
    """Return the task of both, and which of each one's held-out examples it keeps: those whose
    input has one label.
    """
    places = [classes.index(label) for label in two.record.classes]
    frozen = [dataclasses.replace(task.statistics, adapted=task.statistics.tail) for task in (one, two)]  # fmt: skip
    statistics = frozen[0].with_more(frozen[1], places)
    evidence, rows = _evidence(one, two, classes, name, kind)
    head = closed_form_head(statistics, evidence, evidence.features.tail)
    slots = {part: array for part, array in one.adapter.items() if part[:2] in ("a.", "b.")}
    arrays = {**no_slots(slots), **head}
    settings = dataclasses.replace(one.record.settings, method="closed-form", reuse=False)
    adapter, held_out = finished(
        arrays, statistics, evidence, evidence.features.tail, settings.exit_share
    )
    record = dataclasses.replace(
        one.record,
        name=name,
        classes=tuple(classes),
        examples=one.record.examples + two.record.examples,
        settings=settings,
        transfer={},
        kept_energy=1.0,
        repeated=one.record.repeated + two.record.repeated,
        same_labels={**two.record.same_labels, **one.record.same_labels},
        reading=one.record.reading.with_more(two.record.reading),
        updates=one.record.updates + two.record.updates + 1,
        curve=(),
    )
    return LearnedTask.made(record, adapter, statistics, held_out), rows


def _evidence(
    one: LearnedTask, two: LearnedTask, classes: Sequence[str], name: str, kind: str
) -> tuple[HeldOut, tuple[list[int], list[int]]]:
    labels = [task.record.classes[place] for task in (one, two) for place in task.held_out.classes]
    inputs = (*one.held_out.inputs, *two.held_out.inputs)
    every = Examples(inputs, tuple(labels), f"task {name!r}", kind=kind)
    rows, first = unambiguous(every.take([]), every), len(one.held_out.inputs)
    features = Features(
        *(
            np.concatenate(parts)[rows]
            for parts in zip(one.held_out.features, two.held_out.features, strict=True)
        )
    )
    held_out = HeldOut(
        tuple(inputs[row] for row in rows),
        np.array([classes.index(labels[row]) for row in rows], np.int64),
        features,
        np.zeros(len(rows), np.int64),
        np.zeros(len(rows), np.float32),
        np.zeros(len(rows), np.float32),
    )
    kept = [row for row in rows if row < first], [row - first for row in rows if row >= first]
    return held_out, kept


def _right_answers(
    workspace: WorkspaceFolder,
    tasks: tuple[LearnedTask, LearnedTask],
    joined: LearnedTask,
    rows: tuple[list[int], list[int]],
) -> tuple[int, int]:
    """How many of the joined task's held-out examples get the right task and label, with two tasks
    and with one.
    """
    names = {task.record.name for task in tasks}
    rest = {name: workspace.task(name) for name in workspace.tasks if name not in names}
    before = _right({**rest, **{task.record.name: task for task in tasks}}, workspace.lookup)
    kept = (before[task.record.name][part] for task, part in zip(tasks, rows, strict=True))
    after = _right({**rest, joined.record.name: joined}, workspace.lookup)
    return sum(int(part.sum()) for part in kept), int(after[joined.record.name].sum())


def _right(tasks: Mapping[str, LearnedTask], lookup: str) -> dict[str, NDArray[np.bool_]]:
    """By task, whether each held-out example gets the right task and label, bool [N]."""
    router, found = routed(Shipped.of(tasks, lookup))
    return {
        name: (found[name].task == router.tasks.index(name))
        & (task.held_out.answers == task.held_out.classes)
        for name, task in tasks.items()
    }
