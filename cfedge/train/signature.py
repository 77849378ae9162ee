"""A task's signatures from its features: clusters of each class, scatter as low-rank factor +
diagonal.

The full scatter would cost D (D + 1) / 2 numbers (docs/decisions/0024-views.md has what lower ranks
lose). Letters: N examples, D width, C classes, K factor rank.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cfedge.lookup import ClusterStatistics, Features, TaskSignature
from cfedge.lookup.finite import finite_rows
from cfedge.lookup.packing import from_first, on_grid
from cfedge.train.settings import CLUSTERS

__all__ = [
    "EXAMPLES_A_CLUSTER",
    "FACTOR_RANK",
    "TAIL_RANK",
    "class_quartic",
    "clusters_of",
    "clusters_of_classes",
    "compressed",
    "exact_statistics",
    "learn_signature",
    "signature",
]

#: Rows of the scatter's factor behind the trunk and behind the tail (docs/decisions/0003-lookup.md).
FACTOR_RANK, TAIL_RANK = 48, 36
#: Examples that each cluster of a class takes, for the second stage.
EXAMPLES_A_CLUSTER = 20

Floats = NDArray[np.float32]


def learn_signature(
    features: Features,
    classes: NDArray[np.int64],
    clusters: int = CLUSTERS,
    first_width: int | None = None,
) -> TaskSignature:
    """Summarise a task's features for all stages.

    Parameters
    ----------
    features
        Of N examples.
    classes
        int64 [N] in 0..C-1, each at least once.
    clusters
        A class, for the second stage, at most.
    first_width
        Of the trunk's first view; None: as wide as the tail's features.

    Raises
    ------
    InputError
        A feature is NaN or infinite.
    """
    finite_rows(features.trunk)
    position, cluster_classes = clusters_of_classes(features.trunk, classes, clusters)
    return TaskSignature(
        fine=signature(features.trunk, position),
        cluster_classes=cluster_classes,
        quartic=class_quartic(features, classes, first_width),
        tail=signature(features.tail, classes, rank=TAIL_RANK),
        first_width=first_width,
    )


def class_quartic(
    features: Features, classes: NDArray[np.int64], first_width: int | None = None
) -> float:
    """Return the fourth moment of the trunk's first view about the classes' means."""
    view = features.trunk[:, : first_width or features.tail.shape[1]].astype(np.float64)
    quartic = 0.0
    for one in range(int(classes.max()) + 1):
        own = view[classes == one]
        quartic += float((((own - own.mean(axis=0)) ** 2).sum(axis=1) ** 2).sum())
    return quartic


def clusters_of_classes(
    features: Floats, classes: NDArray[np.int64], clusters: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the cluster of each row, int64 [N], and the class of each cluster: as many a class as
    `EXAMPLES_A_CLUSTER` allows, at most `clusters`.
    """
    x = features.astype(np.float64)
    position = np.empty(len(classes), np.int64)
    cluster_classes: list[int] = []
    for one in range(int(classes.max()) + 1):
        rows = np.flatnonzero(classes == one)
        wanted = min(clusters, max(1, len(rows) // EXAMPLES_A_CLUSTER))
        found = clusters_of(x[rows], wanted, np.random.default_rng(one))
        position[rows] = len(cluster_classes) + found
        cluster_classes += [one] * (int(found.max()) + 1)
    return position, np.array(cluster_classes, np.int64)


def clusters_of(
    x: NDArray[np.float64], clusters: int, rng: np.random.Generator, restarts: int = 4
) -> NDArray[np.int64]:
    """Return the k-means cluster of each row, int64 [N], numbered from 0 without a gap: Lloyd's
    iterations from k-means++.

    In NumPy, since a device that adds tasks has no scikit-learn; the tests hold it against
    scikit-learn's.

    Parameters
    ----------
    x
        float64 [N, D].
    clusters
        At most so many: fewer where rows coincide.
    restarts
        Of which the one with the least sum of squares is taken.
    """
    best, least = np.zeros(len(x), np.int64), np.inf
    for _ in range(restarts if clusters > 1 else 0):
        centers = x[rng.integers(len(x), size=1)]
        while len(centers) < clusters:
            nearest = ((x[:, None, :] - centers[None]) ** 2).sum(axis=2).min(axis=1)
            if nearest.sum() <= 0:
                break
            centers = np.concatenate(
                [centers, x[rng.choice(len(x), size=1, p=nearest / nearest.sum())]]
            )
        for _ in range(50):
            squares = ((x[:, None, :] - centers[None]) ** 2).sum(axis=2)
            found = squares.argmin(axis=1)
            moved = np.stack([x[found == one].mean(axis=0) for one in np.unique(found)])
            if moved.shape == centers.shape and np.array_equal(moved, centers):
                break
            centers = moved
        squares = ((x[:, None, :] - centers[None]) ** 2).sum(axis=2)
        if (inertia := float(squares.min(axis=1).sum())) < least:
            best, least = squares.argmin(axis=1), inertia
    return np.unique(best, return_inverse=True)[1].astype(np.int64)


def exact_statistics(
    features: NDArray[np.float32], classes: NDArray[np.int64]
) -> ClusterStatistics:
    """Summarise features without loss: the factor's rows are the residuals themselves.

    Parameters
    ----------
    features
        float32 [N, D].
    classes
        int64 [N] in 0..C-1, each at least once.

    Raises
    ------
    InputError
        A feature is NaN or infinite.
    """
    finite_rows(features)
    x = features.astype(np.float64)
    counts = np.bincount(classes)
    means = np.zeros((len(counts), x.shape[1]))
    np.add.at(means, classes, x)
    means /= counts[:, None]
    residuals = x - means[classes]
    return ClusterStatistics(
        counts=counts.astype(np.int64),
        means=means,
        factor=residuals,
        diagonal=np.zeros(x.shape[1], np.float32),
        quartic=float(((residuals**2).sum(axis=1) ** 2).sum()),
    )


def signature(
    features: NDArray[np.float32], classes: NDArray[np.int64], rank: int = FACTOR_RANK
) -> ClusterStatistics:
    """Summarise features in a signature that travels; parameters and errors as of `exact_statistics`.

    Parameters
    ----------
    rank
        Rows of the factor, at most; fewer where the scatter has fewer dimensions.

    Returns
    -------
    ClusterStatistics
        `factor` holds the leading eigenvectors of the scatter times the roots of their eigenvalues,
        `diagonal` the rest of its diagonal, so that the diagonal is kept up to rounding.
    """
    return compressed(exact_statistics(features, classes), rank)


def compressed(exact: ClusterStatistics, rank: int = FACTOR_RANK) -> ClusterStatistics:
    """Return what travels of exact statistics; see `signature`."""
    scatter = exact.factor.T @ exact.factor
    values, vectors = np.linalg.eigh(scatter)
    kept = min(rank, int((values > values[-1] * 1e-10).sum()) if values[-1] > 0 else 0)
    order = np.argsort(values)[::-1][:kept]
    factor = on_grid((vectors[:, order] * np.sqrt(values[order])).T)
    rest = np.diag(scatter) - (factor.astype(np.float64) ** 2).sum(axis=0)
    return ClusterStatistics(
        counts=exact.counts,
        means=from_first(exact.means),
        factor=factor,
        diagonal=np.maximum(rest, 0.0).astype(np.float32),
        quartic=exact.quartic,
    )
