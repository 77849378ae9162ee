"""Two answers to the same examples, compared in pairs: a test, and limits that say the same.

A drop is worse than none exactly where a decision that differs is a lost one more often than a won
one, so the sign test of these decisions says whether there is a drop at all. The limits of how
large it is agree with that test, and are exact as it is: no draws are made.

Letters: N examples.
"""

from __future__ import annotations

import math
from itertools import accumulate

__all__ = ["SIGNIFICANT", "drop_limits", "sign_test"]

#: Level of the sign test, and what each limit may miss.
SIGNIFICANT = 0.05
#: Of that, for how many decisions differ; the rest is for how many of these are lost.
_DIFFER = 0.01


def sign_test(lost: int, won: int) -> float:
    """Return P(at least `lost` of lost + won | each equally likely), exactly."""
    trials = lost + won
    return float(sum(math.comb(trials, count) for count in range(lost, trials + 1)) / 2**trials)


def drop_limits(lost: int, won: int, examples: int) -> tuple[float, float]:
    """Return a lower and an upper limit of the share of answers that are lost less those won: each
    holds with 95 % certainty.

    The lower one is above 0 where `sign_test` finds `lost` at the 5 % level, and nowhere else.

    Parameters
    ----------
    lost, won
        Decisions of the N = `examples` that only the first and only the second got right.
    """
    return _least(lost, won, examples), -_least(won, lost, examples)


def _least(lost: int, won: int, examples: int) -> float:
    """The lower limit d (2 p - 1): `d` is the share of decisions that differ, `p` that of these that
    are lost. Both are limited by Clopper and Pearson's method, with 1 % and 4 %, so that the product
    misses at most 5 %. Which side of 0 it lies on is the sign test's to say, with all 5 %.
    """
    differ = lost + won
    tilt = 2 * _least_share(lost, differ, SIGNIFICANT - _DIFFER) - 1
    if tilt > 0:
        few = _least_share(differ, examples, _DIFFER)
    else:
        few = 1 - _least_share(examples - differ, examples, _DIFFER)
    limit = few * tilt
    if sign_test(lost, won) <= SIGNIFICANT:
        return max(limit, math.ulp(0.0))
    return min(limit, 0.0)


def _least_share(count: int, trials: int, missed: float) -> float:
    """Clopper and Pearson's lower limit of a share: with any smaller one `count` or more of `trials`
    would be seen less often than `missed`.
    """
    low, high = 0.0, count / trials if trials else 0.0
    for _ in range(50 if count else 0):
        middle = (low + high) / 2
        if _at_least(count, trials, middle) < missed:
            low = middle
        else:
            high = middle
    return low


def _at_least(count: int, trials: int, share: float) -> float:
    """P(at least `count` of `trials`), each with the chance `share` of (0, 1)."""
    odds = share / (1 - share)
    first = count * math.log(share) + (trials - count) * math.log1p(-share)
    first += math.lgamma(trials + 1) - math.lgamma(count + 1) - math.lgamma(trials - count + 1)
    terms = accumulate(
        range(count, trials), lambda term, at: term * (trials - at) / (at + 1) * odds, initial=1.0
    )
    return math.exp(first) * math.fsum(terms)
