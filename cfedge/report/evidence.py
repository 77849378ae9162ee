"""What the evidence of a report says, as plain values: where the clusters of the classes lie, what
held-out inputs were taken for, and what every false-reject rate would give.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "CellInputs",
    "ClassConfusion",
    "ClusterMap",
    "Confusion",
    "Example",
    "Faithfulness",
    "MapPoint",
    "Sureness",
    "SurenessBin",
    "TaskThresholds",
    "Thresholds",
]


@dataclass(frozen=True)
class MapPoint:
    """A class's cluster on the map; `examples` it was made from."""

    task: str
    label: str
    examples: int
    x: float
    y: float


@dataclass(frozen=True)
class Faithfulness:
    """How far the map may be believed (`cfedge.report.clusters`).

    Attributes
    ----------
    neighbours, kept_neighbours
        So many nearest clusters of each are looked at; the share of them that are among as many
        nearest on the map too.
    nearest_task
        Share of the clusters whose nearest cluster of another task is of the same task on the map.
    rank_correlation
        Spearman's, between the distances of all pairs and those on the map.
    """

    neighbours: int
    kept_neighbours: float
    nearest_task: float | None
    rank_correlation: float


@dataclass(frozen=True)
class ClusterMap:
    """Clusters in the plane, from the signatures alone."""

    method: str
    points: tuple[MapPoint, ...]
    faithfulness: Faithfulness | None


@dataclass(frozen=True)
class Example:
    """An input, as it may be shown: its words, or a picture as a data URI and its name."""

    shown: str
    picture: str | None
    task: str
    label: str
    found_task: str
    found_label: str | None
    unknown: bool


@dataclass(frozen=True)
class CellInputs:
    """A cell's inputs: positions in `Confusion.examples`; `more` are left out."""

    cell: str
    examples: tuple[int, ...]
    more: int


@dataclass(frozen=True)
class ClassConfusion:
    """One task's held-out inputs: true class (rows) against the answer (columns): its classes, then
    other tasks.
    """

    task: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    left_out: int


@dataclass(frozen=True)
class Confusion:
    """Held-out inputs by true task (rows) and task found (columns), and within tasks by class.

    `left_out` tasks had no inputs that went elsewhere, and no room.
    """

    tasks: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    left_out: int
    classes: tuple[ClassConfusion, ...]
    examples: tuple[Example, ...]
    cells: tuple[CellInputs, ...]


@dataclass(frozen=True)
class TaskThresholds:
    """One task at every rate of `Thresholds.rates`; `known` and `unknown` inputs were given to it.

    Attributes
    ----------
    threshold
        Out-of-distribution score above which an input is unknown.
    rejected, caught
        Of those inputs, the number above it.
    """

    task: str
    known: int
    unknown: int
    threshold: tuple[float, ...]
    rejected: tuple[int, ...]
    caught: tuple[int, ...]


@dataclass(frozen=True)
class Thresholds:
    """What every false-reject rate would give, with all tasks together.

    Attributes
    ----------
    source
        Where unknown inputs are from: ``held back`` (each task's own inputs, answered by the
        others) or ``given``.
    rates
        As ``cfedge export --false-reject`` takes them, ascending.
    known, unknown
        Inputs.
    rejected, caught
        Shares of them that are called unknown.
    wrong
        Of the known inputs that are not, the share whose task or label is wrong.
    auroc
        Of the scores less the thresholds at the default rate: the probability that an unknown input
        has the larger one.
    """

    source: str
    rates: tuple[float, ...]
    known: int
    unknown: int
    rejected: tuple[float, ...]
    caught: tuple[float, ...]
    wrong: tuple[float, ...]
    auroc: float | None
    tasks: tuple[TaskThresholds, ...]
    coverage: tuple[float, ...]
    risk: tuple[float, ...]
    risk_with_unknown: tuple[float, ...]


@dataclass(frozen=True)
class SurenessBin:
    """Answers of about one probability: their number, mean probability, and share that is right."""

    answers: int
    probability: float
    right: float


@dataclass(frozen=True)
class Sureness:
    """Whether the held-out answers' probabilities come true: the expected calibration error over so
    many answers, and the bins that it is of.
    """

    answers: int
    error: float
    bins: tuple[SurenessBin, ...]
