"""Exact statistics of a task's features, kept in the workspace so that more examples can be added
when the data are gone: sums, which add up.

A signature that travels keeps the leading directions of each class's scatter alone; here all of it
stays, class by class for what travels, and of all classes together for what heads are made of. Two
parts of one data set, added, are the statistics of the whole up to rounding; only the fourth
moment, which sets the shrinkage's intensity, is that of each part about its own means.

Letters: N examples, D width, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from cfedge.bundle.arrays import dump_arrays, load_arrays
from cfedge.lookup import ClusterStatistics, Features, TaskSignature
from cfedge.train.features.known_examples import KnownExamples
from cfedge.train.features.signature import compressed, exact_statistics

__all__ = ["TaskStatistics", "added"]

Floats = NDArray[np.float32]
_SPACES = ("trunk", "near", "tail", "adapted")


@dataclass(frozen=True)
class TaskStatistics:
    """What a task's examples leave, one cluster a class in every space.

    Attributes
    ----------
    trunk, adapted
        Of the trunk's features, all views, and of the tail's with the task's own adapter: the
        scatter of all classes together.
    near, tail
        Of the trunk's first view, and of the tail's features without an adapter: each class's own
        scatter.
    known
        Which examples it is made of.
    """

    trunk: ClusterStatistics
    near: ClusterStatistics
    tail: ClusterStatistics
    adapted: ClusterStatistics
    known: KnownExamples = field(default_factory=KnownExamples.none)

    @classmethod
    def of(
        cls,
        features: Features,
        adapted: Floats,
        classes: NDArray[np.int64],
        first_width: int,
        keys: Sequence[str] = (),
    ) -> TaskStatistics:
        """Summarise N examples without loss.

        Parameters
        ----------
        features, adapted
            Behind trunk and frozen tail, and behind the adapted tail, float32 [N, D] each.
        classes
            int64 [N] in 0..C-1, each at least once.
        first_width
            Of the trunk's first view.
        keys
            What equal inputs have in common, of each; empty where nothing is to be marked.
        """
        view = features.trunk[:, :first_width]
        return cls(
            trunk=exact_statistics(features.trunk, classes, together=True),
            near=exact_statistics(view, classes),
            tail=exact_statistics(features.tail, classes),
            adapted=exact_statistics(adapted, classes, together=True),
            known=KnownExamples.of(keys, classes) if keys else KnownExamples.none(),
        )

    def signature(
        self, rank: int, more: Features | None = None, classes: NDArray[np.int64] | None = None
    ) -> TaskSignature:
        """Return what travels of it, of each class at most `rank` directions.

        Parameters
        ----------
        more, classes
            Further examples that count in it, and their classes int64 [N] in 0..C-1; the statistics
            stay as they are.
        """
        near, tail = self.near, self.tail
        if more is not None and classes is not None and len(classes):
            known, places = np.unique(classes, return_inverse=True)
            width, labels = near.means.shape[1], places.astype(np.int64)
            near = added(near, exact_statistics(more.trunk[:, :width], labels), known)
            tail = added(tail, exact_statistics(more.tail, labels), known)
        return TaskSignature(compressed(near, rank), compressed(tail, rank))

    def with_more(self, more: TaskStatistics, classes: Sequence[int]) -> TaskStatistics:
        """Return the statistics of both data sets together.

        Parameters
        ----------
        classes
            Of each class of `more`, its position in the joint list; this one's come first, in their
            order.
        """
        return TaskStatistics(
            trunk=_together(added(self.trunk, more.trunk, classes)),
            near=added(self.near, more.near, classes),
            tail=added(self.tail, more.tail, classes),
            adapted=_together(added(self.adapted, more.adapted, classes)),
            known=self.known.with_more(more.known, classes),
        )

    def taken(self, places: Sequence[int]) -> TaskStatistics:
        """Return them of some classes alone, by their places, ascending. The scatter of all classes
        together is theirs by their share of the examples.
        """
        return TaskStatistics(
            trunk=_together(_share_of(self.trunk, places)),
            near=_own(self.near, places),
            tail=_own(self.tail, places),
            adapted=_together(_share_of(self.adapted, places)),
            known=self.known.taken(places),
        )

    def dumped(self) -> bytes:
        """Return the bytes of its file."""
        arrays: dict[str, NDArray[np.generic]] = {**self.known.arrays()}
        for space in _SPACES:
            one = getattr(self, space)
            one = _thin(one) if space in ("near", "tail") else _together(one)
            arrays[f"{space}.counts"] = one.counts
            arrays[f"{space}.means"] = one.means.astype(np.float64)
            arrays[f"{space}.factor"] = one.factor.astype(np.float32)
            arrays[f"{space}.factor_classes"] = one.factor_classes
            arrays[f"{space}.quartic"] = np.array([one.quartic], np.float64)
        return dump_arrays(arrays)

    @classmethod
    def parsed(cls, data: bytes, what: str) -> TaskStatistics:
        """Read what `dumped` wrote; `what` names it in errors (KeyError, ValueError)."""
        arrays = load_arrays(data, what)
        spaces = {space: _read(arrays, space) for space in _SPACES}
        return cls(**spaces, known=KnownExamples.from_arrays(arrays))


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
    return _thin(joint)


def _thin(one: ClusterStatistics) -> ClusterStatistics:
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


def _together(one: ClusterStatistics) -> ClusterStatistics:
    """Put the scatter of all classes into as many rows as it has columns, under the first class."""
    factor = one.factor.astype(np.float64)
    if len(factor) > factor.shape[1]:
        factor = np.asarray(np.linalg.qr(factor, mode="r"), np.float64)
    return replace(one, factor=factor, factor_classes=np.zeros(len(factor), np.int64))


def _share_of(one: ClusterStatistics, places: Sequence[int]) -> ClusterStatistics:
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


def _own(one: ClusterStatistics, places: Sequence[int]) -> ClusterStatistics:
    """Of some classes, each with its own scatter."""
    rows = np.isin(one.factor_classes, places)
    shared = _share_of(one, places)
    classes = np.searchsorted(places, one.factor_classes[rows]).astype(np.int64)
    return replace(shared, factor=one.factor[rows], factor_classes=classes)


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
        factor_classes=arrays[f"{space}.factor_classes"].astype(np.int64),
    )
