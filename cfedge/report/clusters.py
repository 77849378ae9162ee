"""The clusters of all tasks on a map, from their signatures alone: no input is needed.

Distances are those by which the lookup decides: between the clusters' means, in units of the shared
covariance (`cfedge.lookup.Lookup.whitened`). A plane cannot keep them all, so the map says how far it
may be believed. Two projections are made, and the one that keeps more nearest neighbours is taken:
principal components, which are linear, and t-SNE (van der Maaten and Hinton 2008), which keeps
neighbours together and says little of what lies far apart. Both begin at the same place and draw no
lots: the same signatures give the same map.

Letters: C clusters, K directions.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cfedge.lookup import ClusterStatistics, Lookup
from cfedge.report.evidence import ClusterMap, Faithfulness, MapPoint

__all__ = ["cluster_map", "place"]

Floats = NDArray[np.float64]

#: Clusters up to which t-SNE is tried: it takes C^2 work a step.
_MOST_EMBEDDED = 700
#: Points up to which each class has one; of more, each task has one.
_MOST_POINTS = 800
_NEIGHBOURS = 5
_STEPS = 400
#: Of t-SNE: steps with the attraction multiplied, and by what.
_EARLY, _MORE = 100, 6.0


def cluster_map(
    clusters: Mapping[str, ClusterStatistics],
    classes: Mapping[str, tuple[str, ...]],
) -> ClusterMap:
    """Return where every class lies among those of all tasks.

    Parameters
    ----------
    clusters
        By task, as the lookup of the bundle knows them.
    classes
        By task, the names of its clusters, in their order.
    """
    lookup = Lookup(clusters)
    names = [(task, label) for task in lookup.tasks for label in classes[task]]
    weights = np.concatenate([clusters[task].counts for task in lookup.tasks])
    whitened = lookup.whitened
    if len(names) > _MOST_POINTS:
        spans = [lookup.spans[position] for position in range(len(lookup.tasks))]
        whitened = np.stack([whitened[span].mean(axis=0) for span in spans])
        weights = np.array([weights[span].sum() for span in spans])
        names = [(task, "all classes") for task in lookup.tasks]
    method, plane = _projected(whitened)
    points = tuple(
        MapPoint(task, label, int(count), round(float(x), 4), round(float(y), 4))
        for (task, label), count, (x, y) in zip(names, weights, plane, strict=True)
    )
    owners = np.array([task for task, _ in names])
    return ClusterMap(method, points, _faithfulness(whitened, plane, owners))


def place(cluster_scores: NDArray[np.floating], points: Floats) -> tuple[float, float]:
    """Return where an input lies on the map: at the mean of the five clusters that score best,
    weighted by how much they say for it.

    Parameters
    ----------
    cluster_scores
        [C], of one input (`cfedge.lookup.Lookup.cluster_scores`), in nats.
    points
        float64 [C, 2], of the map, in the same order.
    """
    scores = np.asarray(cluster_scores, np.float64)
    best = np.argsort(-scores, kind="stable")[:_NEIGHBOURS]
    # A tenth of a nat counts: the nearest cluster would else hide all others.
    weights = np.exp((scores[best] - scores[best[0]]) / 10)
    x, y = (weights[:, None] * points[best]).sum(axis=0) / weights.sum()
    return float(x), float(y)


def _projected(whitened: Floats) -> tuple[str, Floats]:
    """Return the projection that keeps more nearest neighbours, float64 [C, 2] within [-1, 1]."""
    linear = _scaled(_principal(whitened))
    if not 4 <= len(whitened) <= _MOST_EMBEDDED:
        return "principal components", linear
    embedded = _scaled(_embedded(whitened, linear))
    far = _distances(whitened)
    kept = [_kept(far, _distances(plane), _NEIGHBOURS) for plane in (linear, embedded)]
    return ("t-SNE", embedded) if kept[1] > kept[0] else ("principal components", linear)


def _principal(points: Floats) -> Floats:
    """Return the two directions of most variance, float64 [C, 2]; each with its largest entry
    positive, so that no library's choice of sign turns the map.
    """
    centred = points - points.mean(axis=0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    plane = np.zeros((len(points), 2))
    for axis in range(min(2, len(sizes))):
        column = left[:, axis] * sizes[axis]
        plane[:, axis] = column * (1.0 if column[np.abs(column).argmax()] >= 0 else -1.0)
    return plane


def _embedded(points: Floats, start: Floats) -> Floats:
    """Return the t-SNE of points [C, K] from a start [C, 2], by gradient descent with momentum."""
    wanted = _affinities(_distances(points) ** 2)
    plane, step = start * 1e-2, np.zeros_like(start)
    gains = np.ones_like(start)
    rate = max(10.0, len(points) / 4)
    for number in range(_STEPS):
        early = number < _EARLY
        near = 1.0 / (1.0 + _distances(plane) ** 2)
        np.fill_diagonal(near, 0.0)
        force = (wanted * (_MORE if early else 1.0) - near / near.sum()) * near
        gradient = 4 * (force.sum(axis=1)[:, None] * plane - force @ plane)
        gains = np.where(np.sign(gradient) == np.sign(step), gains * 0.8, gains + 0.2).clip(0.01)
        step = (0.5 if early else 0.8) * step - rate * gains * gradient
        plane = plane + step
        plane -= plane.mean(axis=0)
    return plane


def _affinities(squares: Floats) -> Floats:
    """Return the symmetric affinities [C, C] of sum 1, each row of a perplexity of at most 12."""
    count = len(squares)
    target = np.log(min(12.0, max(2.0, (count - 1) / 3)))
    low, high = np.full(count, 1e-12), np.full(count, np.inf)
    beta = 1.0 / np.maximum(np.median(squares, axis=1), 1e-12)
    shifted = squares + np.diag(np.full(count, np.inf))
    shifted = shifted - shifted.min(axis=1, keepdims=True)
    rows = np.zeros_like(squares)
    for _ in range(60):
        with np.errstate(under="ignore", invalid="ignore"):
            rows = np.exp(-shifted * beta[:, None])
        rows /= rows.sum(axis=1, keepdims=True)
        entropy = -(rows * np.log(np.maximum(rows, 1e-300))).sum(axis=1)
        wide = entropy > target
        low, high = np.where(wide, beta, low), np.where(wide, high, beta)
        beta = np.where(np.isinf(high), beta * 2, (low + np.minimum(high, 1e300)) / 2)
    return (rows + rows.T) / (2 * count)


def _scaled(plane: Floats) -> Floats:
    """Turn a map so that it is widest from left to right, and scale it into [-1, 1]."""
    plane = _principal(plane)
    centred = plane - (plane.max(axis=0) + plane.min(axis=0)) / 2
    most = float(np.abs(centred).max())
    scaled: Floats = centred / most if most > 0 else centred
    return scaled


def _distances(points: Floats) -> Floats:
    squares = (points**2).sum(axis=1)
    distances: Floats = np.sqrt(np.maximum(squares[:, None] + squares - 2 * points @ points.T, 0.0))
    return distances


def _nearest(distances: Floats, count: int) -> NDArray[np.int64]:
    apart = distances + np.diag(np.full(len(distances), np.inf))
    nearest: NDArray[np.int64] = np.argsort(apart, axis=1, kind="stable")[:, :count]
    return nearest


def _kept(far: Floats, near: Floats, count: int) -> float:
    """Share of each point's nearest that are among its nearest on the map too."""
    count = min(count, len(far) - 1)
    pairs = zip(_nearest(far, count), _nearest(near, count), strict=True)
    return float(np.mean([len(set(one) & set(other)) / count for one, other in pairs]))


def _faithfulness(points: Floats, plane: Floats, owners: NDArray[np.str_]) -> Faithfulness | None:
    """Hold the map against the distances that it shows; None of fewer than three clusters."""
    if len(points) < 3:
        return None
    far, near = _distances(points), _distances(plane)
    count = min(_NEIGHBOURS, len(points) - 1)
    same = None
    if len(set(owners)) > 1:
        other = owners[:, None] != owners
        rivals = [owners[np.where(other, one, np.inf).argmin(axis=1)] for one in (far, near)]
        same = float((rivals[0] == rivals[1]).mean())
    pairs = np.triu_indices(len(points), 1)
    ranks = [one[pairs].argsort(kind="stable").argsort(kind="stable") for one in (far, near)]
    spread = [one - one.mean() for one in ranks]
    size = float(np.sqrt((spread[0] ** 2).sum() * (spread[1] ** 2).sum()))
    correlation = float((spread[0] * spread[1]).sum()) / size if size else 0.0
    return Faithfulness(count, round(_kept(far, near, count), 4), same, round(correlation, 4))
