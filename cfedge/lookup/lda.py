"""Linear discriminant analysis of many tasks, from the sums that they leave. Pure.

With m_c the cluster means, m_0 the mean of all, S the within-cluster covariance shared by all tasks
(Ledoit-Wolf shrunk) and S_0 = S + between-cluster covariance the background's: S and S_0 are
diagonal in one basis U, U' S U = I and U' S_0 U = diag(v), v >= 1. Where v is near 1 the cluster
means hardly differ, so only directions whose v - 1, the clusters' variance in units of the variance
within them, is above `MIN_SPREAD` are kept.

Statistics of several tasks are sums, taken in the order in which the tasks are given. With n examples
of C clusters, n - C differences say how clusters spread; where all tasks have fewer than `FEW`, so
many are made up as are missing. Each is worth `TYPICAL` of the examples' mean squared length, the
same in every direction: one or two differences would call whatever lies beside them unknown
(docs/decisions/0067-two-examples.md).

Letters: D width, C clusters, K kept directions.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cfedge.lookup.cluster_statistics import ClusterStatistics

__all__ = [
    "FEW",
    "MIN_SPREAD",
    "Pooled",
    "RIDGE",
    "SHRINKAGE_FACTOR",
    "Space",
    "TYPICAL",
    "discriminants",
    "pool",
    "shared_covariance",
    "shrunk",
]

#: Added to the shared covariance, relative to its mean variance, so that it can be inverted
#: whatever the data.
RIDGE = 1e-6

#: Times Ledoit and Wolf's intensity, which is best for the covariance itself; telling classes apart
#: wants more where examples are few and does not mind where they are many
#: (docs/decisions/0003-lookup.md).
SHRINKAGE_FACTOR = 4.0

#: Differences of examples from their means that a spread is made of at least, and what one that is
#: made up is worth of the examples' mean squared length.
FEW, TYPICAL = 16, 0.3

#: Least variance between clusters, in units of that within them, of a direction that is kept; at
#: most a twentieth of the largest.
MIN_SPREAD = 0.1

#: Tasks whose signatures are held, and multiplied, at once: ten products in one take half the time,
#: and of a thousand tasks no more memory is needed than of these.
_AT_ONCE = 16


class Pooled(NamedTuple):
    """Sums over tasks: each task's counts, the means [C, D] of up to `_AT_ONCE` tasks at a time,
    what `shared_covariance` needs (made up where examples are few), and the most rows that one cluster's factor has.
    """

    counts: list[NDArray[np.int64]]
    means: list[NDArray[np.floating]]
    scatter: NDArray[np.float64]
    examples: float
    quartic: float
    factor_rows: int


def pool(signatures: Iterable[ClusterStatistics]) -> Pooled:
    """Add the statistics of tasks up, at least one; each is asked for once."""
    counts: list[NDArray[np.int64]] = []
    means: list[NDArray[np.floating]] = []
    scatter = np.zeros((0, 0))
    examples, quartic, factor_rows = 0.0, 0.0, 0
    rest = iter(signatures)
    while some := list(itertools.islice(rest, _AT_ONCE)):
        width = some[0].means.shape[1]
        if not means:
            scatter = np.zeros((width, width))
        counts += [one.counts for one in some]
        means.append(np.concatenate([one.means for one in some]))
        factor = np.concatenate([one.factor for one in some])
        scatter += (
            factor.T @ factor
        )  # of whole multiples of powers of two: float32 rounds sums only
        for one in some:
            scatter[np.diag_indices(width)] += one.diagonal
            examples += float(one.counts.sum())
            quartic += one.quartic
            factor_rows = max(factor_rows, int(np.bincount(one.factor_classes, minlength=1).max()))
        some.clear()  # before others are made
    missing = FEW - (examples - sum(map(len, counts)))
    if missing > 0:
        made_up = TYPICAL * _squared_length(counts, means, scatter)
        scatter[np.diag_indices(len(scatter))] += missing * made_up / len(scatter)
        examples, quartic = examples + missing, quartic + missing * made_up**2
    return Pooled(counts, means, scatter, examples, quartic, factor_rows)


def _squared_length(
    counts: list[NDArray[np.int64]],
    means: list[NDArray[np.floating]],
    scatter: NDArray[np.float64],
) -> float:
    """The mean of |x|^2 over all examples."""
    every = np.concatenate(counts)
    lengths = (np.concatenate(means).astype(np.float64) ** 2).sum(axis=1)
    return float((every @ lengths + np.trace(scatter)) / every.sum())


def shared_covariance(
    signatures: Iterable[ClusterStatistics], shrinkage: float | None
) -> tuple[NDArray[np.float64], float]:
    """Pooled within-cluster covariance [D, D], shrunk to a scaled identity, and the shrinkage in
    [0, 1].

    The intensity is `SHRINKAGE_FACTOR` times Ledoit and Wolf's (2004), from the sums alone: with n
    examples, S = scatter / n and t = tr(S) / D, beta = (quartic / n - |S|^2) / (n D), delta =
    (|S|^2 - D t^2) / D, intensity = min(1, factor * beta / delta).
    """
    return shrunk(pool(signatures), shrinkage)


def shrunk(pooled: Pooled, shrinkage: float | None) -> tuple[NDArray[np.float64], float]:
    """Return what `shared_covariance` does, of sums."""
    examples, width = pooled.examples, len(pooled.scatter)
    covariance = pooled.scatter / examples
    level = float(np.trace(covariance)) / width
    if level <= 0:
        return np.eye(width), 1.0
    square = float((covariance**2).sum())
    beta = (pooled.quartic / examples - square) / (examples * width)
    delta = (square - width * level**2) / width
    if shrinkage is not None:
        intensity = shrinkage
    else:
        intensity = 1.0 if delta <= 0 else float(np.clip(SHRINKAGE_FACTOR * beta / delta, 0.0, 1.0))
    covariance = (1 - intensity) * covariance
    covariance[np.diag_indices(width)] += (intensity + RIDGE) * level
    return covariance, intensity


class Space(NamedTuple):
    """The directions in which clusters differ.

    Attributes
    ----------
    center
        float64 [D], m_0.
    basis
        float64 [D, K], U.
    spread
        float64 [K], v > 1; infinite where there is one cluster only: that would be its own
        background, so the plain Mahalanobis distance is what is left.
    shrinkage
        Of the shared covariance, in [0, 1].
    """

    center: NDArray[np.float64]
    basis: NDArray[np.float64]
    spread: NDArray[np.float64]
    shrinkage: float

    @property
    def weight(self) -> NDArray[np.float64]:
        """w^1/2 with w = 1 - 1/v, float64 [K]: by how much a direction tells clusters apart."""
        return np.asarray(np.sqrt(1.0 - 1.0 / self.spread))


def discriminants(
    pooled: Pooled, *, shrinkage: float | None = None, min_spread: float = MIN_SPREAD
) -> Space:
    """Find the directions in which the clusters of all tasks differ.

    Let A [C, D] hold the cluster means about the mean of all, weighted by the roots of their
    shares. Where there are fewer clusters than dimensions, (A S^-1 A') u = (v - 1) u gives U = S^-1
    A' u / sqrt(v - 1), so that nothing of [D, D] is decomposed; otherwise A' A is summed, so that A
    is never there as a whole.

    Parameters
    ----------
    shrinkage, min_spread
        See `cfedge.lookup.Lookup`.
    """
    covariance, shrinkage = shrunk(pooled, shrinkage)
    center, apart = _centered(pooled)
    if few := sum(map(len, pooled.counts)) < len(covariance):
        among = np.concatenate(list(apart))
        solved = np.linalg.solve(covariance, among.T)
        gram = among @ solved
        spread, vectors = np.linalg.eigh((gram + gram.T) / 2)
    else:
        whiten = np.linalg.inv(np.linalg.cholesky(covariance)).T
        between = whiten.T @ sum(rows.T @ rows for rows in apart) @ whiten
        spread, vectors = np.linalg.eigh((between + between.T) / 2)
    largest = float(spread[-1])
    kept = spread > max(min(min_spread, largest / 20), max(largest, 1.0) * 1e-9)
    if not kept.any():
        basis = np.linalg.inv(np.linalg.cholesky(covariance)).T
        return Space(center, basis, np.full(len(covariance), np.inf), shrinkage)
    spread, vectors = spread[kept], vectors[:, kept]
    basis = solved @ vectors / np.sqrt(spread) if few else whiten @ vectors
    return Space(center, basis, 1.0 + spread, shrinkage)


def _centered(pooled: Pooled) -> tuple[NDArray[np.float64], Iterator[NDArray[np.float64]]]:
    """The mean of all [D], and the rows of A, some at a time."""
    counts = np.concatenate(pooled.counts).astype(np.float64)
    ends = list(itertools.accumulate((len(means) for means in pooled.means), initial=0))
    parts = [
        (means, counts[start:stop])
        for means, (start, stop) in zip(pooled.means, itertools.pairwise(ends), strict=True)
    ]
    total = counts.sum()
    center: NDArray[np.float64] = (
        sum(weights @ means.astype(np.float64) for means, weights in parts) / total
    )
    apart = ((means - center) * np.sqrt(weights / total)[:, None] for means, weights in parts)
    return center, apart
