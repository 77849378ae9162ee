"""How probable is each task? From what the lookup says of one input, and odds that held-out inputs
gave. Pure.

The task that is found has the probability p that its `cfedge.calibration.Odds` say. With s its
slope after so many stages and E_t the tasks' scores there, the others share what is left::

    P(t) = (1 - p) exp(s E_t) / sum over the other tasks of exp(s E)

Letters: T tasks.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cfedge.calibration import Odds
from cfedge.lookup.match import TaskMatch

__all__ = ["shares"]


def shares(odds: Odds, match: TaskMatch, scores: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the probability of each task, float64 [T], for an input that belongs to one of them.

    Parameters
    ----------
    odds
        Of the task that was found.
    match
        What the lookup found.
    scores
        Of each task, float32 [T] (`Router.task_scores`).
    """
    found = np.zeros(len(scores))
    if match.runner_up < 0:
        found[match.task] = 1.0
        return found
    best = odds.of_task(match.stages, match.margin)
    #: Scores of two further stages are averaged, margins are not.
    slope = odds.slopes[match.stages - 1] * max(1, match.stages - 1)
    others = slope * scores.astype(np.float64)
    others[match.task] = -np.inf
    with np.errstate(under="ignore"):
        found[:] = np.exp(others - others.max())
        found *= (1 - best) / found.sum()
    found[match.task] = best
    return found
