"""Clopper-Pearson confidence bounds of an error rate, in plain Python: the workshop certifies with them, a
device when tasks are added.

What is counted, and how many bounds must hold together, is for the callers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

__all__ = ["lower_bound", "upper_bound"]


@lru_cache(maxsize=4096)
def upper_bound(errors: int, examples: int, alpha: float) -> float:
    """Clopper-Pearson upper confidence bound of an error rate: BetaInv(1 - alpha; errors + 1, examples -
    errors).

    The true rate exceeds it in at most a share `alpha` of draws (Clopper and Pearson 1934).
    """
    if errors >= examples:
        return 1.0
    return _bisect(lambda rate: _at_most(errors, examples, rate) > alpha)


def lower_bound(errors: int, examples: int, alpha: float) -> float:
    """Clopper-Pearson lower confidence bound of an error rate: BetaInv(alpha; errors, examples - errors + 1)."""
    return _bisect(lambda rate: 1 - _at_most(errors - 1, examples, rate) < alpha) if errors else 0.0


def _at_most(errors: int, examples: int, rate: float) -> float:
    """P(at most `errors` of `examples`) at an error rate in (0, 1): the binomial distribution, in
    logarithms.
    """
    count = range(errors + 1)
    whole = math.lgamma(examples + 1)
    logs = [
        whole
        - math.lgamma(k + 1)
        - math.lgamma(examples - k + 1)
        + k * math.log(rate)
        + (examples - k) * math.log1p(-rate)
        for k in count
    ]
    return math.fsum(map(math.exp, logs))


def _bisect(below: Callable[[float], bool]) -> float:
    """Return the rate in [0, 1] up to which `below` holds."""
    low, high = 0.0, 1.0
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if below(middle) else (low, middle)
    return low
