"""May an answer end before the tail is run? The one rule: the engine answers by it, a study counts
by it, and the merged graph's nodes are held against it. Pure.

A head has a part that reads the trunk's features. Where that part's two best classes are far enough
apart it decides the label alone; where the input is plainly known besides, the tail would change
nothing (docs/decisions/0026-early-exit.md). Both margins are the task's own, fixed when it is
learned (`cfedge.train.early_exit`).

Letters: C classes.
"""

from __future__ import annotations

import math
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from cfedge.lookup.ood import ood_score

__all__ = ["ends_early", "gap", "gaps", "trunk_decides"]

Floats = NDArray[np.float32]
#: Of one input, or of several.
_Number = TypeVar("_Number", float, NDArray[np.float64])
_Truth = bool | NDArray[np.bool_]

#: Of what the adapted head's best score usually is, what it is taken to be at least where the head
#: is not asked: inputs of no task that pass for a class have half of it or more
#: (docs/decisions/0026-early-exit.md).
_LEAST_SHARE = 1 / 3


def gap(trunk: list[float]) -> float:
    """Return how far apart the two best of one input's scores [C] by the trunk's part are; infinity
    where there is one class only.
    """
    if len(trunk) == 1:
        return math.inf
    *_, second, best = sorted(trunk)
    return best - second


def gaps(trunk: Floats) -> NDArray[np.float64]:
    """Return `gap` of each row of scores [..., C], float64 [...]."""
    if trunk.shape[-1] == 1:
        return np.full(trunk.shape[:-1], math.inf)
    best = np.partition(trunk, -2, axis=-1)[..., -2:].astype(np.float64)
    return np.asarray(best[..., 1] - best[..., 0])


def trunk_decides(gap: _Number, exit_margin: float) -> _Truth:
    """Whether the trunk's part of a head decides the label alone."""
    return gap >= exit_margin


def ends_early(
    gap: _Number,
    distance: _Number,
    *,
    exit_margin: float,
    usual: float,
    directions: int,
    threshold: float,
) -> _Truth:
    """Whether the tail need not be run.

    Parameters
    ----------
    gap
        Of the trunk's part.
    distance
        Of the input to its task (`cfedge.lookup.Lookup`).
    exit_margin, usual
        The adapter's ``exit.margin`` and ``exit.best`` (`cfedge.runtime.adapter.Adapter`). The
        input is plainly known where it is known even if the adapted head's best score were a third
        of the usual one.
    directions
        That the distance is a sum over.
    threshold
        Of the task's `ood_score`.
    """
    known = ood_score(distance, _LEAST_SHARE * usual, directions) <= threshold
    return trunk_decides(gap, exit_margin) & known
