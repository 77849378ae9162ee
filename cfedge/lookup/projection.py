"""An input, in the directions in which tasks differ, each scaled by how much it tells them apart.

Letters: D width, K kept directions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cfedge.lookup.lda import Space

__all__ = ["Projection"]

Floats = NDArray[np.float32]


class Projection:
    """x -> z = diag(w)^1/2 U' (x - m_0), with w = 1 - 1/v and U, v, m_0 of `cfedge.lookup.lda`.

    Parameters
    ----------
    space
        The directions.

    Attributes
    ----------
    weight
        float64 [K], w^1/2.
    basis
        float32 [K, D], diag(w)^1/2 U'.
    center
        float32 [K], what m_0 becomes.
    """

    def __init__(self, space: Space) -> None:
        self.weight: NDArray[np.float64] = space.weight
        self.basis: Floats = np.ascontiguousarray((space.basis * self.weight).T, np.float32)
        self.center: Floats = (space.center @ space.basis * self.weight).astype(np.float32)

    def __call__(self, row: Floats) -> Floats:
        """Return z float32 [K] of one vector float32 [D]."""
        z: Floats = self.basis.dot(row)
        z -= self.center
        return z
