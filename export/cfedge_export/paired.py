"""Two answers to the same examples, compared in pairs: a test, and limits that say the same.

A drop is worse than none exactly where a decision that differs is a lost one more often than a won
one, so the sign test of these decisions says whether there is a drop at all. The limits of how
large it is agree with that test, and are exact as it is: no draws are made.

Letters: N examples.
"""

from __future__ import annotations

import math

from cfedge.confidence import lower_bound

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
    tilt = 2 * lower_bound(lost, differ, SIGNIFICANT - _DIFFER) - 1
    if tilt > 0:
        few = lower_bound(differ, examples, _DIFFER)
    else:
        few = 1 - lower_bound(examples - differ, examples, _DIFFER)
    limit = few * tilt
    if sign_test(lost, won) <= SIGNIFICANT:
        return max(limit, math.ulp(0.0))
    return min(limit, 0.0)
