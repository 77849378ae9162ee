"""All clusters' means, laid out so that scoring one input under them is one product.

A product of float32 rounds a row otherwise where it is one of the rows left over after whole
blocks; in whole blocks every cluster gets the same bits, whichever others are scored beside it.
Of many clusters not all are read: first come coarse scores in the `COARSE_DIRECTIONS` strongest
directions, and only clusters that are among the best in these are scored exactly
(docs/decisions/0064-coarse-table.md).

Letters: C clusters, K directions.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from cfedge.lookup.scored import nth_largest

__all__ = [
    "COARSE_DIRECTIONS",
    "COARSE_FROM",
    "COARSE_MOST",
    "COARSE_SLACK",
    "ClusterTable",
    "MakeCoarse",
]

Floats = NDArray[np.float32]

#: Of clusters float32 [C, `COARSE_DIRECTIONS`] and offsets [C], what scores them about: z -> scores
#: float32 [C], the caller's to keep.
MakeCoarse = Callable[[Floats, Floats], Callable[[Floats], Floats]]

#: Numbers of all clusters from which on coarse scores come first, 4 MB in float32: in the wake of a
#: trunk they save half of the time where tasks differ in 200 directions, and nothing where they
#: differ in half as many.
COARSE_FROM = 1 << 20
#: Directions of coarse scores; how far below the second best task a cluster may lie in them, in nats,
#: to be scored exactly; and how many are at most.
COARSE_DIRECTIONS, COARSE_SLACK, COARSE_MOST = 64, 24.0, 1024
#: Rows that a product takes at a time, or a divisor of it is.
_BLOCK = 8


class ClusterTable:
    """z -> z' z_c - offset_c of every cluster c.

    Parameters
    ----------
    clusters, offsets
        float32 [C, K] and [C]; the strongest directions are the last.
    coarse
        Makes coarse scores where clusters are many; None: all are scored exactly.
    weight
        float64 [K], what clusters are multiplied by for differences in units of the covariance.

    Attributes
    ----------
    clusters, offsets
        float32 [C, K] and [C].
    coarse
        z -> coarse scores float32 [C]: they compare with each other, not with exact ones. None:
        score exactly.
    """

    def __init__(
        self,
        clusters: Floats,
        offsets: Floats,
        coarse: MakeCoarse | None,
        weight: NDArray[np.float64],
    ) -> None:
        count, width = clusters.shape
        self._blocks = np.zeros((-(-count // _BLOCK) * _BLOCK, width), np.float32)
        #: No input is nearest to a row that fills a block up.
        self._block_offsets = np.full(len(self._blocks), np.inf, np.float32)
        self.clusters, self.offsets = self._blocks[:count], self._block_offsets[:count]
        self.clusters[:], self.offsets[:] = clusters, offsets
        self.coarse: Callable[[Floats], Floats] | None = None
        if coarse is not None and clusters.size >= COARSE_FROM and width > COARSE_DIRECTIONS:
            some = self.clusters[:, -COARSE_DIRECTIONS:]
            squares = np.square(weight[-COARSE_DIRECTIONS:]).astype(np.float32)
            score = coarse(some, np.einsum("ck,ck,k->c", some, some, squares) / 2)
            self.coarse = lambda z: score(z[-some.shape[1] :])

    def exact(self, z: Floats) -> Floats:
        """Return the scores of all clusters, and after them -inf for each row that fills the last
        block up.
        """
        scores: Floats = self._blocks.dot(z)
        scores -= self._block_offsets
        return scores

    def near(self, scores: Floats, least: float) -> NDArray[np.intp]:
        """Return the clusters whose exact scores may be among the best, ascending, where the coarse
        `scores` of the best reach `least`.
        """
        kept = (scores >= least - COARSE_SLACK).nonzero()[0]
        if len(kept) > COARSE_MOST:
            some = scores.take(kept)
            kept = kept[some >= nth_largest(some, COARSE_MOST)]
        return kept

    def some(self, z: Floats, kept: NDArray[np.intp]) -> Floats:
        """Return the scores of the clusters `kept`, to the bit those of `exact`."""
        rows = np.zeros(-(-len(kept) // _BLOCK) * _BLOCK, np.intp)
        rows[: len(kept)] = kept
        scores: Floats = self.clusters.take(rows, axis=0).dot(z)[: len(kept)]
        scores -= self.offsets[kept]
        return scores
