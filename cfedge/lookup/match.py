"""What the lookup answers: of one input, and of many."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cfedge.records import record

__all__ = ["TaskMatch", "TaskMatches"]

Floats = NDArray[np.float32]


@record(frozen=True, eq=False, repr=False)
class TaskMatches:
    """The lookup's answer for B inputs.

    Attributes
    ----------
    task, runner_up
        int64 [B], positions in `Lookup.tasks`; `runner_up` is -1 where there is one task only.
    score
        float32 [B], the task's best cluster score; after more stages what `cfedge.lookup.Router`
        makes of theirs.
    margin
        float32 [B], the task's score minus the runner-up's, in nats; infinity where there is one
        task only.
    distance
        float32 [B], relative Mahalanobis distance to the nearest cluster of the chosen task, behind
        the trunk.
    stages
        int64 [B], 1 to 3.
    """

    task: NDArray[np.int64]
    runner_up: NDArray[np.int64]
    score: Floats
    margin: Floats
    distance: Floats
    stages: NDArray[np.int64]

    @classmethod
    def stacked(cls, found: list[TaskMatch]) -> TaskMatches:
        """Put the answers of single inputs together."""
        task, runner_up, score, margin, distance, stages = (
            zip(*found, strict=True) if found else ((),) * 6
        )
        return cls(
            np.array(task, np.int64),
            np.array(runner_up, np.int64),
            np.array(score, np.float32),
            np.array(margin, np.float32),
            np.array(distance, np.float32),
            np.array(stages, np.int64),
        )


class TaskMatch(NamedTuple):
    """`TaskMatches` of one input; `runner_up` is -1 and `margin` infinite where there is one task
    only.
    """

    task: int
    runner_up: int
    score: float
    margin: float
    distance: float
    stages: int = 1
