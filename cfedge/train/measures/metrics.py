"""What continual learning is judged by, per sample, always.

With a[j, i] the accuracy on task i after learning task j (0-based, T tasks): last accuracy mean_i
a[T-1, i], forgetting mean_{i < T-1} (max_j a[j, i] - a[T-1, i]), backward transfer mean_{i < T-1}
(a[T-1, i] - a[i, i]). Identity with per-task heads: R + known - 1 <= accuracy <= min(R, known).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cfedge.errors import UsageError
from cfedge.meanings import Meanings
from cfedge.runtime.prediction import Prediction
from cfedge.train.examples.examples import Examples
from cfedge.train.measures.calibration_error import calibration_error
from cfedge.train.measures.open_set import OpenSet, open_set

__all__ = [
    "Predicts",
    "Scores",
    "TaskScores",
    "backward_transfer",
    "confusion",
    "evaluate",
    "forgetting",
    "score",
]


@dataclass(frozen=True)
class TaskScores:
    """Shares in [0, 1] on one task's test examples.

    `accuracy`: task and label right; `task_identification`: task right; `known`: label right
    with the task given; `called_unknown`: answered with `unknown`. `learned_from` counts the
    examples that the task was learned from: of them these shares look better than of new ones.
    """

    task: str
    examples: int
    accuracy: float
    task_identification: float
    known: float
    called_unknown: float
    learned_from: int = 0


@dataclass(frozen=True)
class Scores:
    """All tasks: `accuracy`, `task_identification` and `known` over the pooled examples,
    `task_mean` the mean over tasks; `top2` is the share whose task is the best or the second best;
    `confusion` [T, T + 1] counts inputs by true task (rows, as in `tasks`) and task found, the last
    column for tasks that no examples were given of; `second_stages` is the share of answers that
    took two stages or three, `third_stages` of those that took three and one more run of the frozen
    tail, `early_exits` of those that took no run of the adapted one; `calibration_error` is the expected
    error of the probabilities of answers that state one, which is those that are not called unknown
    (`cfedge.train.measures.calibration_error`; None where all are); `unknown` is None where no inputs
    of no task were given.
    """

    tasks: list[TaskScores]
    accuracy: float
    task_mean: float
    task_identification: float
    known: float
    top2: float
    confusion: list[list[int]]
    second_stages: float
    third_stages: float
    early_exits: float
    calibration_error: float | None
    unknown: OpenSet | None = None


class Predicts(Protocol):
    """What answers: an `Engine`, or what others answered (`cfedge.train.jobs.answering`)."""

    def predict(self, inputs: Sequence[Any], *, task: str | None = None) -> list[Prediction]:
        """Answer each input."""
        ...


def evaluate(
    engine: Predicts,
    data: Mapping[str, Examples],
    out_of_domain: Sequence[str] = (),
    meanings: Meanings | None = None,
) -> Scores:
    """Answer every test example with the task unknown, and again with the task given; and inputs of
    no task, if any. Labels that mean the same by `meanings` count as one.
    """
    return score(
        {name: examples.labels for name, examples in data.items()},
        {name: engine.predict(examples.inputs) for name, examples in data.items()},
        {name: engine.predict(examples.inputs, task=name) for name, examples in data.items()},
        engine.predict(out_of_domain),
        meanings=meanings,
    )


def score(
    labels: Mapping[str, Sequence[str]],
    answers: Mapping[str, Sequence[Prediction]],
    known: Mapping[str, Sequence[Prediction]],
    out_of_domain: Sequence[Prediction] = (),
    *,
    meanings: Meanings | None = None,
) -> Scores:
    """Score answers given by task name: true labels, free answers, and answers with the task given;
    and answers to out_of_domain. Labels that mean the same by `meanings` count as one.

    Raises
    ------
    UsageError
        A task, or everything, has no examples.
    """
    if not labels or not all(labels.values()):
        empty = next((repr(name) for name, truth in labels.items() if not truth), "any task")
        raise UsageError(
            f"score: expected test examples of {empty}, found none; give some or leave the task out"
        )
    same = (meanings or Meanings({})).same
    rows = [
        _task_scores(name, truth, answers[name], known[name], same)
        for name, truth in labels.items()
    ]
    weights = np.array([row.examples for row in rows], np.float64)
    pooled = {
        key: float(np.average([getattr(row, key) for row in rows], weights=weights))
        for key in ("accuracy", "task_identification", "known")
    }
    every = [one for name in labels for one in answers[name]]
    right = [
        same(one.task, one.label, name, label)
        for name, truth in labels.items()
        for one, label in zip(answers[name], truth, strict=True)
    ]
    position = {name: index for index, name in enumerate(labels)}
    truth = np.repeat(np.arange(len(rows)), [row.examples for row in rows])
    matched = np.array([position.get(one.task, len(rows)) for one in every], np.int64)
    return Scores(
        rows,
        **pooled,
        task_mean=float(np.mean([row.accuracy for row in rows])),
        top2=_share(name in (one.task, one.runner_up) for name in labels for one in answers[name]),
        confusion=confusion(truth, matched, len(rows) + 1)[: len(rows)].tolist(),
        second_stages=_share(one.stages >= 2 for one in every),
        third_stages=_share(one.stages == 3 for one in every),
        early_exits=_share(one.early_exit for one in every),
        calibration_error=_wrong_by(every, right),
        unknown=open_set(labels, answers, out_of_domain) if out_of_domain else None,
    )


def _wrong_by(answers: Sequence[Prediction], right: Sequence[bool]) -> float | None:
    known = [(one.probability, true) for one, true in zip(answers, right, strict=True)
             if not one.unknown]  # fmt: skip
    if not known:
        return None
    probabilities, came = zip(*known, strict=True)
    return calibration_error(probabilities, came)


def _task_scores(
    name: str,
    labels: Sequence[str],
    free: Sequence[Prediction],
    given: Sequence[Prediction],
    same: Callable[[str, str, str, str], bool],
) -> TaskScores:
    """Score one task's answers, and those with the task given."""
    return TaskScores(
        task=name,
        examples=len(labels),
        accuracy=_share(
            same(one.task, one.label, name, label) for one, label in zip(free, labels, strict=True)
        ),
        task_identification=_share(one.task == name for one in free),
        known=_share(one.label == label for one, label in zip(given, labels, strict=True)),
        called_unknown=_share(one.unknown for one in free),
    )


