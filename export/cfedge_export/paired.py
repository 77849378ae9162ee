"""Two answers to the same examples, compared in pairs.

Letters: N examples.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["bootstrap", "sign_test"]


def sign_test(lost: int, won: int) -> float:
    """Return P(at least `lost` of lost + won | each equally likely), exactly."""
    trials = lost + won
    return float(sum(math.comb(trials, count) for count in range(lost, trials + 1)) / 2**trials)


def bootstrap(
    float_right: NDArray[np.bool_],
    int8_right: NDArray[np.bool_],
    rng: np.random.Generator,
    draws: int = 2000,
) -> tuple[tuple[float, float], tuple[float, float] | None]:
    """Return 95 % intervals of the drop in points and of the error ratio: examples are drawn
    again in pairs.
    """
    rows = rng.integers(0, len(float_right), (draws, len(float_right)))
    float_errors, int8_errors = (~float_right[rows]).sum(axis=1), (~int8_right[rows]).sum(axis=1)
    drops = 100 * (int8_errors - float_errors) / len(float_right)
    low, high = np.quantile(drops, [0.025, 0.975])
    some = float_errors > 0
    if not some.any():
        return (float(low), float(high)), None
    ratios = np.quantile(int8_errors[some] / float_errors[some], [0.025, 0.975])
    return (float(low), float(high)), (float(ratios[0]), float(ratios[1]))
