"""Pictures that are nearly the same: frames of one video, one picture compressed twice, brighter or
darker.

A picture's *look* is its mean colours in 12 x 12 fields. Two looks are near where they correlate by
at least `NEAR` (docs/decisions/0046-near-duplicates.md says why no hash of differences is taken).
Brightness and contrast do not count.

Letters: N pictures, M others.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["NEAR", "SIDE", "look", "near"]

#: Side of the picture that a look is made of, in pixels, and fields along it.
SIDE, _FIELDS = 96, 12
#: Correlation from which two looks are near.
NEAR = 0.985
#: Rows of a product at once: some 16 MB for 4,096 others.
_ROWS = 1024

Look = NDArray[np.uint8]


def look(pixels: NDArray[np.uint8]) -> Look:
    """Return the look of a picture uint8 [3, SIDE, SIDE]: uint8 [432]."""
    step = SIDE // _FIELDS
    fields = pixels.reshape(3, _FIELDS, step, _FIELDS, step).mean(axis=(2, 4))
    found: Look = np.round(fields).astype(np.uint8).ravel()
    return found


def near(looks: NDArray[np.uint8], others: NDArray[np.uint8] | None = None) -> NDArray[np.bool_]:
    """Return which of N looks are near one of M others, or, without these, near another of the N.

    Parameters
    ----------
    looks, others
        uint8 [N, 432] and [M, 432]. A picture of one colour is near no other.
    """
    rows = _directions(looks)
    columns = rows if others is None else _directions(others)
    found = np.zeros(len(rows), np.bool_)
    if not len(columns):
        return found
    for start in range(0, len(rows), _ROWS):
        products = rows[start : start + _ROWS] @ columns.T
        if others is None:
            at = np.arange(len(products))
            products[at, start + at] = 0
        found[start : start + _ROWS] = products.max(axis=1) >= NEAR
    return found


def _directions(looks: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Without their mean, and of length 1, float32 [N, 432]; zeros of one colour."""
    centred = looks.astype(np.float32)
    centred -= centred.mean(axis=1, keepdims=True)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    directions: NDArray[np.float32] = centred / np.maximum(length, 1e-6)
    return directions
