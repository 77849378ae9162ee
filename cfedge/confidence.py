"""Clopper-Pearson confidence bounds of an error rate: the workshop certifies with
them, a device when tasks are added.

What is counted, and how many bounds must hold together, is for the callers. Plain numbers: a sync
that reads certificates imports no NumPy, and of a few errors the sum takes less time without.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

__all__ = ["lower_bound", "upper_bound"]

#: exp(-2 _FAR) adds nothing to 1 in float64.
_FAR = 21.0
#: Newton's method needs six or so, halving never more than these.
_MOST_STEPS = 200


@lru_cache(maxsize=4096)
def upper_bound(errors: int, examples: int, alpha: float) -> float:
    """Clopper-Pearson upper confidence bound of an error rate: BetaInv(1 - alpha; errors + 1,
    examples - errors).

    The true rate exceeds it in at most a share `alpha` of draws (Clopper and Pearson 1934).
    """
    if errors >= examples or alpha <= 0:
        return 1.0
    low, high = 0.0, 1.0
    rate = (errors + 1) / (examples + 1)
    for _ in range(_MOST_STEPS):
        # Newton's step in logarithms, of which P(at most errors) is nearly straight; its slope is
        # -(examples - errors) P(errors) / (1 - rate).
        share = _at_most(errors, examples, rate)
        low, high = (rate, high) if share > alpha else (low, rate)
        slope = (examples - errors) * math.exp(_log_term(errors, examples, rate)) / (1 - rate)
        step = (
            share * (math.log(share) - math.log(alpha)) / slope if share > 0 < slope else math.inf
        )
        nearer = rate + step
        if not low < nearer < high:
            nearer = (low + high) / 2
        if abs(nearer - rate) <= 2.0**-52 * rate or not low < nearer < high:
            return nearer
        rate = nearer
    return high


def lower_bound(errors: int, examples: int, alpha: float) -> float:
    """Clopper-Pearson lower confidence bound of an error rate: BetaInv(alpha; errors, examples -
    errors + 1).
    """
    return _bisect(lambda rate: 1 - _at_most(errors - 1, examples, rate) < alpha) if errors else 0.0


def _at_most(errors: int, examples: int, rate: float) -> float:
    """P(at most `errors` of `examples`) at an error rate in (0, 1): the binomial distribution,
    summed from its last term down, over the 10 sqrt(examples) of them that count.
    """
    if errors / examples - rate > math.sqrt(_FAR / examples):
        return 1.0  # but for exp(-2 _FAR), by Hoeffding's inequality
    last = _log_term(errors, examples, rate)
    odds = (1 - rate) / rate
    most = min(errors, 64 + 10 * math.isqrt(examples))
    term, terms = 1.0, 0.0
    for count in range(errors, errors - most, -1):
        term *= count * odds / (examples - count + 1)
        before, terms = terms, terms + term
        if terms == before:  # what follows is smaller still; or infinity, where it is 1
            break
    return math.exp(min(0.0, last + math.log1p(terms)))


def _log_term(errors: int, examples: int, rate: float) -> float:
    """The logarithm of P(`errors` of `examples`)."""
    return (
        math.lgamma(examples + 1)
        - math.lgamma(errors + 1)
        - math.lgamma(examples - errors + 1)
        + errors * math.log(rate)
        + (examples - errors) * math.log1p(-rate)
    )


def _bisect(below: Callable[[float], bool]) -> float:
    """Return the rate in [0, 1] up to which `below` holds."""
    low, high = 0.0, 1.0
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if below(middle) else (low, middle)
    return low
