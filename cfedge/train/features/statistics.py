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
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cfedge.bundle.arrays import dump_arrays, load_arrays
from cfedge.lookup import ClusterStatistics, Features, Slices, TaskSignature
from cfedge.train.features.known_examples import KnownExamples
from cfedge.train.features.signature import compressed, exact_statistics
from cfedge.train.features.sums import added, own, share_of, thin, together
from cfedge.train.settings import ALL_VIEWS_RANK, CLASS_RANK

__all__ = ["TaskStatistics"]

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
        Of what the lookup reads behind the trunk, and of the tail's features without an adapter:
        each class's own scatter.
    known
        Which examples it is made of.
    slices
        Where `near` has `tail` in it; see `cfedge.lookup.TaskSignature`.
    """

    trunk: ClusterStatistics
    near: ClusterStatistics
    tail: ClusterStatistics
    adapted: ClusterStatistics
    known: KnownExamples = field(default_factory=KnownExamples.none)
    slices: Slices | None = None

    @classmethod
    def of(
        cls,
        features: Features,
        adapted: Floats,
        classes: NDArray[np.int64],
        lookup_width: int,
        keys: Sequence[str] = (),
        slices: Slices | None = None,
    ) -> TaskStatistics:
        """Summarise N examples without loss.

        Parameters
        ----------
        features, adapted
            Behind trunk and frozen tail, and behind the adapted tail, float32 [N, D] each.
        classes
            int64 [N] in 0..C-1, each at least once.
        lookup_width, slices
            Of the backbone (`cfedge.bundle.manifest.Backbone.lookup_width`, `Slices.of`).
        keys
            What equal inputs have in common, of each; empty where nothing is to be marked.
        """
        view = features.trunk[:, :lookup_width]
        return cls(
            trunk=exact_statistics(features.trunk, classes, together=True),
            near=exact_statistics(view, classes),
            tail=exact_statistics(features.tail, classes),
            adapted=exact_statistics(adapted, classes, together=True),
            known=KnownExamples.of(keys, classes) if keys else KnownExamples.none(),
            slices=slices,
        )

    def signature(
        self,
        rank: int | None,
        more: Features | None = None,
        classes: NDArray[np.int64] | None = None,
    ) -> TaskSignature:
        """Return what travels of it.

        Parameters
        ----------
        rank
            Directions of each class, at most (`cfedge.train.settings.Settings.class_rank`).
        more, classes
            Further examples that count in it, and their classes int64 [N] in 0..C-1; the statistics
            stay as they are.
        """
        near, tail = self.near, self.tail
        rank = rank or (CLASS_RANK if self.slices is None else ALL_VIEWS_RANK)
        if more is not None and classes is not None and len(classes):
            known, places = np.unique(classes, return_inverse=True)
            width, labels = near.means.shape[1], places.astype(np.int64)
            near = added(near, exact_statistics(more.trunk[:, :width], labels), known)
            tail = added(tail, exact_statistics(more.tail, labels), known)
        if self.slices is not None:
            return TaskSignature.of_slices(compressed(near, rank, cut_off=True), self.slices)
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
            trunk=together(added(self.trunk, more.trunk, classes)),
            near=added(self.near, more.near, classes),
            tail=added(self.tail, more.tail, classes),
            adapted=together(added(self.adapted, more.adapted, classes)),
            known=self.known.with_more(more.known, classes),
            slices=self.slices,
        )

    def taken(self, places: Sequence[int]) -> TaskStatistics:
        """Return them of some classes alone, by their places, ascending. The scatter of all classes
        together is theirs by their share of the examples.
        """
        return TaskStatistics(
            trunk=together(share_of(self.trunk, places)),
            near=own(self.near, places),
            tail=own(self.tail, places),
            adapted=together(share_of(self.adapted, places)),
            known=self.known.taken(places),
            slices=self.slices,
        )

    def dumped(self) -> bytes:
        """Return the bytes of its file."""
        arrays: dict[str, NDArray[np.generic]] = {**self.known.arrays()}
        if self.slices is not None:
            arrays["slices"] = np.array(self.slices, np.int64)
        for space in _SPACES:
            one = getattr(self, space)
            one = thin(one) if space in ("near", "tail") else together(one)
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
        slices = Slices(*arrays["slices"].tolist()) if "slices" in arrays else None
        return cls(**spaces, known=KnownExamples.from_arrays(arrays), slices=slices)


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
