"""What a task leaves for the lookup: per cluster counts and means, and its pooled scatter, for all
stages.

Statistics of several tasks are sums, so a signature depends on its own task alone and travels
alone. Learning one is `cfedge.train.signature`'s, files are others'.

Letters: B batch, D width, C clusters, K factor rank.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cfedge.errors import IncompatibleError
from cfedge.lookup.packing import (
    FACTOR_BITS,
    MEANS_BITS,
    ORIGIN_BITS,
    packed,
    planes_shape,
    unpacked,
)

__all__ = ["ClusterStatistics", "Features", "TaskSignature", "VIEWS"]

Floats = NDArray[np.float32]
#: Examples of a cluster: sums over many tasks stay exact in float64.
_MOST = 1 << 40

#: Of the tokens behind the trunk: the directions of mean, largest and smallest values, side by
#: side.
VIEWS = 3


@dataclass(frozen=True)
class ClusterStatistics:
    """What one task leaves for the lookup.

    Attributes
    ----------
    counts
        int64 [C], examples a cluster.
    means
        float32 [C, D], cluster means of the features; rounded by
        `cfedge.lookup.packing.from_first`, so that they are stored exactly.
    factor
        float32 [K, D], `cfedge.lookup.packing.on_grid`, F with F' F + diag(diagonal) ~ the
        within-cluster scatter sum_i r_i r_i'.
    diagonal
        float32 [D], >= 0, what the factor leaves out of the scatter's diagonal.
    quartic
        sum_i |r_i|^4, for the shrinkage.
    """

    counts: NDArray[np.int64]
    means: NDArray[np.floating]
    factor: NDArray[np.floating]
    diagonal: NDArray[np.float32]
    quartic: float

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return the arrays to store."""
        origin = self.means[:1]
        rows = {
            "origin": packed(origin, ORIGIN_BITS),
            "means": packed(self.means.astype(np.float64) - origin, MEANS_BITS),
            "factor": packed(self.factor, FACTOR_BITS),
        }
        return {
            "counts": self.counts,
            **{name: planes for name, (planes, _) in rows.items()},
            **{f"{name}_scale": steps for name, (_, steps) in rows.items()},
            "diagonal": self.diagonal,
            "quartic": np.array([self.quartic], np.float64),
        }

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, NDArray[np.generic]], what: str, width: int
    ) -> ClusterStatistics:
        """Check and wrap stored arrays.

        Raises
        ------
        IncompatibleError
            Naming `what` and the array that does not fit.
        """
        clusters = (
            max(1, arrays["counts"].shape[0])
            if "counts" in arrays and arrays["counts"].ndim == 1
            else 1
        )
        rank = arrays["factor"].shape[1] if "factor" in arrays and arrays["factor"].ndim == 3 else 0
        expected = {
            "counts": ((clusters,), np.int64),
            "origin": (planes_shape(ORIGIN_BITS, 1, width), np.uint8),
            "origin_scale": ((1,), np.float32),
            "means": (planes_shape(MEANS_BITS, clusters, width), np.uint8),
            "means_scale": ((clusters,), np.float32),
            "factor": (planes_shape(FACTOR_BITS, rank, width), np.uint8),
            "factor_scale": ((rank,), np.float32),
            "diagonal": ((width,), np.float32),
            "quartic": ((1,), np.float64),
        }
        if set(arrays) != set(expected):
            raise IncompatibleError(
                f"{what}: expected arrays {sorted(expected)}, found {sorted(arrays)}; learn the"
                " task again"
            )
        for name, (shape, dtype) in expected.items():
            array = arrays[name]
            if array.shape != shape or array.dtype != dtype:
                raise IncompatibleError(
                    f"{what}: expected {name} {np.dtype(dtype).name} {shape}, found {array.dtype}"
                    f" {array.shape}; learn the task again"
                )
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise IncompatibleError(
                    f"{what}: expected {name} of finite numbers, found NaN or infinity; learn the"
                    " task again"
                )
        counts = arrays["counts"].astype(np.int64)
        if (
            (counts < 1).any()
            or (counts > _MOST).any()
            or (arrays["diagonal"].astype(np.float32) < 0).any()
        ):
            raise IncompatibleError(
                f"{what}: expected counts in 1..{_MOST} and a diagonal >= 0, found others; learn"
                " the task again"
            )
        rows = {
            name: unpacked(
                arrays[name].astype(np.uint8, copy=False), arrays[f"{name}_scale"].astype(np.float32, copy=False), width,
                f"{what}: expected {name}",
            )
            for name in ("origin", "means", "factor")
        }  # fmt: skip
        return cls(
            counts=arrays["counts"].astype(np.int64, copy=False),
            means=rows["origin"] + rows["means"],
            factor=rows["factor"],
            diagonal=arrays["diagonal"].astype(np.float32, copy=False),
            quartic=float(arrays["quartic"][0]),
        )


