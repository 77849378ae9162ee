"""Exact statistics of a task's features, kept in the workspace so that more examples can be added
when the data are gone: sums, which add up.

A signature that travels keeps the leading directions of the scatter alone; here all of it stays,
behind the trunk, behind the frozen tail, and behind the tail with the task's own adapter. Two parts
of one data set, added, are the statistics of the whole up to rounding; only the fourth moment, which
sets the shrinkage's intensity, is that of each part about its own means.

Letters: N examples, D width, C classes, K clusters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cfedge.bundle.files import dump_arrays, load_arrays
from cfedge.lookup import ClusterStatistics, Features, TaskSignature
from cfedge.train.signature import (
    TAIL_RANK,
    class_quartic,
    clusters_of_classes,
    compressed,
    exact_statistics,
)

__all__ = ["TaskStatistics", "added", "by_class"]

Floats = NDArray[np.float32]
_SPACES = ("trunk", "tail", "adapted")


@dataclass(frozen=True)
class TaskStatistics:
    """What a task's examples leave.

    Attributes
    ----------
    trunk
        Of the trunk's features, by cluster.
    cluster_classes
        Class of each of those clusters, int64 [K].
    quartic
        Fourth moment of the trunk's first view about the classes' means.
    tail, adapted
        Of the tail's features, by class: without an adapter, and with the task's own.
    first_width
        Of the trunk's first view.
    """

    trunk: ClusterStatistics
    cluster_classes: NDArray[np.int64]
    quartic: float
    tail: ClusterStatistics
    adapted: ClusterStatistics
    first_width: int

    @classmethod
    def of(
        cls,
        features: Features,
        adapted: Floats,
        classes: NDArray[np.int64],
        clusters: int,
        first_width: int,
    ) -> TaskStatistics:
        """Summarise N examples without loss.

        Parameters
        ----------
        features, adapted
            Behind trunk and frozen tail, and behind the adapted tail, float32 [N, D] each.
        classes
            int64 [N] in 0..C-1, each at least once.
        clusters
            A class, behind the trunk, at most.
        first_width
            Of the trunk's first view.
        """
        position, cluster_classes = clusters_of_classes(features.trunk, classes, clusters)
        return cls(
            trunk=exact_statistics(features.trunk, position),
            cluster_classes=cluster_classes,
            quartic=class_quartic(features, classes, first_width),
            tail=exact_statistics(features.tail, classes),
            adapted=exact_statistics(adapted, classes),
            first_width=first_width,
        )

    def signature(self) -> TaskSignature:
        """Return what travels of it."""
        return TaskSignature(
            fine=compressed(self.trunk),
            cluster_classes=self.cluster_classes,
            quartic=self.quartic,
            tail=compressed(self.tail, TAIL_RANK),
            first_width=self.first_width,
        )

    def with_more(self, more: TaskStatistics, classes: Sequence[int]) -> TaskStatistics:
        """Return the statistics of both data sets together.

        Parameters
        ----------
        classes
            Of each class of `more`, its position in the joint list; this one's come first, in their
            order.
        """
        own = np.asarray(classes, np.int64)
        trunk, known = self._clusters_of(more, own)
        return TaskStatistics(
            trunk=trunk,
            cluster_classes=known,
            quartic=self.quartic + more.quartic,
            tail=added(self.tail, more.tail, own),
            adapted=added(self.adapted, more.adapted, own),
            first_width=self.first_width,
        )

    def _clusters_of(
        self, more: TaskStatistics, own: NDArray[np.int64]
    ) -> tuple[ClusterStatistics, NDArray[np.int64]]:
        """Join each cluster of `more` with the nearest one of its class here; those of new classes
        are new.
        """
        known = list(self.cluster_classes)
        places = []
        for mean, label in zip(more.trunk.means, own[more.cluster_classes], strict=True):
            rivals = np.flatnonzero(self.cluster_classes == label)
            if len(rivals):
                far = ((self.trunk.means[rivals] - mean) ** 2).sum(axis=1)
                places.append(int(rivals[far.argmin()]))
            else:
                places.append(len(known))
                known.append(label)
        return added(self.trunk, more.trunk, places), np.array(known, np.int64)

    def without(self, label: int) -> TaskStatistics:
        """Return them without a class; what it gave to the shared scatter stays."""
        kept = np.flatnonzero(self.cluster_classes != label)
        rest = np.delete(np.arange(len(self.tail.counts)), label)
        classes = self.cluster_classes[kept]
        return replace(
            self,
            trunk=_taken(self.trunk, kept),
            cluster_classes=classes - (classes > label),
            tail=_taken(self.tail, rest),
            adapted=_taken(self.adapted, rest),
        )

    def dumped(self) -> bytes:
        """Return the bytes of its file."""
        arrays: dict[str, NDArray[np.generic]] = {
            "cluster_classes": self.cluster_classes,
            "quartic": np.array([self.quartic], np.float64),
            "first_width": np.array([self.first_width], np.int64),
        }
        for space in _SPACES:
            one = _thin(getattr(self, space))
            arrays[f"{space}.counts"] = one.counts
            arrays[f"{space}.means"] = one.means.astype(np.float64)
            arrays[f"{space}.factor"] = one.factor.astype(np.float32)
            arrays[f"{space}.quartic"] = np.array([one.quartic], np.float64)
        return dump_arrays(arrays)

    @classmethod
    def parsed(cls, data: bytes, what: str) -> TaskStatistics:
        """Read what `dumped` wrote; `what` names it in errors (KeyError, ValueError)."""
        arrays = load_arrays(data, what)
        trunk, tail, adapted = (_read(arrays, space) for space in _SPACES)
        return cls(
            trunk,
            arrays["cluster_classes"].astype(np.int64),
            float(arrays["quartic"][0]),
            tail,
            adapted,
            int(arrays["first_width"][0]),
        )


def added(
    one: ClusterStatistics, more: ClusterStatistics, places: Sequence[int] | NDArray[np.int64]
) -> ClusterStatistics:
    """Add two exact statistics: counts and means by cluster, and the scatter about the joint means.

    Parameters
    ----------
    places
        Of each cluster of `more`, its position in the sum, where those of `one` come first.
    """
    size = max(len(one.counts), int(max(places)) + 1)
    width = one.means.shape[1]
    counts = np.zeros(size, np.int64)
    means = np.zeros((size, width))
    counts[: len(one.counts)], means[: len(one.counts)] = one.counts, one.means
    shifts = []
    for place, count, mean in zip(places, more.counts, more.means, strict=True):
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
    )
    return _thin(joint)


def by_class(one: ClusterStatistics, cluster_classes: NDArray[np.int64]) -> ClusterStatistics:
    """Return the statistics by class of those by cluster: what lies between the clusters of a class
    goes into the scatter.
    """
    counts = np.bincount(cluster_classes, one.counts).astype(np.int64)
    means = np.zeros((len(counts), one.means.shape[1]))
    np.add.at(means, cluster_classes, one.counts[:, None] * one.means)
    means /= counts[:, None]
    between = np.sqrt(one.counts)[:, None] * (one.means - means[cluster_classes])
    return replace(one, counts=counts, means=means, factor=np.concatenate([one.factor, between]))


def _thin(one: ClusterStatistics) -> ClusterStatistics:
    """Keep as many rows of the factor as it has columns, with the same scatter."""
    factor = one.factor.astype(np.float64)
    if factor.shape[0] > factor.shape[1]:
        factor = np.asarray(np.linalg.qr(factor, mode="r"), np.float64)
    return replace(one, factor=factor)


def _taken(one: ClusterStatistics, kept: NDArray[np.int64]) -> ClusterStatistics:
    return replace(one, counts=one.counts[kept], means=one.means[kept])


def _read(arrays: Mapping[str, NDArray[np.generic]], space: str) -> ClusterStatistics:
    means = arrays[f"{space}.means"].astype(np.float64)
    factor = arrays[f"{space}.factor"].astype(np.float64)
    counts = arrays[f"{space}.counts"].astype(np.int64)
    if means.shape != (len(counts), factor.shape[1]):
        raise ValueError(f"{space} of {means.shape} means, {counts.shape} counts")
    return ClusterStatistics(
        counts=counts,
        means=means,
        factor=factor,
        diagonal=np.zeros(means.shape[1], np.float32),
        quartic=float(arrays[f"{space}.quartic"].astype(np.float64)[0]),
    )
