"""Where a picture comes from: a camera's frame, a path, a file's bytes; and back to a file.

Each is checked here before anything is decoded.
"""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cfedge.errors import InputError
from cfedge.inputs.files import is_address
from cfedge.inputs.image.decode import MOST_BYTES, MOST_PIXELS, package
from cfedge.inputs.modality import Array
from cfedge.plain_files import open_plain

__all__ = ["content", "encoded", "frame", "is_file", "is_opened", "middle", "path_of"]

Pixels = NDArray[np.uint8]


_AS_IT_IS = "pass what the camera gives, 0 to 255"
_ONE_BY_ONE = "pass frames [N, H, W, 3], or one alone"


def is_file(value: object) -> bool:
    """Whether it holds the bytes of a file."""
    return isinstance(value, bytes | bytearray | io.BytesIO)


def is_opened(value: object) -> bool:
    """Whether it is a picture that Pillow has opened; Pillow is not imported for that."""
    return type(value).__module__.partition(".")[0] == "PIL"


def frame(array: Array, where: str) -> Pixels:
    """Return a camera's frame, once it is known to be one.

    Raises
    ------
    InputError
        It is of another dtype or layout, or too large.
    """
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3:
        raise InputError(
            f"{where}: expected a frame uint8 [H, W, 3], found {array.dtype} {list(array.shape)};"
            f" {_remedy(array)}"
        )
    if isinstance(array, np.ma.MaskedArray) and np.ma.is_masked(array):
        raise InputError(
            f"{where}: expected a frame without a mask, found masked pixels; fill them:"
            " frame.filled(0)"
        )
    if array.shape[0] * array.shape[1] > MOST_PIXELS:
        raise InputError(
            f"{where}: expected at most {MOST_PIXELS // 10**6} million pixels, found"
            f" {array.shape[1]} x {array.shape[0]}; shrink it"
        )
    return array


def _remedy(array: Array) -> str:
    """Say how what looks like a frame becomes one."""
    layout = _layout(array)
    if array.dtype == np.uint8 or layout in (_AS_IT_IS, _ONE_BY_ONE):
        return layout or f"{_AS_IT_IS}: frame.astype(np.uint8)"
    return f"{layout}; then {_scale(array)}" if layout else _scale(array)


def _layout(array: Array) -> str:
    """Say how the axes become those of a frame; nothing where they are."""
    if array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 1):
        return "repeat the grey: np.repeat(frame.reshape(H, W, 1), 3, axis=2)"
    if array.ndim == 3 and array.shape[2] == 4:
        return "leave the fourth value of each pixel out: frame[..., :3]"
    if array.ndim == 3 and array.shape[2] != 3 and array.shape[0] in (3, 4):
        return "move the colours last: frame.transpose(1, 2, 0), of a tensor frame.permute(1, 2, 0)"
    if array.ndim == 3 and array.shape[2] != 3:
        return "repeat the grey of several frames: np.repeat(frames[..., None], 3, axis=3)"
    if array.ndim > 3:
        return _ONE_BY_ONE
    return "" if array.ndim == 3 else _AS_IT_IS


def _scale(array: Array) -> str:
    """Say how numbers of another dtype become those from 0 to 255."""
    if array.dtype == np.bool_:
        return "scale it: frame.astype(np.uint8) * 255"
    if array.dtype.kind not in "iuf" or not array.size:
        return f"{_AS_IT_IS}: frame.astype(np.uint8)"
    least, most = array.min(), array.max()
    if array.dtype.kind == "f" and least >= 0 and most <= 1:
        return "scale it: (frame * 255).astype(np.uint8)"
    if array.dtype.kind == "u" and array.dtype.itemsize == 2:
        bits = max(8, int(most).bit_length())
        if bits in (10, 12, 14):  # what cameras give in 16
            return f"keep the upper 8 of {bits} bits: (frame >> {bits - 8}).astype(np.uint8)"
        return "keep the upper 8 bits: (frame >> 8).astype(np.uint8)"
    if least >= 0 and most <= 255:
        return f"{_AS_IT_IS}: frame.astype(np.uint8)"
    return f"{_AS_IT_IS}, before anything is normalised"


def middle(pixels: Pixels, height: int, width: int) -> Pixels:
    """The largest part in the middle whose sides are as `height` to `width`."""
    tall, wide = pixels.shape[:2]
    if wide * height > tall * width:
        across = max(1, round(tall * width / height))
        left = (wide - across) // 2
        return pixels[:, left : left + across]
    down = max(1, round(wide * height / width))
    top = (tall - down) // 2
    return pixels[top : top + down]


def path_of(value: object, where: str) -> Path:
    """Return the path that a word or a JSON value is.

    Raises
    ------
    InputError
        It is none.
    """
    if not isinstance(value, str) or not value or "\x00" in value:
        raise InputError(
            f"{where}: expected the path of a picture, found {str(value)[:40]!r}; name a file"
        )
    return Path(value)


def content(path: str | os.PathLike[str], where: str) -> bytes:
    """Return a file's bytes, at most one more than `MOST_BYTES`.

    Raises
    ------
    InputError
        It cannot be read.
    """
    name = repr(os.fspath(path))[:200]
    if is_address(str(path)):
        raise InputError(
            f"{where}: expected a picture at {name}, found an address;"
            f" {'leave file:// out' if str(path).startswith('file:') else 'download it, and give the file'}"
        )
    try:
        with open_plain(path) as file:
            data = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        too_long = getattr(error, "errno", None) == errno.ENAMETOOLONG
        step = 'give one in base64 as {"image": "..."}' if too_long else "name a file"
        raise InputError(
            f"{where}: expected a picture at {name}, found: {reason}; {step}"
        ) from error
    return data


def encoded(pixels: Pixels, form: str, **options: int) -> bytes:
    """Return the bytes of a file in the format `form`."""
    buffer = io.BytesIO()
    package().fromarray(pixels).save(buffer, form, **options)
    return buffer.getvalue()
