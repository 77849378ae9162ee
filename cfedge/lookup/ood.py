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

__all__ = ["HEAD_WEIGHT", "is_plainly_known", "ood_score"]

_Number = TypeVar("_Number", float, NDArray[np.float32])

#: Nats a direction that a unit of the head's best score outweighs. A distance is a sum over
#: directions, a score is one number.
HEAD_WEIGHT = 0.1
#: Of what the adapted head's best score usually is, what it is taken to be at least where the head
#: is not asked: inputs of no task that pass for a class have half of it or more
#: (docs/decisions/0026-early-exit.md).
_LEAST_SHARE = 1 / 3


def ood_score(distance: _Number, best: _Number, directions: int) -> _Number:
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


def is_plainly_known(distance: float, usual: float, directions: int, threshold: float) -> bool:
    """Whether the adapted head need not be asked: known even if its best score were a third of the
    `usual` one.
    """
    return ood_score(distance, _LEAST_SHARE * usual, directions) <= threshold
