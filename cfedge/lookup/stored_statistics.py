"""What the stored arrays of cluster statistics must be before they are unpacked: names, shapes,
dtypes and values.

Letters: C clusters, D width, K factor rank.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import DTypeLike, NDArray

from cfedge.errors import IncompatibleError
from cfedge.lookup.packing import FACTOR_BITS, MEANS_BITS, ORIGIN_BITS, planes_shape

__all__ = ["check_sizes", "check_stored"]

Arrays = Mapping[str, NDArray[np.generic]]

#: Examples of a cluster: sums over many tasks stay exact in float64.
_MOST = 1 << 40
#: Of the square of what features are long: eight directions of length 1, and as much for rounding.
_LONGEST = 16.0


def check_stored(arrays: Arrays, what: str, width: int) -> None:
    """Refuse arrays that are not those of `ClusterStatistics.arrays`, of features [D].

    Raises
    ------
    IncompatibleError
        Naming `what` and the array that does not fit.
    """
    expected = _expected(arrays, width)
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
    _check_values(arrays, what, width)


def check_sizes(
    counts: NDArray[np.int64],
    means: NDArray[np.float32],
    factor: NDArray[np.float32],
    diagonal: NDArray[np.float32],
    what: str,
) -> None:
    """Refuse means and a scatter that no features have, which consist of directions of length 1:
    of what is larger a later input would overflow.

    Raises
    ------
    IncompatibleError
        Naming `what`.
    """
    with np.errstate(over="ignore", under="ignore"):
        longest = float((means * means).sum(axis=1).max())
        spread = (float(np.vdot(factor, factor)) + float(diagonal.sum())) / int(counts.sum())
    if not (longest <= _LONGEST and spread <= _LONGEST):
        raise IncompatibleError(
            f"{what}: expected means and a scatter of features that are directions, found squares of"
            f" {longest:.3g} and {spread:.3g}; learn the task again"
        )


def _expected(arrays: Arrays, width: int) -> dict[str, tuple[tuple[int, ...], DTypeLike]]:
    """Shape and dtype of each array, for as many clusters and rows as counts and factor say."""
    clusters = (
        max(1, arrays["counts"].shape[0])
        if "counts" in arrays and arrays["counts"].ndim == 1
        else 1
    )
    rank = arrays["factor"].shape[1] if "factor" in arrays and arrays["factor"].ndim == 3 else 0
    return {
        "counts": ((clusters,), np.int64),
        "origin": (planes_shape(ORIGIN_BITS, 1, width), np.uint8),
        "origin_scale": ((1,), np.float32),
        "means": (planes_shape(MEANS_BITS, clusters, width), np.uint8),
        "means_scale": ((clusters,), np.float32),
        "factor": (planes_shape(FACTOR_BITS, rank, width), np.uint8),
        "factor_scale": ((rank,), np.float32),
        "factor_classes": ((rank,), np.int64),
        "diagonal": ((width,), np.float32),
        "quartic": ((1,), np.float64),
    }


def _check_values(arrays: Arrays, what: str, width: int) -> None:
    counts = arrays["counts"].astype(np.int64)
    if (
        (counts < 1).any()
        or (counts > _MOST).any()
        or (arrays["diagonal"].astype(np.float32) < 0).any()
        or arrays["quartic"][0] < 0
    ):
        raise IncompatibleError(
            f"{what}: expected counts in 1..{_MOST}, a quartic and a diagonal >= 0, found others;"
            " learn the task again"
        )
    classes = arrays["factor_classes"].astype(np.int64, copy=False)
    if (np.diff(classes) < 0).any() or (classes < 0).any() or (classes >= len(counts)).any():
        raise IncompatibleError(
            f"{what}: expected factor_classes ascending in 0..{len(counts) - 1}, found others;"
            " learn the task again"
        )
    rows = int(np.bincount(classes, minlength=1).max())
    if rows > width:  # no scatter has a higher rank; the lookup takes the square of it some day
        raise IncompatibleError(
            f"{what}: expected at most {width} rows of the factor for each class, found {rows};"
            " learn the task again"
        )
