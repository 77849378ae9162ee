"""Exact statistics of a task's features are sums: how two are added, and how those of some classes are
taken out of them.

Letters: D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cfedge.lookup import ClusterStatistics

__all__ = ["added", "own", "share_of", "thin", "together"]


def added(
    one: ClusterStatistics, more: ClusterStatistics, places: Sequence[int] | NDArray[np.int64]
) -> ClusterStatistics:
    """Add two exact statistics: counts and means by cluster, and the scatter about the joint means.

    Parameters
    ----------
    places
        Of each cluster of `more`, its position in the sum, where those of `one` come first.
    """
    joined = np.asarray(places, np.int64)
    size = max(len(one.counts), int(joined.max()) + 1)
    width = one.means.shape[1]
    counts = np.zeros(size, np.int64)
    means = np.zeros((size, width))
    counts[: len(one.counts)], means[: len(one.counts)] = one.counts, one.means
    shifts = []
    for place, count, mean in zip(joined.tolist(), more.counts, more.means, strict=True):
        here, both = int(counts[place]), int(counts[place] + count)
        # two groups about their joint mean: their own scatters, and n m / (n + m) of the squared
        # distance of their means
        shifts.append(np.sqrt(here * count / both) * (means[place] - mean))
        means[place] = (here * means[place] + count * mean) / both
        counts[place] = both
    factor = np.concatenate([one.factor, more.factor, np.stack(shifts)]).astype(np.float64)
    joint = ClusterStatistics(
        counts=counts,
        means=means,
        factor=factor,
        diagonal=np.zeros(width, np.float32),
        quartic=one.quartic + more.quartic,
        factor_classes=np.concatenate([one.factor_classes, joined[more.factor_classes], joined]),
    )
    return thin(joint)


def thin(one: ClusterStatistics) -> ClusterStatistics:
    """Keep of each class as many rows of the factor as it has columns, with the same scatter; in
    the order of the classes.
    """
    parts, width = [], one.factor.shape[1]
    for label in range(len(one.counts)):
        rows = one.factor[one.factor_classes == label].astype(np.float64)
        parts.append(np.linalg.qr(rows, mode="r") if len(rows) > width else rows)
    return replace(
        one,
        factor=np.concatenate(parts),
        factor_classes=np.repeat(np.arange(len(parts)), [len(rows) for rows in parts]),
    )


def together(one: ClusterStatistics) -> ClusterStatistics:
    """Put the scatter of all classes into as many rows as it has columns, under the first class."""
    factor = one.factor.astype(np.float64)
    if len(factor) > factor.shape[1]:
        factor = np.asarray(np.linalg.qr(factor, mode="r"), np.float64)
    return replace(one, factor=factor, factor_classes=np.zeros(len(factor), np.int64))


def share_of(one: ClusterStatistics, places: Sequence[int]) -> ClusterStatistics:
    """Of some classes: the scatter of all together, as much of it as these have of the examples."""
    counts = one.counts[list(places)]
    share = float(counts.sum()) / float(one.counts.sum())
    return replace(
        one,
        counts=counts,
        means=one.means[list(places)],
        factor=one.factor * np.sqrt(share),
        quartic=one.quartic * share,
    )


def own(one: ClusterStatistics, places: Sequence[int]) -> ClusterStatistics:
    """Of some classes, each with its own scatter."""
    rows = np.isin(one.factor_classes, places)
    shared = share_of(one, places)
    classes = np.searchsorted(places, one.factor_classes[rows]).astype(np.int64)
    return replace(shared, factor=one.factor[rows], factor_classes=classes)
