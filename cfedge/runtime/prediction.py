"""One answer, and how it follows from what the lookup found and what the task's head says."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, isfinite
from typing import NamedTuple

from cfedge.bundle.manifest import Task
from cfedge.errors import InputError
from cfedge.lookup import TaskMatch
from cfedge.lookup.finder import Finder

__all__ = ["Head", "Prediction", "Strangeness", "predicted"]


@dataclass(frozen=True, slots=True)
class Prediction:
    """One answer.

    Attributes
    ----------
    task, label
        The best candidates, also when `unknown`.
    probability
        Of `label` among the task's classes, in [0, 1]: softmax of the task's head. Of an `unknown`
        input it says nothing, as that is of no task; plain output leaves it out.
    score
        The task's best cluster score (`cfedge.lookup`).
    margin
        `score` minus the runner-up's, in nats; below 0 only where the task was given and another
        one fits better. None where there is one task only.
    runner_up
        The best other task, None where there is one task only.
    distance
        Relative Mahalanobis distance to the task's nearest cluster, behind the trunk.
    ood_score
        How little the input looks like the task's (`cfedge.lookup.ood`), in standard deviations of
        held-out inputs.
    early_exit
        The tail was not run with the task's adapter: the trunk's part of the head was sure.
    stages
        How often the lookup looked: 2 where the margin was thin, 3 where it still was and the
        frozen tail was run; else 1.
    unknown
        True where `ood_score` is above the task's threshold: belongs to no known task.
    reason
        Why it is unknown; None where it is not.
    truncated
        The input was longer than the backbone reads; the rest was ignored.
    ms
        Wall time of the call divided by its inputs.
    """

    task: str
    label: str
    probability: float
    score: float
    margin: float | None
    runner_up: str | None
    distance: float
    ood_score: float
    early_exit: bool
    stages: int
    unknown: bool
    reason: str | None
    truncated: bool
    ms: float

    def as_dict(self) -> dict[str, object]:
        """Return the fields as JSON types."""
        return {name: getattr(self, name) for name in self.__slots__}


class Head(NamedTuple):
    """What the head of a row's task says: scores [C], by the trunk's part alone where `early`."""

    scores: list[float]
    early: bool


class Strangeness(NamedTuple):
    """A row's out-of-distribution score, and the limit of its task
    (`cfedge.runtime.false_reject`).
    """

    score: float
    rate: float
    threshold: float


def predicted(
    row: int,
    task: Task,
    found: TaskMatch,
    head: Head,
    router: Finder,
    strange: Strangeness,
    *,
    truncated: bool,
    ms: float,
) -> Prediction:
    """Put an answer together.

    Parameters
    ----------
    row
        Position of the input, for errors.
    task, found, head, strange
        The input's, as `router` found it.

    Raises
    ------
    InputError
        A score is NaN or infinite.
    """
    scores, early = head
    _, rival, score, margin, distance, stages = found
    apart, runner_up = (None, None) if rival < 0 else (margin, router.tasks[rival])
    best = max(scores)
    probability = 1.0 / sum([exp(one - best) for one in scores])
    if not (probability > 0 and isfinite(strange.score)):
        raise InputError(
            f"scores of input {row}: expected finite numbers, found others; check this machine"
            " with: cfedge bench"
        )
    unknown = strange.score > strange.threshold
    reason = None
    if unknown:
        reason = (
            f"too unlike task {task.name!r} (score {strange.score:.1f}, limit"
            f" {strange.threshold:.1f})"
        )
    label = task.classes[scores.index(best)]
    return Prediction(
        task=task.name, label=label, probability=probability, score=score, margin=apart,
        runner_up=runner_up, distance=distance, ood_score=strange.score, early_exit=early, stages=stages,
        unknown=unknown, reason=reason, truncated=truncated, ms=ms,
    )  # fmt: skip
