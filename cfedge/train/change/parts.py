"""Make two tasks of one without its data: `split`; and a task of some of its classes: `part_of`.

Statistics come apart by class and held-out examples are kept with their features, so nothing is
learned. A part keeps the adapter and its columns of what was trained: with the task given it chooses
among its own classes as before, but that what is in closed form is made anew, of fewer examples
(`cfedge.train.learn.closed_part`). Its temperature is chosen anew, on its held-out examples. Two
tasks are made one by `cfedge.train.change.joining`.

Letters: N held-out examples, C classes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence

import numpy as np

from cfedge.errors import TaskError
from cfedge.lookup import Features
from cfedge.runtime.adapter import Adapter
from cfedge.runtime.encoder import Encoder
from cfedge.train.learn.finished_head import finished
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge.train.workspace.learned_task import HeldOut, LearnedTask

__all__ = ["part_of", "split"]


def split(
    workspace: WorkspaceFolder, name: str, new: str, labels: Collection[str]
) -> tuple[LearnedTask, LearnedTask]:
    """Give some classes of a task to a new one; both have the adapter and the head of before,
    but for its temperature, which each part has of its own.

    Parameters
    ----------
    new
        The new task's name.
    labels
        The classes that it takes with it.

    Returns
    -------
    tuple of LearnedTask
        What stays, and what is new.

    Raises
    ------
    TaskError
        The task has no such class, none would stay, a part has no held-out example, or the name is
        taken; the workspace is unchanged.
    """
    made_of, task = workspace.versions(name), workspace.task(name)
    if new in workspace.tasks:
        raise TaskError(f"task name: expected one that no task has, found {new!r}; choose another")
    workspace.check_new(new, tuple(labels), replace=False)
    classes = task.record.classes
    if unheard := sorted(set(labels) - set(classes)):
        raise TaskError(
            f"task {name!r}: expected one of its labels ({', '.join(classes)!s:.200}), found"
            f" {unheard[0]!r}; name one of them"
        )
    if set(labels) == set(classes):
        raise TaskError(
            f"task {name!r}: expected a class that stays in it, found that all leave; rename it"
            f" with: cfedge rename {name} {new}"
        )
    leave = [place for place, label in enumerate(classes) if label in set(labels)]
    stay = [place for place in range(len(classes)) if place not in leave]
    encoder = workspace.encoder()
    parts = part_of(task, stay, name, encoder), part_of(task, leave, new, encoder)
    workspace.exchange(parts, gone={name}, made_of=made_of)
    return parts


def part_of(task: LearnedTask, places: Sequence[int], name: str, encoder: Encoder) -> LearnedTask:
    """Return a task of some classes of another, by their places, ascending: their clusters, their
    columns of the head, their held-out examples.

    Raises
    ------
    TaskError
        None of these classes has a held-out example.
    """
    classes = tuple(task.record.classes[place] for place in places)
    kept = np.flatnonzero(np.isin(task.held_out.classes, places))
    if not len(kept):
        raise TaskError(
            f"task {name!r}: expected held-out examples of its classes ({', '.join(classes)!s:.120}),"
            " found none, so that nothing could be certified; learn it anew"
        )
    arrays = dict(task.adapter)
    for part in ("base.weight", "base.bias"):
        arrays[part] = np.take(arrays[part], places, axis=-1)
    before, whole = task.held_out, Adapter.from_arrays(task.adapter)
    inputs = tuple(before.inputs[row] for row in kept)
    behind = np.stack(encoder.adapted(encoder(inputs), whole))
    evidence = HeldOut(
        inputs,
        np.searchsorted(places, before.classes[kept]).astype(np.int64),
        Features(*(one[kept] for one in before.features)),
        before.answers[kept],
        before.confidences[kept],
        before.likelihoods[kept],
    )
    statistics, exit_share = task.statistics.taken(places), task.record.settings.exit_share
    arrays, held_out = finished(arrays, statistics, evidence, behind, exit_share)
    record = dataclasses.replace(
        task.record,
        name=name,
        classes=classes,
        examples=int(statistics.tail.counts.sum()),
        same_labels={one: to for one, to in task.record.same_labels.items() if one in classes},
    )
    return LearnedTask.made(record, arrays, statistics, held_out)
