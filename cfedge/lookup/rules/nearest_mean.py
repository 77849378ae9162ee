"""The simplest lookup: the class whose mean makes the smallest angle with the input, behind the
frozen tail.

A task leaves its class means and the diagonal of its spread, by which an input is unknown.

Letters: C classes of all tasks, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cfedge.lookup.cluster_statistics import ClusterStatistics
from cfedge.lookup.rules.behind_tail import BehindTail
from cfedge.lookup.rules.whole_encoder import Score, Scorer

__all__ = ["NearestMean"]

Floats = NDArray[np.float32]

#: A mean of less is of length 0: it has no direction.
_TINY = 1e-12


class NearestMean(BehindTail):
    """See `cfedge.lookup.rules.rule.LookupRule`; scores are cosines."""

    title = "nearest class mean of the whole frozen encoder"
    grows = "a task adds one mean a class and one diagonal; one product scores all tasks"
    least_temperature = 0.02

    def kept(self, tail: ClusterStatistics) -> ClusterStatistics:
        """Return the statistics without directions: all of the spread is in the diagonal."""
        diagonal = tail.diagonal + (tail.factor.astype(np.float64) ** 2).sum(axis=0)
        return replace(
            tail,
            factor=tail.factor[:0],
            factor_classes=tail.factor_classes[:0],
            diagonal=diagonal.astype(np.float32),
        )

    def scorer(self, tasks: Sequence[ClusterStatistics]) -> Scorer:
        """Return the cosines to all class means."""
        means = np.concatenate([one.means for one in tasks]).astype(np.float64)
        means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), _TINY)
        directions: Floats = means.astype(np.float32)

        def score(row: Floats) -> Score:
            return Score(directions.dot(row), 2.0)  # |x - m|^2 of two directions

        return score
