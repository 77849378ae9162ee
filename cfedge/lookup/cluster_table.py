"""All clusters' means, laid out so that scoring one input under them is one product.

A product of float32 rounds a row otherwise where it is one of the rows left over after whole
blocks; in whole blocks every cluster gets the same bits, whichever others are scored beside it.
Many clusters may be scored roughly first, with a bound on the error.

Letters: C clusters, K directions.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["ClusterTable", "ROUGH_FROM", "RoughTable"]

Floats = NDArray[np.float32]

#: Of clusters float32 [C, K] and offsets [C], what scores them roughly: z -> scores float32 [C],
#: the caller's to keep, and their largest error.
RoughTable = Callable[[Floats, Floats], Callable[[Floats], tuple[Floats, float]]]

#: Clusters from which on a rough table pays: with 6,000 it takes 30 us where exact scores take 43,
#: and as long in the wake of a trunk.
ROUGH_FROM = 6_000
#: Rows that a product takes at a time, or a divisor of it is.
_BLOCK = 8


class ClusterTable:
    """z -> z' z_c - offset_c of every cluster c.

    Parameters
    ----------
    clusters, offsets
        float32 [C, K] and [C].
    rough
        Scores `ROUGH_FROM` clusters or more roughly first.

    Attributes
    ----------
    clusters, offsets
        float32 [C, K] and [C].
    rough
        z -> rough scores float32 [C], and their largest error; None: score exactly.
    """

    def __init__(
        self,
        clusters: Floats,
        offsets: Floats,
        rough: RoughTable | None,
    ) -> None:
        count, width = clusters.shape
        self._blocks = np.zeros((-(-count // _BLOCK) * _BLOCK, width), np.float32)
        #: No input is nearest to a row that fills a block up.
        self._block_offsets = np.full(len(self._blocks), np.inf, np.float32)
        self.clusters, self.offsets = self._blocks[:count], self._block_offsets[:count]
        self.clusters[:], self.offsets[:] = clusters, offsets
        self.rough = rough(self.clusters, self.offsets) if rough and count >= ROUGH_FROM else None

    def exact(self, z: Floats) -> Floats:
        """Return the scores of all clusters, and after them -inf for each row that fills the last
        block up.
        """
        scores: Floats = self._blocks.dot(z)
        scores -= self._block_offsets
        return scores

    def some(self, z: Floats, kept: NDArray[np.intp]) -> Floats:
        """Return the scores of the clusters `kept`, to the bit those of `exact`."""
        rows = np.zeros(-(-len(kept) // _BLOCK) * _BLOCK, np.intp)
        rows[: len(kept)] = kept
        scores: Floats = self.clusters.take(rows, axis=0).dot(z)[: len(kept)]
        scores -= self.offsets[kept]
        return scores
