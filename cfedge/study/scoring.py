"""What a model answered after each task of an order, scored: accuracy, forgetting, confusion.

Letters: B test examples, T tasks.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cfedge.study.order import LearnedOrder
from cfedge.study.results import Measured
from cfedge.train.measures.metrics import backward_transfer, confusion, forgetting

__all__ = ["Step", "best_two", "score"]

#: Answers to all test examples after a task was learned: tasks int64 [B], by position in the order
#: of the names, and classes int64 [B] of these tasks.
Step = tuple[NDArray[np.int64], NDArray[np.int64]]


def score(
    learned: LearnedOrder,
    model: str,
    steps: list[Step],
    runner_up: NDArray[np.int64],
    *,
    passes: float,
    bytes_of: tuple[int, int, int],
    seconds: float,
) -> Measured:
    """Score (task, class) answers of all test examples after each task; those of tasks not yet
    learned do not count.

    One step alone is a model that learned everything at once. `runner_up` is the second best
    task after the last step; `bytes_of` are those of adapter, head and statistics.
    """
    task, label = steps[-1]
    right = (task == learned.truth) & (label == learned.label)
    matrix = np.full((1, 1), right.mean())
    incremental = [float(right.mean())]
    if len(steps) > 1:
        matrix = np.stack(
            [
                learned.by_task((step[0] == learned.truth) & (step[1] == learned.label))
                for step in steps
            ]
        )
        matrix = np.tril(matrix)
        sizes = np.array([len(learned.stream[name].test) for name in learned.order])
        incremental = [
            float(np.average(matrix[step, : step + 1], weights=sizes[: step + 1]))
            for step in range(len(steps))
        ]
    return Measured(
        model=model,
        accuracy=float(right.mean()),
        task_mean=float(learned.by_task(right).mean()),
        task_identification=float((task == learned.truth).mean()),
        top2=float(((task == learned.truth) | (runner_up == learned.truth)).mean()),
        forgetting=forgetting(matrix),
        backward_transfer=backward_transfer(matrix),
        average_incremental=float(np.mean(incremental)),
        passes=passes,
        task_bytes=sum(bytes_of),
        head_bytes=bytes_of[1],
        statistics_bytes=bytes_of[2],
        seconds=seconds,
        matrix=matrix.tolist(),
        confusion=confusion(learned.truth, task, len(learned.names)).tolist(),
    )


def best_two(scores: NDArray[np.floating]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the best and the second best column of scores [B, T]; the second is the first where
    there is one only.
    """
    ordered = np.argsort(-scores, axis=1, kind="stable").astype(np.int64)
    return ordered[:, 0], ordered[:, min(1, scores.shape[1] - 1)]
