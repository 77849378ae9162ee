"""How far is an input from one task's classes, for a lookup that knows class means and one spread for
all, behind the frozen tail?

The terms are those of `cfedge.lookup.familiarity` with one covariance instead of each class's own:
`cosine` to the nearest class mean and the `relative` distance against a background. With them alone
`density` says nothing, and neither does the trunk.

Letters: C classes of one task, D width, G centres.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cfedge.lookup.class_rows import class_rows
from cfedge.lookup.familiarity import Terms
from cfedge.lookup.fitted import moments
from cfedge.lookup.whitened import background_of

__all__ = ["NOTHING", "TailFamiliarity"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

#: What the trunk says of an input: nothing, so that the frozen tail is always asked.
NOTHING = Terms(0.0, 0.0, 0.0)
#: Added to the spread, of its mean: it can then be inverted whatever the examples.
_RIDGE = 0.1
#: Of a direction's square inside the background: so little is a rounding error.
_NO_SHARE = 1e-9


class TailFamiliarity:
    """All tasks' classes, ready to compare with.

    Parameters
    ----------
    means, counts
        By task: of its classes, float [C, D] and int64 [C].
    within
        The spread within classes, float64 [D, D].
    background
        Centres of a broad corpus, float32 [G, D]; None: the class means alone.
    """

    def __init__(
        self,
        means: Sequence[NDArray[np.floating]],
        counts: Sequence[NDArray[np.int64]],
        within: Doubles,
        background: Floats | None = None,
    ) -> None:
        width = len(within)
        level = float(np.trace(within)) / width
        precision: Doubles = np.eye(width)
        if level > 0:
            inverse = np.linalg.inv(within + _RIDGE * level * np.eye(width))
            precision = np.asarray((inverse + inverse.T) / 2, np.float64)
        lower: Doubles = np.asarray(np.linalg.cholesky(precision), np.float64)
        spread, doubt = float(np.trace(within)), float(np.vdot(precision, within))
        every = np.concatenate(means).astype(np.float64)
        among = [moments([every])]
        if background is not None:
            among.append(moments([background]))
        center: Doubles = np.mean([mean for mean, _ in among], axis=0)
        rows, shares = background_of(among, center, lower)
        #: Only what lies inside the background's spread is asked for here.
        some = shares > _NO_SHARE
        self._inside = (np.sqrt(shares[some])[:, None] * rows[some]).astype(np.float32)
        self._shift = (self._inside.astype(np.float64) @ center).astype(np.float32)
        self._classes = [
            class_rows(own.astype(np.float64), count, center, lower, spread, doubt / count)
            for own, count in zip(means, counts, strict=True)
        ]

    def __call__(self, row: Floats, task: int) -> Terms:
        """Compare one unit-length vector float32 [D] with the task at position `task`."""
        linear, offsets, directions = self._classes[task]
        inside = self._inside.dot(row)
        inside -= self._shift
        scores = linear.dot(row)
        scores -= offsets
        return Terms(
            cosine=1.0 - float(directions.dot(row).max()),
            relative=float(inside.dot(inside)) - 2.0 * float(scores.max()),
            density=0.0,
        )
