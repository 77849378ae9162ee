"""What the demo measures."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DemoResult", "StreamResult", "TaskRow", "UnknownRow"]


@dataclass(frozen=True)
class TaskRow:
    """One line of a stream's table; shares in [0, 1], accuracies per sample on `tested` examples.

    `accuracy_when_learned`: before later tasks were added. Of `held_out` examples the lookup picked
    another task for `held_out_errors`, and the whole answer was wrong for `held_out_wrong`;
    `wrong_task_at_most` and `wrong_answer_at_most` bound these rates (`cfedge.bundle.manifest.Certificate`).
    """

    task: str
    classes: int
    examples: int
    tested: int
    accuracy_float: float
    accuracy_int8: float
    accuracy_when_learned: float
    task_identification: float
    held_out: int
    held_out_errors: int
    wrong_task_at_most: float
    held_out_wrong: int
    wrong_answer_at_most: float
    added_bytes: int


@dataclass(frozen=True)
class UnknownRow:
    """Inputs of no task: how near they are to the tasks (``near`` or ``far``), what they are, and
    how many of `count` were called unknown.
    """

    kind: str
    what: str
    called_unknown: int
    count: int


@dataclass(frozen=True)
class StreamResult:
    """What a stream measured. `accuracy_matrix[j][i]`: accuracy on task i after learning task j
    (lower triangle). `false_rejects`: the share of the tasks' own test inputs that were called
    unknown. `report` is the path of the page.
    """

    title: str
    tasks: list[TaskRow]
    last_accuracy: float
    task_identification: float
    known: float
    forgetting: float
    unknown_auroc: float
    unknown: list[UnknownRow]
    false_rejects: float
    ms_per_input: float
    backbone_bytes: int
    task_bytes: float
    accuracy_matrix: list[list[float]]
    live: list[dict[str, object]]
    report: str


@dataclass(frozen=True)
class DemoResult:
    """What the demo measured, of both streams."""

    sentences: StreamResult
    pictures: StreamResult
