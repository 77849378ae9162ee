"""Linear discriminant analysis of the whole frozen encoder: class means and one covariance for all
classes of all tasks, shrunk (`cfedge.lookup.lda`), in all directions.

Letters: C classes of all tasks, D width.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cfedge.lookup.cluster_statistics import ClusterStatistics
from cfedge.lookup.lookup import Lookup
from cfedge.lookup.rules.behind_tail import BehindTail
from cfedge.lookup.rules.whole_encoder import Score, Scorer

__all__ = ["Discriminants"]

Floats = NDArray[np.float32]


class Discriminants(BehindTail):
    """See `cfedge.lookup.rules.rule.LookupRule`; scores are nats."""

    title = "linear discriminant analysis of the whole frozen encoder"
    grows = "a task adds its classes' means and shapes; one covariance is made of all tasks' sums"
    least_temperature = 1.0

    def scorer(self, tasks: Sequence[ClusterStatistics]) -> Scorer:
        """Return the scores of linear discriminant analysis."""
        # Lookup sorts names: numbers of equal length keep the order in which tasks are given.
        lookup = Lookup({f"{at:08d}": one for at, one in enumerate(tasks)}, min_spread=0.0)

        def score(row: Floats) -> Score:
            found = lookup.scored(row)
            return Score(found.clusters[: len(lookup.task_of)], found.square)

        return score
