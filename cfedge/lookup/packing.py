"""Rows of numbers in few bits: each row is whole multiples, from -(2^(b-1) - 1) to 2^(b-1) - 1, of
a power of two of its own.

Powers of two make rounding idempotent: what was rounded once is stored, read and stored again
without another change. Multiples are stored as planes of bits, lowest first, in two's complement:
so b bits take b eighths of the bytes of int8, and a row is unpacked in b steps whatever its width.

A row's power of two is the least whose multiples reach over the row. A row of several views has
numbers of several sizes; there it may be a finer one, and what is out of reach is cut off
(docs/decisions/0066-finer-steps.md).

Letters: b bits, K rows, D width.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cfedge.errors import IncompatibleError

__all__ = [
    "FACTOR_BITS",
    "MEANS_BITS",
    "ORIGIN_BITS",
    "from_first",
    "on_grid",
    "packed",
    "planes_shape",
    "unpacked",
]

Floats = NDArray[np.float32]

#: Of the rows of a scatter's factor, of cluster means from the first of them, and of that one
#: (docs/decisions/0024-views.md).
FACTOR_BITS, MEANS_BITS, ORIGIN_BITS = 5, 6, 8
#: Far above any step of unit-length features, and its products stay finite.
_LARGEST = 2.0**64
#: A byte of a plane -> its eight numbers' bytes: with 1 << plane where the bit is set, and in the
#: highest of so many planes what it is worth in two's complement, the sign's extension.
#: Little-endian whatever the machine, since they are viewed as bytes.
_BITS = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little")
_SPREAD = [(_BITS << plane).view("<u8")[:, 0] for plane in range(ORIGIN_BITS)]
_SIGNS = {
    bits: (_BITS * np.uint8(256 - (1 << bits - 1))).view("<u8")[:, 0]
    for bits in (FACTOR_BITS, MEANS_BITS, ORIGIN_BITS)
}
#: Finer powers of two that are tried where numbers may be cut off.
_FINER = 3
#: A step from the first mean is at least so much of the first mean's own, and the other way round:
#: then float32 holds their sum.
_FINEST = 2.0**-16


def on_grid(
    rows: NDArray[np.floating], bits: int = FACTOR_BITS, *, cut_off: bool = False
) -> Floats:
    """Round each row of float [K, D] to what `bits` bits a number hold.

    Parameters
    ----------
    cut_off
        Whether large numbers may become the largest multiple of a finer step, where the squared
        error of the row is smaller for it.
    """
    return _rounded(rows, _finer(rows, bits) if cut_off else _steps(rows, bits), bits)


def from_first(means: NDArray[np.floating], *, cut_off: bool = False) -> Floats:
    """Round means, float [K, D]: the first to `ORIGIN_BITS`, the others' distances from it to
    `MEANS_BITS`; `cut_off` as of `on_grid`.
    """
    find = _finer if cut_off else _steps
    first = means[:1].astype(np.float64)
    coarsest = _steps(means - first, MEANS_BITS).max(
        initial=0.0, where=(means != first).any(axis=1)
    )
    least = _FINEST * coarsest
    origin = _rounded(first, np.maximum(find(first, ORIGIN_BITS), least), ORIGIN_BITS).astype(
        np.float64
    )
    apart = means - origin
    apart[:1] = 0
    steps = np.maximum(find(apart, MEANS_BITS), _FINEST * _steps(origin, ORIGIN_BITS))
    return (origin + _rounded(apart, steps, MEANS_BITS)).astype(np.float32)


def packed(rows: NDArray[np.floating], bits: int) -> tuple[NDArray[np.uint8], Floats]:
    """Return rows on the grid as planes uint8 [b, K, ceil(D / 8)] and steps float32 [K]."""
    steps = _steps(rows, bits)
    multiples = np.rint(rows / steps[:, None]).astype(np.int8).view(np.uint8)
    planes = [
        np.packbits(multiples >> plane & 1, axis=1, bitorder="little") for plane in range(bits)
    ]
    return np.stack(planes), steps.astype(np.float32)


def planes_shape(bits: int, rows: int, width: int) -> tuple[int, int, int]:
    """The shape of what `packed` returns."""
    return bits, rows, -(-width // 8)


def unpacked(planes: NDArray[np.uint8], steps: Floats, width: int, what: str) -> Floats:
    """Return the rows, float32 [K, D], of planes of the right shape.

    Raises
    ------
    IncompatibleError
        Naming `what`: a step is no power of two, or a multiple is the one that has no negative, or
        bits behind the last are set.
    """
    bits, lowest = len(planes), -(1 << len(planes) - 1)
    eights = _SPREAD[0].take(planes[0])
    for plane in range(1, bits - 1):
        eights |= _SPREAD[plane].take(planes[plane])
    eights |= _SIGNS[bits].take(planes[-1])
    multiples = eights.view(np.int8)
    exact = steps.astype(np.float64)
    powers = (np.frexp(exact)[0] == 0.5) & (exact >= 2.0**-126) & (exact <= _LARGEST)
    if not powers.all() or (multiples == lowest).any() or multiples[:, width:].any():
        raise IncompatibleError(
            f"{what} in {lowest + 1}..{-lowest - 1} times powers of two, and no bits behind them,"
            " found others; learn the task again"
        )
    rows: Floats = multiples[:, :width].astype(np.float32)
    rows *= steps[:, None]
    return rows


def _rounded(rows: NDArray[np.floating], steps: NDArray[np.float64], bits: int) -> Floats:
    """Return the nearest multiples of each row's step that `bits` bits hold."""
    most = (1 << bits - 1) - 1
    multiples = np.clip(np.rint(rows / steps[:, None]), -most, most)
    return (multiples * steps[:, None] + 0.0).astype(np.float32)  # + 0.0: no negative zeros


def _finer(rows: NDArray[np.floating], bits: int) -> NDArray[np.float64]:
    """Of the steps that reach over each row, float64 [K], and up to `_FINER` halvings of them, the
    ones with the least squared error; of equals the coarsest.

    What was rounded so is rounded so again without another change: its own step has no error, and
    where a finer one was taken the largest multiple is there.
    """
    steps = _steps(rows, bits)
    best, least = steps, np.full(len(rows), np.inf)
    for halvings in range(_FINER + 1):
        tried = np.ldexp(steps, -halvings)
        errors = np.square(_rounded(rows, tried, bits) - rows.astype(np.float64)).sum(axis=1)
        best = np.where(errors < least, tried, best)
        least = np.minimum(errors, least)
    return best


def _steps(rows: NDArray[np.floating], bits: int) -> NDArray[np.float64]:
    """The least powers of two, float64 [K], of which the largest multiple reaches over each row; 1
    for a row of zeros, or as good as.
    """
    limit = np.abs(rows.astype(np.float64)).max(axis=1, initial=0.0) / ((1 << bits - 1) - 1)
    fraction, exponent = np.frexp(limit)
    return np.where(
        limit > 2.0**-100, np.ldexp(1.0, np.where(fraction == 0.5, exponent - 1, exponent)), 1.0
    )
