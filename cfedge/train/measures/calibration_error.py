"""Do probabilities mean what they say? Answers in bins of their probability, and the expected
calibration error. Pure.

With B_1..B_15 the answers whose probability lies in each fifteenth of [0, 1] (1 in the last), of N
in all::

    error = sum over b of |B_b| / N |share right in B_b - mean probability in B_b|

(Naeini et al. 2015; Guo et al. 2017, arXiv 1706.04599). It is 0 for probabilities that come true. Of
few answers it is larger than 0 by chance alone: with n in a bin by some sqrt(p (1 - p) / n).

Letters: N answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["BINS", "Bin", "bins_of", "calibration_error", "error_of"]

BINS = 15


@dataclass(frozen=True)
class Bin:
    """Answers of about one probability: how many there are, their mean probability, and the share of
    them that is right.
    """

    answers: int
    probability: float
    right: float


def bins_of(probabilities: ArrayLike, right: ArrayLike, bins: int = BINS) -> list[Bin]:
    """Sort N answers into bins of equal width by their probability in [0, 1]; bins without any are
    left out.
    """
    stated, true = np.asarray(probabilities, np.float64), np.asarray(right, np.float64)
    place = np.minimum((stated * bins).astype(np.int64), bins - 1)
    counts = np.bincount(place, minlength=bins)
    sums = (np.bincount(place, weights=one, minlength=bins) for one in (stated, true))
    return [
        Bin(int(count), float(said / count), float(came / count))
        for count, said, came in zip(counts, *sums, strict=True)
        if count
    ]


def calibration_error(probabilities: ArrayLike, right: ArrayLike, bins: int = BINS) -> float:
    """Return the expected calibration error of N >= 1 answers, in [0, 1]."""
    return error_of(bins_of(probabilities, right, bins))


def error_of(bins: Sequence[Bin]) -> float:
    """Return the expected calibration error of answers in bins."""
    apart = sum(one.answers * abs(one.right - one.probability) for one in bins)
    return apart / sum(one.answers for one in bins)
