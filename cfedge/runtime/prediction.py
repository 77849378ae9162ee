"""One answer, and how it follows from what the lookup found and what the task's head says."""

from __future__ import annotations

from math import exp, isfinite
from typing import NamedTuple

from cfedge.bundle.manifest import Task
from cfedge.errors import InputError
from cfedge.lookup import TaskMatch
from cfedge.meanings import Meanings
from cfedge.records import record

__all__ = ["Choice", "Head", "Prediction", "Strangeness", "predicted", "softmax"]

#: Fields that are there where they were asked for.
_ASKED = ("top", "coverage", "label_set")


@record(frozen=True, slots=True)
class Choice:
    """A pair of task and label, and the probability that it is right, in [0, 1]."""

    task: str
    label: str
    probability: float

    def as_dict(self, *, unknown: bool = False) -> dict[str, object]:
        """Return the fields as JSON types; of an unknown input no probability."""
        probability = None if unknown else self.probability
        return {"task": self.task, "label": self.label, "probability": probability}


@record(frozen=True, slots=True)
class Prediction:
    """One answer.

    Attributes
    ----------
    task, label
        The best candidates, also when `unknown`.
    probability
        The probability, in [0, 1], that task and label are right, if the input belongs to one of
        the tasks; with the task given, that the label is right. It says nothing of an `unknown`
        input, which is of no task: plain output leaves it out there, and JSON has null. An input
        that is known may still have a small one: then task or label is in doubt.
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
        frozen tail's features were compared too; else 1.
    unknown
        True where `ood_score` is above the task's threshold: the input belongs to no known task.
    reason
        Why it is unknown; None where it is not.
    false_reject_rate
        The share of the task's own inputs that its threshold calls unknown, in the mean.
    truncated
        The input was longer than the backbone reads; the rest was ignored.
    ms
        The wall time of the call, in milliseconds, divided by the number of its inputs.
    top
        This answer and the likeliest others, where they were asked for; else None.
    coverage, label_set
        A set of answers that holds the right one with this probability, in the mean over inputs of
        any one task; this answer is the first. Both are None where they were not asked for.
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
    false_reject_rate: float
    truncated: bool
    ms: float
    top: tuple[Choice, ...] | None = None
    coverage: float | None = None
    label_set: tuple[Choice, ...] | None = None

    def as_dict(self) -> dict[str, object]:
        """Return the fields as JSON types; of `top`, `coverage` and `label_set` those that were
        asked for, and of an unknown input no probability.
        """
        values = {name: getattr(self, name) for name in self.__slots__}
        if self.unknown:
            values["probability"] = None
        for name in _ASKED:
            if values[name] is None:
                del values[name]
            elif name != "coverage":
                values[name] = [choice.as_dict(unknown=self.unknown) for choice in values[name]]
        return values


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


def softmax(scores: list[float]) -> list[float]:
    """Return the probabilities of one input's scores [C]."""
    best = max(scores)
    powers = [exp(one - best) for one in scores]
    total = sum(powers)
    return [one / total for one in powers]


def predicted(
    row: int,
    task: Task,
    rival: Task | None,
    found: TaskMatch,
    head: Head,
    strange: Strangeness,
    meanings: Meanings,
    *,
    given: bool,
    truncated: bool,
    ms: float,
) -> Prediction:
    """Put an answer together.

    Parameters
    ----------
    row
        Position of the input, for errors.
    task, rival, found, head, strange
        The input's: its task and the runner-up, as they were found.
    meanings
        Of the tasks' labels: where the runner-up has one that means the same it does not matter
        which of the two tasks it is.
    given
        The task was.

    Raises
    ------
    InputError
        A score is NaN or infinite.
    """
    scores, early = head
    best = max(scores)
    probability = 1.0 / sum([exp(one - best) for one in scores])
    if not (probability > 0 and isfinite(strange.score)):
        raise InputError(
            f"scores of input {row}: expected finite numbers, found others; leave this input out,"
            " or where others fail too, check this machine with: cfedge bench"
        )
    unknown = strange.score > strange.threshold
    reason = None
    if unknown:
        limit = round(strange.threshold, 1) + 0.0  # nobody means -0.0
        reason = f"too unlike task {task.name!r} (score {strange.score:.1f}, limit {limit:.1f})"
    label = task.classes[scores.index(best)]
    if not (given or rival is None or _is_either(meanings, task, label, rival)):
        probability *= task.calibration.odds.of_task(found.stages, found.margin)
    return Prediction(
        task=task.name, label=label, probability=probability, score=found.score,
        margin=None if rival is None else found.margin, runner_up=rival.name if rival else None,
        distance=found.distance, ood_score=strange.score, early_exit=early, stages=found.stages,
        unknown=unknown, reason=reason, false_reject_rate=strange.rate, truncated=truncated, ms=ms,
    )  # fmt: skip


def _is_either(meanings: Meanings, task: Task, label: str, rival: Task) -> bool:
    return meanings.any and meanings.has(task.name, label, rival.name, rival.classes)
