"""May an answer end before the adapted tail is run? The one rule: the engine answers by it, a study
counts by it, and the merged graph's nodes are held against it. Pure.

A head has a part that reads the trunk's features. Where that part's two best classes are far enough
apart it decides the label alone (docs/decisions/0026-early-exit.md). The margin is the task's own,
fixed when it is learned (`cfedge.train.measures.early_exit`). Whether the input is of the task at
all is another question (`cfedge.runtime.judging`).

Letters: C classes.
"""

from __future__ import annotations

import math
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["gap", "gaps", "trunk_decides"]

Floats = NDArray[np.float32]
#: Of one input, or of several.
_Number = TypeVar("_Number", float, NDArray[np.float64])
_Truth = bool | NDArray[np.bool_]


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
