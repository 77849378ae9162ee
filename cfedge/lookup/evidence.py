"""What the stages of the lookup have found out about one input so far, and what follows from it.

Each stage adds to the evidence of those before it; nothing is computed twice. What follows is pure
and cheap.

Letters: T tasks, A tasks that a further stage was at.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cfedge.lookup.match import TaskMatch
from cfedge.lookup.scored import Scored

__all__ = ["Evidence", "decide"]

Floats = NDArray[np.float32]


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
    tasks
        Positions of the A tasks that the further stages were at, ascending; None: of all tasks.
    classes
        float32, the scores of these tasks' classes one after another: what the second stage says,
        and after the third the sum of both; None after one stage.
    scores, distances
        float32 [A], of these tasks, after all stages so far; None after one stage.
    """

    stages: int
    trunk: Floats
    position: int
    scored: Scored
    first: TaskMatch
    tasks: list[int] | None = None
    classes: Floats | None = None
    scores: Floats | None = None
    distances: Floats | None = None


def decide(evidence: Evidence) -> TaskMatch:
    """Return the two tasks that the evidence says most for."""
    tasks, scores, distances = evidence.tasks, evidence.scores, evidence.distances
    if scores is None or distances is None:
        return evidence.first
    best = int(scores.argmax())
    score = float(scores[best])
    others = scores.copy()
    others[best] = -math.inf
    rival = int(others.argmax())
    task, runner_up = (best, rival) if tasks is None else (tasks[best], tasks[rival])
    margin = score - float(others[rival])
    return TaskMatch(task, runner_up, score, margin, float(distances[best]), evidence.stages)
