"""What a task leaves for the lookup: per cluster counts and means, and its pooled scatter, for both looks.

Statistics of several tasks are sums, so a signature depends on its own task alone and travels alone. Learning one is
`cfedge.train.signature`'s, files are others'.

Letters: B batch, D width, C clusters, K factor rank.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cfedge.errors import IncompatibleError

__all__ = ["Looks", "Pair", "Signature"]

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Signature:
    """What one task leaves for the lookup.

    Attributes
    ----------
    counts
        int64 [C], examples a cluster.
    means
        float16 [C, D], cluster means of unit-length features.
    factor
        float16 [K, D], F with F' F + diag(diagonal) ~ the within-cluster scatter sum_i r_i r_i'.
    diagonal
        float32 [D], >= 0, what the factor leaves out of the scatter's diagonal.
    quartic
        sum_i |r_i|^4, for the shrinkage.
    """

    counts: NDArray[np.int64]
    means: NDArray[np.float16]
    factor: NDArray[np.float16]
    diagonal: NDArray[np.float32]
    quartic: float

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return the arrays to store."""
        return {
            "counts": self.counts,
            "means": self.means,
            "factor": self.factor,
            "diagonal": self.diagonal,
            "quartic": np.array([self.quartic], np.float64),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]], what: str, width: int) -> Signature:
        """Check and wrap stored arrays.

        Raises
        ------
        IncompatibleError
            Naming `what` and the array that does not fit.
        """
        clusters = max(1, arrays["counts"].shape[0]) if "counts" in arrays and arrays["counts"].ndim == 1 else 1
        rank = arrays["factor"].shape[0] if "factor" in arrays and arrays["factor"].ndim == 2 else 0
        expected = {
            "counts": ((clusters,), np.int64),
            "means": ((clusters, width), np.float16),
            "factor": ((rank, width), np.float16),
            "diagonal": ((width,), np.float32),
            "quartic": ((1,), np.float64),
        }
        if set(arrays) != set(expected):
            raise IncompatibleError(f"{what}: expected arrays {sorted(expected)}, found {sorted(arrays)}; learn the task again")
        for name, (shape, dtype) in expected.items():
            array = arrays[name]
            if array.shape != shape or array.dtype != dtype:
                raise IncompatibleError(
                    f"{what}: expected {name} {np.dtype(dtype).name} {shape}, found {array.dtype} {array.shape}; learn the task again"
                )
            if not np.isfinite(array.astype(np.float64)).all():
                raise IncompatibleError(f"{what}: expected {name} of finite numbers, found NaN or infinity; learn the task again")
        if (arrays["counts"].astype(np.int64) < 1).any() or (arrays["diagonal"].astype(np.float32) < 0).any():
            raise IncompatibleError(f"{what}: expected counts >= 1 and a diagonal >= 0, found others; learn the task again")
        return cls(
            counts=arrays["counts"].astype(np.int64, copy=False),
            means=arrays["means"].astype(np.float16, copy=False),
            factor=arrays["factor"].astype(np.float16, copy=False),
            diagonal=arrays["diagonal"].astype(np.float32, copy=False),
            quartic=float(arrays["quartic"][0]),
        )


class Pair(NamedTuple):
    """Unit-length features float32 [B, D] of the same B inputs: from behind the trunk, and from behind the frozen tail."""

    trunk: Floats
    tail: Floats


class Looks(NamedTuple):
    """What one task leaves for both looks."""

    trunk: Signature
    tail: Signature

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return the arrays to store: ``trunk.<name>`` and ``tail.<name>``."""
        return {f"{look}.{name}": array for look, one in self._asdict().items() for name, array in one.arrays().items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]], what: str, width: int) -> Looks:
        """Check and wrap stored arrays; see `Signature.from_arrays`."""
        found = []
        for look in cls._fields:
            own = {name.partition(".")[2]: array for name, array in arrays.items() if name.partition(".")[0] == look}
            found.append(Signature.from_arrays(own, f"{look}'s part of the {what}", width))
        strangers = sorted(name for name in arrays if name.partition(".")[0] not in cls._fields)
        if strangers:
            raise IncompatibleError(f"{what}: expected arrays of trunk and tail, found {strangers[0]!r}; learn the task again")
        if not np.array_equal(found[0].counts, found[1].counts):
            raise IncompatibleError(f"{what}: expected equal counts of trunk and tail, found others; learn the task again")
        return cls(*found)
