"""A picture -> what the backbone sees of it: decoded, cropped and resized.

Letters: H height, W width, of what the backbone sees.
"""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import NDArray

from cfedge.errors import InputError
from cfedge.inputs.image.bicubic import resized
from cfedge.inputs.image.decode import MOST_PIXELS, decoded, opened_pixels
from cfedge.inputs.image.sources import content, frame, is_file, is_opened, middle
from cfedge.inputs.image.spec import Image
from cfedge.inputs.modality import Input
from cfedge.inputs.several import as_array, described

__all__ = ["fitted"]

Pixels = NDArray[np.uint8]


def fitted(value: Input, spec: Image, where: str) -> Pixels:
    """Return the pixels that the backbone sees, uint8 [H, W, 3].

    Raises
    ------
    InputError
        It is no picture, or one that is refused; see `cfedge.inputs.image.decode`.
    MissingExtraError
        It is a file, and Pillow is not installed.
    """
    pixels = _pixels(value, spec, where)
    height, width = pixels.shape[:2]
    if height * width == 0:
        raise InputError(
            f"{where}: expected a picture, found one of {width} x {height} pixels; leave it out"
        )
    if spec.resize == "crop":
        pixels = middle(pixels, spec.height, spec.width)
    return resized(pixels, spec.height, spec.width)


def _pixels(value: Input, spec: Image, where: str) -> Pixels:
    if is_opened(value):
        if value.size[0] * value.size[1] > MOST_PIXELS:
            raise InputError(
                f"{where}: expected at most {MOST_PIXELS // 10**6} million pixels, found"
                f" {value.size[0]} x {value.size[1]}; shrink it"
            )
        return opened_pixels(value, where)
    value = as_array(value)
    if isinstance(value, np.ndarray) and (value.ndim != 1 or value.dtype != np.uint8):
        return frame(value, where)
    if isinstance(value, str | os.PathLike):
        value = content(value, where)
    if isinstance(value, np.ndarray):
        value = value.tobytes()
    elif is_file(value) and not isinstance(value, bytes):
        value = value.getvalue() if hasattr(value, "getvalue") else bytes(value)
    if not isinstance(value, bytes):
        raise InputError(
            f"{where}: expected a picture (a path, a file's bytes, or a frame uint8 [H, W, 3]),"
            f" found {described(value)}; pass one of these"
        )
    return decoded(value, where, needed=max(spec.height, spec.width))
