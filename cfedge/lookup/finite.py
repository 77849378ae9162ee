"""Refuse features that are not finite, naming the input."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cfedge.errors import InputError

__all__ = ["finite", "finite_rows"]

Floats = NDArray[np.float32]

_NOT_FINITE = (
    "features of input {}: expected finite numbers, found NaN or infinity; leave this input out, or"
    " where others fail too, check this machine with: cfedge bench"
)


def finite(score: float, position: int) -> float:
    """Return what was computed of an input, or refuse the input where that is not finite: its
    features were not.

    Raises
    ------
    InputError
        Naming the input.
    """
    if not math.isfinite(score):
        raise InputError(_NOT_FINITE.format(position))
    return score


def finite_rows(features: Floats) -> None:
    """Refuse features [N, D] of which a number is NaN or infinite.

    Raises
    ------
    InputError
        Naming the first input.
    """
    rows = np.isfinite(features).all(axis=1)
    if not rows.all():
        raise InputError(_NOT_FINITE.format(int(rows.argmin())))
