"""One head over all tasks of an order: learned of all classes together, the ceiling that is not
continual, or task after task, which forgets.

Letters: B rows, T tasks.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from cfedge.runtime.adapter import Adapter
from cfedge.study.order import Floats, LearnedOrder, int8_bytes
from cfedge.study.results import Measured
from cfedge.study.scoring import Step, best_two, score
from cfedge.study.sequential import in_sequence
from cfedge.train.examples.examples import Examples
from cfedge.train.settings import Settings
from cfedge.train.teach import learn
from cfedge.train.workspace.folder import WorkspaceFolder

__all__ = ["joint", "sequential"]


def joint(learned: LearnedOrder, workspace: WorkspaceFolder, settings: Settings) -> Measured:
    """Learn all classes as one task in `workspace`, which holds none: the ceiling that is not
    continual.
    """

    def together(split: str) -> Examples:
        parts: list[Examples] = [getattr(learned.stream[name], split) for name in learned.order]
        return Examples(
            tuple(value for part in parts for value in part.inputs),
            tuple(label for part in parts for label in part.labels),
            split,
        )

    start = time.perf_counter()
    task = learn(workspace, "joint", together("train"), together("held_out"), settings=settings)
    seconds = time.perf_counter() - start
    position = {label: index for index, label in enumerate(task.record.classes)}
    columns = [
        [position[label] for label in learned.workspace.record(name).classes]
        for name in learned.order
    ]
    step, second = _one_head(learned, Adapter.from_arrays(task.adapter), columns)
    bytes_of = (*int8_bytes(task.adapter), 0)
    return score(learned, "joint", [step], second, passes=1.0, bytes_of=bytes_of, seconds=seconds)


def sequential(learned: LearnedOrder, settings: Settings) -> Measured:
    """Learn the tasks one after another with one adapter and one head: what forgets."""

    def tasks() -> Iterator[tuple[list[Floats], NDArray[np.int64]]]:
        for name in learned.order:
            train = learned.stream[name].train
            yield (
                [states[0] for states in learned.encoder(train.inputs).hidden],
                learned.classes_of(name, train),
            )

    start = time.perf_counter()
    adapters = list(in_sequence(learned.workspace, tasks(), settings))
    seconds = time.perf_counter() - start
    steps, columns = [], []
    known = 0
    for name, adapter in zip(learned.order, adapters, strict=True):
        new = len(learned.workspace.record(name).classes)
        columns.append(list(range(known, known + new)))
        known += new
        step, second = _one_head(learned, adapter, columns)
        steps.append(step)
    bytes_of = (
        sum(array.size for array in adapter.slots.values()),
        adapter.weight.size + adapter.bias.size,
        0,
    )
    return score(
        learned, "sequential", steps, second, passes=1.0, bytes_of=bytes_of, seconds=seconds
    )


def _one_head(
    learned: LearnedOrder, adapter: Adapter, columns: list[list[int]]
) -> tuple[Step, NDArray[np.int64]]:
    """Answer with one head over several tasks: (task, class in the task), and the second best
    task.

    `columns` are the head's of each task's classes, for the first tasks of the order.
    """
    features = np.stack(learned.encoder.adapted(learned.encoded, adapter))
    every = adapter.scores(adapter.adapted(features), adapter.trunk(learned.test.trunk))
    scores = [every[:, places] for places in columns]
    best, second = best_two(np.stack([of_task.max(axis=1) for of_task in scores], axis=1))
    label = np.stack([of_task.argmax(axis=1) for of_task in scores], axis=1)[
        np.arange(len(best)), best
    ]
    owner = np.array([learned.names.index(name) for name in learned.order[: len(columns)]])
    return (owner[best], label), owner[second]
