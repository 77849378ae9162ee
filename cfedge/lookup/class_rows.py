"""Class means, ready to be compared with one input in one space: by distance and by angle.

A mean of few examples is itself off by S / n_c: `error` = tr(P S) / n_c in a distance. `ERRORS`
times that is taken off, else rare classes look strange to themselves
(docs/decisions/0041-unknown.md).

Letters: C classes of one task, D width.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["ClassRows", "ERRORS", "class_rows"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

#: Times what the error of a class mean adds to a distance: with 1 a class of three examples calls
#: .22 of its own inputs unknown where others call .07, with 2 as many as they.
ERRORS = 2.0
#: Least share of what is left of a class mean's squared length when its own error is taken off.
_LEAST_LENGTH = 0.1


class ClassRows(NamedTuple):
    """One task's classes: L d [C, D] and its offsets [C], whose difference is largest for the
    nearest; and means over their lengths [C, D].
    """

    linear: Floats
    offsets: Floats
    directions: Floats


def class_rows(
    means: Doubles, counts: NDArray[np.int64], center: Doubles, lower: Doubles, level: float,
    error: Doubles,
) -> ClassRows:  # fmt: skip
    """Prepare one task's classes.

    Parameters
    ----------
    means, counts
        Float64 [C, D] and int64 [C].
    center
        What all is measured from, float64 [D].
    lower
        L of L L' = P, float64 [D, D].
    level
        tr S.
    error
        tr(P S) / n_c, float64 [C].
    """
    apart = (means - center) @ lower
    linear = apart @ lower.T
    lengths = (means**2).sum(axis=1)
    true = np.maximum(lengths - level / counts, lengths * _LEAST_LENGTH)
    offsets = linear @ center + ((apart**2).sum(axis=1) - ERRORS * error) / 2
    return ClassRows(
        linear.astype(np.float32),
        offsets.astype(np.float32),
        (means / np.sqrt(np.maximum(true, 1e-12))[:, None]).astype(np.float32),
    )
