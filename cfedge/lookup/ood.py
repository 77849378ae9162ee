"""How little does an input look like anything learned? The lookup's distance and the chosen task's
own head say it together.

The head learned to tell its task's classes apart, and knows nothing of others: what it does not
know it scores low. Both are there anyway, so the better answer costs nothing
(docs/decisions/0024-views.md).
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["HEAD_WEIGHT", "ood_score"]

_Number = TypeVar("_Number", float, NDArray[np.float32], NDArray[np.float64])

#: Nats a direction that a unit of the head's best score outweighs. A distance is a sum over
#: directions, a score is one number.
HEAD_WEIGHT = 0.1


def ood_score(distance: _Number, best: _Number | float, directions: int) -> _Number:
    """Return ``distance - HEAD_WEIGHT directions best``: high for inputs of no task.

    Parameters
    ----------
    distance
        Relative Mahalanobis distance to the nearest cluster (`cfedge.lookup.Lookup`).
    best
        The largest score of the chosen task's adapted head
        (`cfedge.runtime.adapter.Adapter.adapted`).
    directions
        That the distance is a sum over (`cfedge.lookup.Lookup.directions`).
    """
    return distance - HEAD_WEIGHT * directions * best