def forgetting(matrix: NDArray[np.float64]) -> float:
    """Return mean_{i < T-1} (max_j a[j, i] - a[T-1, i]) of a lower-triangular matrix [T, T]; 0 for
    one task.
    """
    if len(matrix) < 2:
        return 0.0
    past = [float(matrix[task:, task].max() - matrix[-1, task]) for task in range(len(matrix) - 1)]
    return float(np.mean(past))


def backward_transfer(matrix: NDArray[np.float64]) -> float:
    """Return mean_{i < T-1} (a[T-1, i] - a[i, i]) of a lower-triangular matrix [T, T] (Lopez-Paz
    and Ranzato 2017); 0 for one task.
    """
    return float((matrix[-1, :-1] - np.diag(matrix)[:-1]).mean()) if len(matrix) > 1 else 0.0


def confusion(truth: NDArray[np.int64], found: NDArray[np.int64], tasks: int) -> NDArray[np.int64]:
    """Count inputs by true task (rows) and task found (columns): int64 [T, T] of positions in
    0..T-1.
    """
    counts: NDArray[np.int64] = np.bincount(truth * tasks + found, minlength=tasks * tasks).reshape(
        tasks, tasks
    )
    return counts


def _share(values: object) -> float:
    return float(np.mean(list(values)))  # type: ignore[call-overload]
