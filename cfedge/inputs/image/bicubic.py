"""Antialiased bicubic resizing of 8-bit pictures, in whole numbers.

A filter of the cubic with a = -1/2 is widened by the factor of shrinking; its weights are rounded
to multiples of 2^-22; each row is resized, then each column, and both passes are rounded to 8 bits.
One pass is Pillow's to the bit, so Pillow does it where it is installed. Both passes in one call
are not the same: Pillow 13 chooses their order by the picture's shape, Pillow 11 does not.

Letters: N length before, M length after, K taps.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["by_numpy", "resized"]

Pixels = NDArray[np.uint8]
#: Bits behind the point of a weight: 32 less 8 of a pixel and 2 for the sum of the weights.
_BITS = 22


def resized(pixels: Pixels, height: int, width: int) -> Pixels:
    """Return a picture uint8 [height, width, 3] of one uint8 [H, W, 3]."""
    images = _pillow()
    if images is not None:
        picture = images.fromarray(pixels)
        for size in ((width, pixels.shape[0]), (width, height)):
            if size != picture.size:
                picture = picture.resize(size, images.Resampling.BICUBIC)
        return np.asarray(picture, np.uint8)
    return by_numpy(pixels, height, width)


def by_numpy(pixels: Pixels, height: int, width: int) -> Pixels:
    """Do the same without Pillow."""
    across = pixels if pixels.shape[1] == width else _columns(pixels, width)
    if across.shape[0] == height:
        return across
    down = _columns(across.transpose(1, 0, 2), height)
    return np.ascontiguousarray(down.transpose(1, 0, 2))


@lru_cache(1)
def _pillow() -> Any:
    try:
        import PIL.Image
    except ImportError:
        return None
    return PIL.Image


def _columns(pixels: Pixels, length: int) -> Pixels:
    """Resize axis 1: uint8 [H, N, 3] -> uint8 [H, M, 3]."""
    places, weights = _taps(pixels.shape[1], length)
    total = np.full((pixels.shape[0], length, pixels.shape[2]), 1 << (_BITS - 1), np.int32)
    for place, weight in zip(places, weights, strict=True):
        total += pixels[:, place].astype(np.int32) * weight[None, :, None]
    resized_rows: Pixels = np.clip(total >> _BITS, 0, 255).astype(np.uint8)
    return resized_rows


@lru_cache(16)
def _taps(before: int, after: int) -> tuple[NDArray[np.intp], NDArray[np.int32]]:
    """Positions intp [K, M] and weights int32 [K, M] of each new pixel; spare taps weigh
    nothing.
    """
    scale = before / after
    filter_scale = max(scale, 1.0)
    support = 2.0 * filter_scale
    taps = int(np.ceil(support)) * 2 + 1
    places = np.zeros((taps, after), np.intp)
    weights = np.zeros((taps, after), np.int32)
    for column in range(after):
        center = (column + 0.5) * scale
        first = max(0, int(center - support + 0.5))
        last = min(before, int(center + support + 0.5))
        offsets = (np.arange(first, last) - center + 0.5) * (1.0 / filter_scale)
        values = [_cubic(float(offset)) for offset in offsets]
        total = 0.0
        for value in values:  # one after the other, as Pillow adds them
            total += value
        for tap, value in enumerate(values):
            share = value / total if total else value
            places[tap, column] = first + tap
            weights[tap, column] = int(share * (1 << _BITS) + (0.5 if share >= 0 else -0.5))
    return places, weights


def _cubic(x: float) -> float:
    a = -0.5
    x = abs(x)
    if x < 1.0:
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1
    if x < 2.0:
        return (((x - 5) * x + 8) * x - 4) * a
    return 0.0
