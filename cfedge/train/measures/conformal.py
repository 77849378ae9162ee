"""Thresholds as order statistics of held-out examples: what split conformal prediction allows."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["conformal_threshold"]


def conformal_threshold(scores: NDArray[np.floating], rate: float) -> float:
    """Return the ceil((N + 1)(1 - rate))-th smallest of N scores, at most the largest: of the next
    one drawn alike, the probability of being above it is at most the larger of `rate` and 1 / (N +
    1).
    """
    ordered = np.sort(scores)
    place = max(1, min(math.ceil((len(ordered) + 1) * (1 - rate)), len(ordered)))
    return float(ordered[place - 1])
