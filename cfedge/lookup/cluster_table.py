"""All clusters' means, laid out so that scoring one input under them is one product.

A product of float32 rounds a row otherwise where it is one of the rows left over after whole
blocks; in whole blocks every cluster gets the same bits, whichever others are scored beside it.
Many clusters may be scored roughly first, with a bound on the error. Of very many not even that is
read whole: first their scores in the `COARSE_DIRECTIONS` strongest directions alone, which have no
such bound (docs/decisions/0055-strongest-directions.md).

Letters: C clusters, K directions.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "COARSE_DIRECTIONS",
    "COARSE_FROM",
    "COARSE_SLACK",
    "ClusterTable",
    "ROUGH_FROM",
    "RoughTable",
]

Floats = NDArray[np.float32]

#: Of clusters float32 [C, K] and offsets [C], what scores them roughly: z -> scores float32 [C],
#: the caller's to keep, and their largest error.
RoughTable = Callable[[Floats, Floats], Callable[[Floats], tuple[Floats, float]]]

#: Clusters from which on a rough table pays: with 6,000 it takes 30 us where exact scores take 43,
#: and as long in the wake of a trunk.
ROUGH_FROM = 6_000
#: Numbers of all clusters from which on they are scored roughly in the strongest directions alone:
#: so many bytes come from memory for every input, a millisecond's work for 28 million.
COARSE_FROM = 8 << 20
#: Directions that are read then, and how far below the second best task a cluster may lie in them,
#: in nats, to be scored exactly: the least with which the two best tasks of 999 of 1,000 held-out
#: inputs are those of all directions.
COARSE_DIRECTIONS, COARSE_SLACK = 96, 30.0
#: Rows that a product takes at a time, or a divisor of it is.
_BLOCK = 8


class ClusterTable:
    """z -> z' z_c - offset_c of every cluster c.

    Parameters
    ----------
    clusters, offsets
        float32 [C, K] and [C]; the strongest directions are the last.
    rough
        Scores `ROUGH_FROM` clusters or more roughly first.
    weight
        float64 [K], what clusters are multiplied by for differences in units of the covariance.

    Attributes
    ----------
    clusters, offsets
        float32 [C, K] and [C].
    rough
        z -> rough scores float32 [C], and their largest error; None: score exactly.
    coarse
        Whether these are scores in the strongest directions alone, and their error what is allowed
        for; they compare with each other, not with exact ones.
    """

    def __init__(
        self,
        clusters: Floats,
        offsets: Floats,
        rough: RoughTable | None,
        weight: NDArray[np.float64],
    ) -> None:
        count, width = clusters.shape
        self._blocks = np.zeros((-(-count // _BLOCK) * _BLOCK, width), np.float32)
        #: No input is nearest to a row that fills a block up.
        self._block_offsets = np.full(len(self._blocks), np.inf, np.float32)
        self.clusters, self.offsets = self._blocks[:count], self._block_offsets[:count]
        self.clusters[:], self.offsets[:] = clusters, offsets
        rough = rough if count >= ROUGH_FROM else None
        self.coarse = (
            rough is not None and width > COARSE_DIRECTIONS and clusters.size >= COARSE_FROM
        )
        self.rough: Callable[[Floats], tuple[Floats, float]] | None = None
        if rough is not None and self.coarse:
            self.rough = self._in_strongest(rough, weight)
        elif rough is not None:
            self.rough = rough(self.clusters, self.offsets)

    def _in_strongest(
        self, rough: RoughTable, weight: NDArray[np.float64]
    ) -> Callable[[Floats], tuple[Floats, float]]:
        """What scores all clusters roughly in the strongest directions, and allows `COARSE_SLACK`
        for the others.
        """
        some = self.clusters[:, -COARSE_DIRECTIONS:]
        squares = np.square(weight[-COARSE_DIRECTIONS:]).astype(np.float32)
        table = rough(some, np.einsum("ck,ck,k->c", some, some, squares) / 2)

        def score(z: Floats) -> tuple[Floats, float]:
            return table(z[-COARSE_DIRECTIONS:])[0], COARSE_SLACK

        return score

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
