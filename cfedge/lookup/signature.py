"""What a task leaves for the lookup: per cluster counts and means, and its pooled scatter, for all
stages.

Statistics of several tasks are sums, so a signature depends on its own task alone and travels
alone. Learning one is `cfedge.train.features.signature`'s, files are others'.

Letters: B batch, D width, C clusters, K factor rank.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cfedge.errors import IncompatibleError
from cfedge.lookup.packing import FACTOR_BITS, MEANS_BITS, ORIGIN_BITS, packed, unpacked
from cfedge.lookup.stored_statistics import check_stored

__all__ = ["ClusterStatistics", "Features", "StoredSignature", "TaskSignature", "VIEWS"]

Floats = NDArray[np.float32]

#: Of the positions behind the trunk: the directions of mean, largest and smallest values, side by
#: side.
VIEWS = 3


@dataclass(frozen=True, eq=False, repr=False)
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
        within-cluster scatter sum_i r_i r_i'; each row is of one cluster's scatter.
    factor_classes
        int64 [K], the cluster of each row of the factor, ascending.
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
    factor_classes: NDArray[np.int64]

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
            "factor_classes": self.factor_classes,
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
        check_stored(arrays, what, width)
        rows = {
            name: unpacked(
                arrays[name].astype(np.uint8, copy=False),
                arrays[f"{name}_scale"].astype(np.float32, copy=False),
                width,
                f"{what}: expected {name}",
            )
            for name in ("origin", "means", "factor")
        }
        return cls(
            counts=arrays["counts"].astype(np.int64, copy=False),
            means=rows["origin"] + rows["means"],
            factor=rows["factor"],
            factor_classes=arrays["factor_classes"].astype(np.int64, copy=False),
            diagonal=arrays["diagonal"].astype(np.float32, copy=False),
            quartic=float(arrays["quartic"][0]),
        )


class Features(NamedTuple):
    """Features of the same B inputs: from behind the trunk, float32 [B, F], views that are
    directions of length 1, side by side; and from behind the frozen tail, one direction [B, D].
    """

    trunk: Floats
    tail: Floats


@dataclass(frozen=True, eq=False, repr=False)
class TaskSignature:
    """What one task leaves for all stages: one cluster a class, the same examples in both.

    Attributes
    ----------
    trunk
        Behind the trunk, in the first view.
    tail
        Behind the frozen tail.
    """

    trunk: ClusterStatistics
    tail: ClusterStatistics

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return the arrays to store: ``trunk.<name>`` and ``tail.<name>``."""
        parts = {"trunk": self.trunk, "tail": self.tail}
        return {
            f"{part}.{name}": array
            for part, statistics in parts.items()
            for name, array in statistics.arrays().items()
        }

    @classmethod
    def from_arrays(
        cls,
        arrays: Mapping[str, NDArray[np.generic]],
        what: str,
        width: int,
        views: Sequence[int] = (),
    ) -> TaskSignature:
        """Check and wrap stored arrays of a backbone whose tail's features are of `width`, and
        whose trunk has `views` of these widths; without any, the first is as wide as the tail's
        features.

        Raises
        ------
        IncompatibleError
            See `ClusterStatistics.from_arrays`; or the two parts do not count the same examples.
        """
        return StoredSignature(arrays, what, width, views).whole()


class StoredSignature:
    """A signature whose parts are unpacked, and checked, when they are first asked for: a stage of
    the lookup needs one of them.

    Parameters
    ----------
    arrays, what, width, views
        As of `TaskSignature.from_arrays`.

    Raises
    ------
    IncompatibleError
        An array is of neither part.
    """

    def __init__(
        self,
        arrays: Mapping[str, NDArray[np.generic]],
        what: str,
        width: int,
        views: Sequence[int] = (),
    ) -> None:
        self._parts: dict[str, dict[str, NDArray[np.generic]]] = {"trunk": {}, "tail": {}}
        self._what, self._widths = what, {"trunk": views[0] if views else width, "tail": width}
        for name, array in arrays.items():
            part, _, statistic = name.partition(".")
            if part not in self._parts:
                raise IncompatibleError(
                    f"{what}: expected arrays of trunk and tail, found {name!r}; learn the task"
                    " again"
                )
            self._parts[part][statistic] = array

    @cached_property
    def trunk(self) -> ClusterStatistics:
        """As of `TaskSignature`; for errors see `ClusterStatistics.from_arrays`."""
        return self._unpacked("trunk")

    @cached_property
    def tail(self) -> ClusterStatistics:
        """As of `TaskSignature`; for errors see `ClusterStatistics.from_arrays`."""
        return self._unpacked("tail")

    def whole(self) -> TaskSignature:
        """Unpack both parts; for errors see `TaskSignature.from_arrays`."""
        trunk, tail = self.trunk, self.tail
        if not np.array_equal(trunk.counts, tail.counts):
            raise IncompatibleError(
                f"{self._what}: expected equal counts of trunk and tail, found"
                f" {trunk.counts!s:.80} and {tail.counts!s:.80}; learn the task again"
            )
        return TaskSignature(trunk, tail)

    def _unpacked(self, part: str) -> ClusterStatistics:
        what = f"{part}'s part of the {self._what}"
        return ClusterStatistics.from_arrays(self._parts[part], what, self._widths[part])
