"""What a study measured: models and ceilings, one result a model and order, and which model to
recommend.

Letters: T tasks.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from cfedge.lookups import DEFAULT, LOOKUPS
from cfedge.train.measures.open_set import OpenSet
from cfedge.train.settings import Settings

__all__ = [
    "CEILINGS",
    "FLOORS",
    "MODELS",
    "Measured",
    "SHIPPED",
    "Study",
    "most_accurate",
    "recommended",
    "summary",
]

#: Models that can be shipped: name -> lookup, and whether its tasks have adapters. Their labels are
#: those of the tasks' own heads.
SHIPPED = {
    **{f"{name}+heads": (name, False) for name in LOOKUPS},
    **{f"{name}+adapters": (name, True) for name in LOOKUPS if name != DEFAULT},
    "cfedge": (DEFAULT, True),
}
#: Every model, with what it does.
MODELS = {
    **{
        model: f"--lookup {lookup}, {'tasks with adapters' if adapters else 'heads alone'}"
        for model, (lookup, adapters) in SHIPPED.items()
        if model != "cfedge"
    },
    "nearest-mean frozen": "class means of the whole frozen encoder; nothing is trained",
    "LDA frozen": "class clusters of the whole frozen encoder; nothing is trained",
    "random-features frozen": (
        "RanPAC: ridge on random features of the whole frozen encoder; nothing is trained"
    ),
    "nearest-mean": "task of the nearest class mean behind the trunk, then its adapter",
    "k-means": (
        "task of the nearest k-means centroid behind the trunk (S-Prompts), then its adapter"
    ),
    "epi": "task of the nearest class by one unshrunk covariance (EPI), then its adapter",
    "class-clusters": "class clusters behind the trunk, one shrunk covariance, then its adapter",
    "cfedge": (
        "the same, looking closer where margins are thin, and behind the frozen tail where they"
        " still are: what ships by itself"
    ),
    "random-features": "ridge on random features of the trunk, then its adapter",
    "mixture": "task of the likeliest mixture behind the trunk, then its adapter",
    "proteus": (
        "PROTEUS' rule: every adapter is run, and the likeliest mixture in its own adapted space"
        " wins"
    ),
}
CEILINGS = {
    "task given": "the adapter of the true task",
    "joint": "one adapter trained on all classes together, not continual",
}
FLOORS = {"sequential": "one adapter and one growing head, trained task after task: what forgets"}


@dataclass(frozen=True)
class Measured:
    """One model in one order: shares in [0, 1] of all test examples after the last task; `top2`:
    the right task is the best or the second best.

    `matrix` [T, T] is the accuracy on task i after learning task j, in the order of learning, [1,
    1] where all was learned at once; `forgetting`, `backward_transfer` and `average_incremental`
    follow from it. `confusion` [T, T] counts the test examples by true task (rows) and task found,
    in the order of the names. `calibration_error` is that of the answers' probabilities
    (`cfedge.train.measures.calibration_error`), where the model states any. `passes` are forward
    passes an input; `task_bytes` what a task adds at most, of which `head_bytes` are its head's and
    `statistics_bytes` what finds it; `seconds` to make a task's statistics, or, of an adapter for
    all classes, to train it.
    """

    model: str
    accuracy: float
    task_mean: float
    task_identification: float
    top2: float
    forgetting: float
    backward_transfer: float
    average_incremental: float
    passes: float
    task_bytes: int
    head_bytes: int
    statistics_bytes: int
    seconds: float
    matrix: list[list[float]] = field(repr=False)
    confusion: list[list[int]] = field(repr=False)
    calibration_error: float | None = None


@dataclass(frozen=True)
class Study:
    """All orders: `runs` by model, and what they were made from.

    `tasks` are classes a task. `forward_transfer` is, by order, by how much the adapters of all
    tasks but the first are more accurate with the task given than the same ones learned alone, in
    the mean: exactly 0 without reuse, as nothing else is handed on. `duplicates` are, by task, test
    inputs that are also learned from, but for case and spaces. `learn_seconds` are, by order, those
    that a task took, the mean, beside as many others as there were jobs; `open_set`, by order, how
    well what ships tells inputs of no task apart, empty where none were given. `settings` have the
    seed of the first order.
    """

    tasks: dict[str, int]
    duplicates: dict[str, int]
    test_examples: int
    forward_transfer: list[float]
    learn_seconds: list[float]
    open_set: list[OpenSet]
    orders: list[list[str]]
    settings: Settings
    runs: dict[str, list[Measured]]

    def standard_error(self, model: str) -> float:
        """Of the last accuracy: over orders, and at least that of the test set's size."""
        values = [run.accuracy for run in self.runs[model]]
        mean = float(np.mean(values))
        sampling = float(np.sqrt(mean * (1 - mean) / self.test_examples))
        return (
            max(sampling, float(np.std(values, ddof=1) / len(values) ** 0.5))
            if len(values) > 1
            else sampling
        )


def most_accurate(study: Study) -> str:
    """Return the model with the best mean last accuracy; of equals the first measured."""
    mean = _accuracies(study)
    return max(mean, key=lambda model: mean[model])


def recommended(study: Study) -> str | None:
    """Return the model to ship: of those that can be, and whose mean last accuracy is within one
    standard error of the best one's, the one that costs least; where none is so near, of those
    within one standard error of the best that can be shipped. None: none was measured.

    A model's cost is the bytes that a task adds times the passes of an answer: twice the bytes weigh
    as much as twice the passes. Bytes grow with the tasks in proportion for all of them.
    """
    mean = _accuracies(study)
    shipped = [model for model in SHIPPED if model in mean]
    if not shipped:
        return None
    best = most_accurate(study)
    near = [model for model in shipped if mean[model] >= mean[best] - study.standard_error(best)]
    if not near:
        best = max(shipped, key=lambda model: mean[model])
        near = [
            model for model in shipped if mean[model] >= mean[best] - study.standard_error(best)
        ]
    return min(near, key=lambda model: _cost(study.runs[model]))


def _cost(runs: list[Measured]) -> float:
    return max(run.task_bytes for run in runs) * float(np.mean([run.passes for run in runs]))


def _accuracies(study: Study) -> dict[str, float]:
    return {
        model: float(np.mean([run.accuracy for run in runs]))
        for model, runs in study.runs.items()
        if model in MODELS
    }


def summary(study: Study) -> dict[str, dict[str, float]]:
    """Return, by model, the mean over orders of each figure, and under ``<figure>_error`` its
    standard error over orders, if there are several.

    The last accuracy's is `Study.standard_error`.
    """
    figures = (
        "accuracy",
        "task_mean",
        "task_identification",
        "top2",
        "forgetting",
        "backward_transfer",
        "average_incremental",
        "passes",
    )
    found: dict[str, dict[str, float]] = {}
    for model, runs in study.runs.items():
        row = {
            name: float(max(getattr(run, name) for run in runs))
            for name in ("task_bytes", "head_bytes", "statistics_bytes")
        }
        for figure in figures:
            values = [float(getattr(run, figure)) for run in runs]
            row[figure] = float(np.mean(values))
            if len(values) > 1:
                row[f"{figure}_error"] = float(np.std(values, ddof=1) / len(values) ** 0.5)
        errors = [run.calibration_error for run in runs if run.calibration_error is not None]
        if errors:
            row["calibration_error"] = float(np.mean(errors))
        found[model] = {**row, "accuracy_error": study.standard_error(model)}
    return found
