"""What a rule is that finds the task of an input: what a task leaves, and scores from what all of
them left. The rules are in `cfedge.study.baselines`, which holds them all to one contract.

Letters: B inputs, N examples, D width, C classes of one task.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cfedge.lookup.finite import finite_rows

__all__ = ["Floats", "Rule", "Scorer", "Statistics", "checked", "ordered"]

Floats = NDArray[np.float32]
Statistics = dict[str, NDArray[np.generic]]
#: Unit-length features float32 [B, D] -> scores [B, sum of the tasks' columns], tasks in the order
#: of their names.
Scorer = Callable[[Floats], NDArray[np.floating]]


class Rule(Protocol):
    """One way to find the task, or task and class, of an input. Features that are not finite are
    refused (InputError).
    """

    def statistics(self, features: Floats, classes: NDArray[np.int64]) -> Statistics:
        """Return what a task leaves: from unit-length features [N, D] and classes int64 [N] in
        0..C-1.
        """

    def columns(self, statistics: Statistics) -> int:
        """Return how many columns of the scores are this task's."""

    def scorer(self, tasks: Mapping[str, Statistics]) -> Scorer:
        """Return the scores of all tasks."""


def checked(score: Scorer) -> Scorer:
    """Return the same scores, of finite features only."""

    def of_finite(features: Floats) -> NDArray[np.floating]:
        finite_rows(features)
        return score(features)

    return of_finite


def ordered(tasks: Mapping[str, Statistics]) -> list[Statistics]:
    """Return what tasks left, in the order of their names."""
    return [tasks[name] for name in sorted(tasks)]
