"""What one task leaves behind one part of the encoder: per cluster counts and means, and its pooled
scatter.

Statistics of several tasks are sums. Letters: C clusters, D width, K factor rank.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cfedge.lookup.packing import FACTOR_BITS, MEANS_BITS, ORIGIN_BITS, packed, unpacked
from cfedge.lookup.stored_statistics import check_sizes, check_stored
from cfedge.records import record

__all__ = ["ClusterStatistics"]


@record(frozen=True, eq=False, repr=False)
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

    def sliced(self, width: int, share: float = 1.0) -> ClusterStatistics:
        """Return the statistics of the first `width` features, each times `share`; of the fourth
        moment what it would be were the rest in proportion.
        """
        factor, diagonal = self.factor[:, :width] * share, self.diagonal[:width] * share**2
        whole = float((self.factor.astype(np.float64) ** 2).sum()) + float(self.diagonal.sum())
        kept = float((factor.astype(np.float64) ** 2).sum()) + float(diagonal.sum())
        return replace(
            self,
            means=self.means[:, :width] * share,
            factor=factor,
            diagonal=diagonal,
            quartic=self.quartic * (kept / whole) ** 2 if whole > 0 else 0.0,
        )

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
        found = cls(
            counts=arrays["counts"].astype(np.int64, copy=False),
            means=rows["origin"] + rows["means"],
            factor=rows["factor"],
            factor_classes=arrays["factor_classes"].astype(np.int64, copy=False),
            diagonal=arrays["diagonal"].astype(np.float32, copy=False),
            quartic=float(arrays["quartic"][0]),
        )
        check_sizes(found.counts, found.means, found.factor, found.diagonal, what)
        return found