class Features(NamedTuple):
    """Features of the same B inputs: from behind the trunk, float32 [B, F], views that are directions
    of length 1, side by side; and from behind the frozen tail, one direction [B, D].
    """

    trunk: Floats
    tail: Floats


@dataclass(frozen=True)
class TaskSignature:
    """What one task leaves for all stages.

    Attributes
    ----------
    fine
        Behind the trunk, all views, several clusters a class: for the second stage.
    cluster_classes
        int64 [C], the class of each of `fine`'s clusters, ascending from 0 without a gap.
    quartic
        Of the first view's residuals to the class means behind the trunk, for the first stage's
        shrinkage.
    tail
        Behind the frozen tail, one cluster a class: for the third stage.
    first_width
        Of the trunk's first view; None: as wide as the tail's features.
    """

    fine: ClusterStatistics
    cluster_classes: NDArray[np.int64]
    quartic: float
    tail: ClusterStatistics
    first_width: int | None = None

    @property
    def trunk(self) -> ClusterStatistics:
        """Behind the trunk, the first view alone, one cluster a class, for the first stage: means
        and scatter follow from `fine`'s.

        By the law of total variance the scatter about a class mean is that about its clusters'
        means plus sum_j n_j (m_j - m) (m_j - m)'. It is three times the size of all the rest, and
        made anew each time.
        """
        counts = np.bincount(self.cluster_classes, self.fine.counts).astype(np.int64)
        width = self.first_width or self.tail.means.shape[1]
        fine = self.fine.means[:, :width].astype(np.float64)
        first = np.flatnonzero(np.diff(self.cluster_classes, prepend=-1))  # cluster of each class
        means = np.add.reduceat(fine * self.fine.counts[:, None], first)
        means /= counts[:, None]
        between = np.sqrt(self.fine.counts)[:, None] * (fine - means[self.cluster_classes])
        factor = self.fine.factor[:, :width].astype(np.float64)
        factor = np.concatenate(
            [factor, between[np.bincount(self.cluster_classes)[self.cluster_classes] > 1]]
        )
        return ClusterStatistics(counts, means, factor, self.fine.diagonal[:width], self.quartic)

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return the arrays to store: ``trunk.<name>`` and ``tail.<name>``."""
        stored = {f"trunk.{name}": array for name, array in self.fine.arrays().items()}
        stored |= {
            "trunk.cluster_classes": self.cluster_classes,
            "trunk.class_quartic": np.array([self.quartic], np.float64),
        }
        return stored | {f"tail.{name}": array for name, array in self.tail.arrays().items()}

    @classmethod
    def from_arrays(
        cls,
        arrays: Mapping[str, NDArray[np.generic]],
        what: str,
        width: int,
        views: Sequence[int] = (),
    ) -> TaskSignature:
        """Check and wrap stored arrays of a backbone whose tail's features are of `width`, and whose
        trunk has `views` of these widths; without any, `VIEWS` of the tail's.

        Raises
        ------
        IncompatibleError
            See `ClusterStatistics.from_arrays`; or cluster_classes and counts do not fit each other.
        """
        views = views or (width,) * VIEWS
        parts: dict[str, dict[str, NDArray[np.generic]]] = {"trunk": {}, "tail": {}}
        for name, array in arrays.items():
            look, _, own = name.partition(".")
            if look not in parts:
                raise IncompatibleError(
                    f"{what}: expected arrays of trunk and tail, found {name!r}; learn the task"
                    " again"
                )
            parts[look][own] = array
        cluster_classes, quartic = (
            parts["trunk"].pop(name, np.zeros(0)) for name in ("cluster_classes", "class_quartic")
        )
        fine = ClusterStatistics.from_arrays(
            parts["trunk"], f"trunk's part of the {what}", sum(views)
        )
        tail = ClusterStatistics.from_arrays(parts["tail"], f"tail's part of the {what}", width)
        classes = len(tail.counts)
        owned = cluster_classes.dtype == np.int64 and cluster_classes.shape == fine.counts.shape
        if not (
            owned
            and np.array_equal(cluster_classes, np.sort(cluster_classes))
            and cluster_classes[0] == 0
            and cluster_classes[-1] == classes - 1
            and (np.diff(cluster_classes) <= 1).all()
            and np.array_equal(
                np.bincount(cluster_classes.astype(np.int64), fine.counts), tail.counts
            )
        ):
            raise IncompatibleError(
                f"{what}: expected cluster_classes int64 of the trunk's clusters, ascending over the"
                f" {classes} classes, and equal counts of trunk and tail, found others; learn the"
                " task again"
            )
        if (
            quartic.shape != (1,)
            or quartic.dtype != np.float64
            or not np.isfinite(quartic.astype(np.float64)).all()
        ):
            raise IncompatibleError(
                f"{what}: expected class_quartic float64 (1,), finite, found other; learn the task"
                " again"
            )
        return cls(
            fine, cluster_classes.astype(np.int64, copy=False), float(quartic[0]), tail, views[0]
        )
