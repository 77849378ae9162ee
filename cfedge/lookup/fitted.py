"""What a lookup computes of all tasks' statistics before it looks anything up: of a thousand tasks a
second's work, and the same each time. As arrays it can be kept.

Letters: T tasks, C clusters, D width, K kept directions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cfedge.lookup.cluster_statistics import ClusterStatistics
from cfedge.lookup.kept import Arrays, check_arrays, odd
from cfedge.lookup.lda import MIN_SPREAD, Pooled, Space, discriminants, pool

__all__ = ["Fitted", "moments"]

Doubles = NDArray[np.float64]

#: Of the arrays to keep: dtype and sizes.
_KINDS = {
    "sizes": (np.int64, "T"),
    "counts": (np.int64, "C"),
    "center": (np.float64, "D"),
    "basis": (np.float64, "DK"),
    "variances": (np.float64, "K"),
    "within": (np.float64, "DD"),
    "clusters": (np.float32, "CK"),
    "offsets": (np.float32, "C"),
    "mean": (np.float64, "D"),
    "spread": (np.float64, "DD"),
    "numbers": (np.float64, "N"),
}


class Fitted(NamedTuple):
    """What follows from the signatures of all tasks.

    Attributes
    ----------
    sizes
        int64 [T], how many clusters each task has, in the order of the tasks' names.
    counts
        int64 [C], the examples of each cluster.
    space
        The directions in which clusters differ.
    within
        float64 [D, D], the shared covariance before it is shrunk.
    factor_rows
        The most that one cluster's factor has.
    clusters, offsets
        float32 [C, K] and [C], see `cfedge.lookup.cluster_table`.
    mean, spread
        float64 [D] and [D, D]: of the class means, each of which counts once.
    """

    sizes: NDArray[np.int64]
    counts: NDArray[np.int64]
    space: Space
    within: NDArray[np.float64]
    factor_rows: int
    clusters: NDArray[np.float32]
    offsets: NDArray[np.float32]
    mean: NDArray[np.float64]
    spread: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        signatures: Iterable[ClusterStatistics],
        *,
        shrinkage: float | None = None,
        min_spread: float = MIN_SPREAD,
    ) -> Fitted:
        """Compute it of statistics in the order of their tasks' names.

        Parameters
        ----------
        shrinkage, min_spread
            See `cfedge.lookup.Lookup`.
        """
        pooled = pool(signatures)
        space = discriminants(pooled, shrinkage=shrinkage, min_spread=min_spread)
        clusters, offsets = _scored_by(pooled, space)
        mean, spread = moments(pooled.means)
        return cls(
            np.array([len(counts) for counts in pooled.counts], np.int64),
            np.concatenate(pooled.counts),
            space,
            pooled.scatter / pooled.examples,
            pooled.factor_rows,
            clusters,
            offsets,
            mean,
            spread,
        )

    @property
    def extent(self) -> tuple[int, ...]:
        """Tasks, clusters and the width of features."""
        return len(self.sizes), len(self.counts), len(self.mean)

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return the arrays to keep."""
        return {
            "sizes": self.sizes,
            "counts": self.counts,
            "center": self.space.center,
            "basis": self.space.basis,
            "variances": self.space.spread,
            "within": self.within,
            "clusters": self.clusters,
            "offsets": self.offsets,
            "mean": self.mean,
            "spread": self.spread,
            "numbers": np.array([self.space.shrinkage, self.factor_rows], np.float64),
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays, what: str) -> Fitted:
        """Wrap what `arrays` returned.

        Raises
        ------
        IncompatibleError
            Naming `what`: it is something else.
        """
        found: dict[str, Any] = dict(arrays)
        sizes = check_arrays(found, _KINDS, what)
        if int(found["sizes"].sum()) != sizes["C"] or sizes["N"] != 2:
            raise odd(what, f"as many clusters as tasks have, {sizes['C']}", "others")
        shrinkage, rows = found.pop("numbers").tolist()
        center, basis = found.pop("center"), found.pop("basis")
        space = Space(center, basis, found.pop("variances"), shrinkage)
        return cls(**found, space=space, factor_rows=int(rows))


def _scored_by(pooled: Pooled, space: Space) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What the scores of clusters are linear in, float32 [C, K], and their offsets [C]."""
    count, weight = sum(map(len, pooled.counts)), space.weight
    clusters, offsets = np.empty((count, len(weight)), np.float32), np.empty(count, np.float32)
    start = 0
    for means in pooled.means:
        span = slice(start, start := start + len(means))
        whitened = (means - space.center) @ space.basis
        clusters[span] = whitened / weight
        offsets[span] = 0.5 * np.einsum("ck,ck->c", whitened, whitened)
    return clusters, offsets


def moments(groups: Sequence[NDArray[np.floating]]) -> tuple[Doubles, Doubles]:
    """Return mean and covariance of vectors, of which [.., D] are there at a time."""
    count = sum(map(len, groups))
    mean = sum(rows.sum(axis=0, dtype=np.float64) for rows in groups) / count
    spread = np.zeros((len(mean), len(mean)))
    for rows in groups:
        apart = rows - mean
        spread += apart.T @ apart
    return mean, spread / count
