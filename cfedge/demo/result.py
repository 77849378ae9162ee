"""What the demo measures."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DemoResult", "TaskRow"]


@dataclass(frozen=True)
class TaskRow:
    """One line of the demo's table; shares in [0, 1], accuracies per sample on test data.

    `accuracy_when_learned`: before later tasks were added. `held_out_errors`: of `held_out`
    examples, those for which the lookup picked another task.
    """

    task: str
    examples: int
    accuracy_float: float
    accuracy_int8: float
    accuracy_when_learned: float
    task_identification: float
    held_out_errors: int
    held_out: int
    upper_bound: float
    added_bytes: int


@dataclass(frozen=True)
class DemoResult:
    """What the demo measured. `accuracy_matrix[j][i]`: accuracy on task i after learning task j
    (lower triangle). `unknown_detected` is the share of utterances of no task that were called
    unknown; `unknown_by_kind` tells those near the tasks from those far away.
    """

    tasks: list[TaskRow]
    last_accuracy: float
    task_identification: float
    known: float
    forgetting: float
    unknown_auroc: float
    unknown_detected: float
    unknown_by_kind: dict[str, float]
    false_rejects: float
    ms_per_input: float
    backbone_bytes: int
    task_bytes: float
    accuracy_matrix: list[list[float]]
    live: list[dict[str, object]]
