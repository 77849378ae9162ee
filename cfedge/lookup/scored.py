"""One input under all clusters: its scores, and the best among them.

Letters: K kept directions, C clusters.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Scored",
    "best_outside",
    "distances_of",
    "largest",
    "least_of_best",
    "nth_largest",
]

Floats = NDArray[np.float32]

#: Scores up to which sorting all takes less than the steps that a part of them takes.
_FEW = 512
#: Scores of which one is compared, where the best of many are looked for.
_GROUPS = 8


class Scored(NamedTuple):
    """One input under all clusters; made once, read by every question about it.

    Attributes
    ----------
    z
        float32 [K], the input in the kept directions.
    square
        z' z: a distance is square - 2 score.
    clusters
        float32, the scores of the clusters, and after them -inf for what fills the last block up.
    coarse
        Whether they are of the strongest directions alone: then they compare with each other.
    """

    z: Floats
    square: float
    clusters: Floats
    coarse: bool = False


def best_outside(scores: Floats, span: slice) -> int:
    """Return where the best score outside of a task's clusters is; `scores` is as it was then."""
    inside = scores[span].copy()
    scores[span] = -math.inf
    rival = int(scores.argmax())
    scores[span] = inside
    return rival


def nth_largest(scores: Floats, count: int) -> float:
    """Return the largest score but for `count` - 1 larger ones."""
    return float(np.partition(scores, -count)[-count])


def least_of_best(scores: Floats, count: int) -> float:
    """Return what at least `count` scores reach, and few others: the last of the best of so many of
    `_GROUPS`, each of scores that lie far apart, for classes of one task are often best together.
    """
    size = len(scores) // _GROUPS
    if size < 2 * count:
        return nth_largest(scores, count)
    best = scores[: size * _GROUPS].reshape(_GROUPS, size).max(axis=0)
    return nth_largest(best, count)


def largest(scores: Floats, count: int) -> NDArray[np.intp]:
    """Return where the `count` largest are, ascending; of equal ones the first."""
    if len(scores) <= _FEW:
        found = np.negative(scores).argsort(kind="stable")[:count]
        found.sort()
        return found
    least = nth_largest(scores, count)
    above = np.flatnonzero(scores > least)
    return np.sort(np.concatenate([above, np.flatnonzero(scores == least)[: count - len(above)]]))


def distances_of(square: float, scores: Floats, owners: list[int]) -> dict[int, float]:
    """Return, by task, the distance to the nearest of its clusters among those of these scores."""
    best: dict[int, float] = {}
    for task, score in zip(owners, scores.tolist(), strict=True):
        if task not in best or score > best[task]:
            best[task] = score
    return {task: square - 2 * score for task, score in best.items()}
