"""What the stages of the lookup have found out about one input so far, and what follows from it.

Each stage adds to the evidence of those before it; nothing is computed twice. What follows is pure
and cheap.

Letters: N classes that a further stage was at.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cfedge.lookup.match import TaskMatch
from cfedge.lookup.scored import Scored

__all__ = ["Closer", "Evidence", "decide"]

Floats = NDArray[np.float32]


class Closer(NamedTuple):
    """What further stages say.

    Attributes
    ----------
    kept
        Positions of the N classes that they were at, ascending.
    owners
        The task of each.
    classes
        float32 [N], the classes' scores: what the second stage says, and after the third the sum of
        both.
    scores, distances
        By task, ascending, after all stages so far.
    """

    kept: NDArray[np.intp]
    owners: list[int]
    classes: Floats
    scores: dict[int, float]
    distances: dict[int, float]


class Evidence(NamedTuple):
    """Of one input.

    Attributes
    ----------
    stages
        1 to 3: how many it has had.
    trunk
        float32 [V D], its features behind the trunk.
    position
        Its place among the inputs, for errors.
    scored
        What the first stage says of all clusters.
    first
        What the first stage says of the tasks.
    closer
        What further stages say of some; None after one stage.
    """

    stages: int
    trunk: Floats
    position: int
    scored: Scored
    first: TaskMatch
    closer: Closer | None = None


def decide(evidence: Evidence) -> TaskMatch:
    """Return the two tasks that the evidence says most for; of equal ones the first."""
    if evidence.closer is None:
        return evidence.first
    _, _, _, scores, distances = evidence.closer
    best = max(scores, key=scores.__getitem__)
    rival = max((task for task in scores if task != best), key=scores.__getitem__)
    margin = scores[best] - scores[rival]
    return TaskMatch(best, rival, scores[best], margin, distances[best], evidence.stages)
