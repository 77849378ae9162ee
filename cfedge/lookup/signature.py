"""What a task leaves for the lookup: statistics for all its stages.

Statistics of several tasks are sums, so a signature depends on its own task alone and travels
alone. Learning one is `cfedge.train.features.signature`'s, files are others'.

Letters: B batch, D width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cfedge.errors import IncompatibleError
from cfedge.lookup.cluster_statistics import ClusterStatistics
from cfedge.records import record

__all__ = ["Features", "Slices", "StoredSignature", "TaskSignature", "VIEWS"]

Floats = NDArray[np.float32]

#: Of the positions behind the trunk: the directions of mean, largest and smallest values, side by
#: side.
VIEWS = 3


class Features(NamedTuple):
    """Features of the same B inputs: from behind the trunk, float32 [B, F], views that are
    directions of length 1, side by side; and from behind the frozen tail, one direction [B, D].
    """

    trunk: Floats
    tail: Floats


class Slices(NamedTuple):
    """Of a trunk that runs the whole network.

    Attributes
    ----------
    first
        So many of its first features are its first view.
    tail
        So many are together the frozen tail's features, each of them times `share`.
    directions
        Of how many directions of length 1 these consist.
    """

    first: int
    tail: int
    directions: int

    @classmethod
    def of(cls, views: Sequence[int], frozen_views: int) -> Slices | None:
        """Return those of a backbone's record; None: the lookup reads the first view alone, and a
        task leaves statistics behind the tail besides.
        """
        if frozen_views < 2:
            return None
        return cls(views[0], sum(views[:frozen_views]), frozen_views)

    @property
    def share(self) -> float:
        """What makes the directions one of length 1."""
        return float(self.directions**-0.5)


@record(frozen=True, eq=False, repr=False)
class TaskSignature:
    """What one task leaves for all stages: one cluster a class, the same examples in both.

    Attributes
    ----------
    trunk
        Behind the trunk, in what of its features the lookup reads.
    tail
        Behind the frozen tail.
    slices
        Where the trunk's part has the tail's in it; None: they are apart.
    """

    trunk: ClusterStatistics
    tail: ClusterStatistics
    slices: Slices | None = None

    @classmethod
    def of_slices(cls, trunk: ClusterStatistics, slices: Slices) -> TaskSignature:
        """Make it of the trunk's part alone."""
        return cls(trunk, trunk.sliced(slices.tail, slices.share), slices)

    @cached_property
    def first(self) -> ClusterStatistics:
        """Behind the trunk, in the first view."""
        return self.trunk if self.slices is None else self.trunk.sliced(self.slices.first)

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return the arrays to store: ``trunk.<name>``, and ``tail.<name>`` where that is apart."""
        parts = {"trunk": self.trunk} | ({} if self.slices else {"tail": self.tail})
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
        frozen_views: int = 0,
    ) -> TaskSignature:
        """Check and wrap stored arrays of a backbone whose tail's features are of `width`, and
        whose trunk has `views` of these widths; without any, the first is as wide as the tail's
        features. `frozen_views` is the backbone's.

        Raises
        ------
        IncompatibleError
            See `ClusterStatistics.from_arrays`; or the two parts do not count the same examples.
        """
        return StoredSignature(arrays, what, width, views, frozen_views).whole()


class StoredSignature:
    """A signature whose parts are unpacked, and checked, when they are first asked for: a stage of
    the lookup needs one of them.

    Parameters
    ----------
    arrays, what, width, views, frozen_views
        As of `TaskSignature.from_arrays`.

    Attributes
    ----------
    slices
        As of `TaskSignature`.

    Raises
    ------
    IncompatibleError
        An array is of no part that there is.
    """

    def __init__(
        self,
        arrays: Mapping[str, NDArray[np.generic]],
        what: str,
        width: int,
        views: Sequence[int] = (),
        frozen_views: int = 0,
    ) -> None:
        self.slices = Slices.of(views, frozen_views)
        self._what = what
        self._widths = {"trunk": views[0] if views else width, "tail": width}
        if self.slices:
            self._widths = {"trunk": sum(views)}
        self._parts: dict[str, dict[str, NDArray[np.generic]]] = {part: {} for part in self._widths}
        for name, array in arrays.items():
            part, _, statistic = name.partition(".")
            if part not in self._parts:
                raise IncompatibleError(
                    f"{what}: expected arrays of {' and '.join(self._parts)}, found {name!r}; learn"
                    " the task again"
                )
            self._parts[part][statistic] = array

    @cached_property
    def trunk(self) -> ClusterStatistics:
        """As of `TaskSignature`; for errors see `ClusterStatistics.from_arrays`."""
        return self._unpacked("trunk")

    @cached_property
    def first(self) -> ClusterStatistics:
        """As of `TaskSignature`; for errors see `ClusterStatistics.from_arrays`."""
        return self.trunk if self.slices is None else self.trunk.sliced(self.slices.first)

    @cached_property
    def tail(self) -> ClusterStatistics:
        """As of `TaskSignature`; for errors see `ClusterStatistics.from_arrays`."""
        if self.slices:
            return self.trunk.sliced(self.slices.tail, self.slices.share)
        return self._unpacked("tail")

    def whole(self) -> TaskSignature:
        """Unpack all parts; for errors see `TaskSignature.from_arrays`."""
        trunk, tail = self.trunk, self.tail
        if not np.array_equal(trunk.counts, tail.counts):
            raise IncompatibleError(
                f"{self._what}: expected equal counts of trunk and tail, found"
                f" {trunk.counts!s:.80} and {tail.counts!s:.80}; learn the task again"
            )
        return TaskSignature(trunk, tail, self.slices)

    def _unpacked(self, part: str) -> ClusterStatistics:
        what = f"{part}'s part of the {self._what}"
        return ClusterStatistics.from_arrays(self._parts[part], what, self._widths[part])
