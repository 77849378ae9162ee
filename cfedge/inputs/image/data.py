"""Pictures in training data: a cell names a file inside the table's folder, or holds one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cfedge.errors import DataError, InputError
from cfedge.inputs.files import inside
from cfedge.inputs.image import likeness
from cfedge.inputs.image.device import SUFFIXES, ImageInputs
from cfedge.inputs.image.spec import Image
from cfedge.inputs.modality import Input

__all__ = ["ImageReader", "reader"]


_Mark = tuple[object, ...]
#: Pictures that are remembered, of some 700 bytes each.
_MOST_KNOWN = 100_000
#: Of 255: a picture of 12 bits that were saved as 16 is as dark, and so is one behind a lens cap.
_DARK = 16


class _Seen(NamedTuple):
    """A picture in 96 x 96 pixels: their SHA-256, and its look (`cfedge.inputs.image.likeness`)."""

    digest: str
    look: NDArray[np.uint8]


class ImageReader:
    """Reads pictures: a `cfedge.inputs.reader.Reader`. One that was seen is not decoded again: a
    file until it changes, a frame or bytes in memory while they are the same.
    """

    suffixes = SUFFIXES
    stacks = True
    model_types: tuple[str, ...] = ("deit", "dinov2", "siglip", "siglip_vision_model", "vit")
    beside: tuple[str, ...] = ("preprocessor_config.json",)

    def __init__(self) -> None:
        self._small = ImageInputs(Image("image", likeness.SIDE, likeness.SIDE, "squash"))
        self._known: dict[_Mark, _Seen] = {}

    def read(self, cell: object, folder: Path, where: str) -> Input:
        """Return the path of a cell's picture, or its bytes where the cell holds them, once it has
        been decoded.

        Raises
        ------
        DataError
            See `cfedge.inputs.files.inside`; or it is no picture.
        """
        if isinstance(cell, dict) and set(cell) == {"bytes", "path"}:  # of Hugging Face's datasets
            cell = cell["path"] if cell["bytes"] is None else cell["bytes"]
        if isinstance(cell, bytes):
            return self.check(cell, where)
        path = inside(cell, folder, "a picture", where)
        self._decode(path, f"{where}: {str(cell)[:80]!r}")
        return path

    def check(self, value: object, where: str) -> Input:
        """Return a picture that is in memory, or the path of one, once it has been decoded.

        Raises
        ------
        DataError
            It is none.
        """
        self._decode(value, where)
        return Path(value) if isinstance(value, str) else value

    def key(self, value: Input) -> str:
        """Return the SHA-256 of the picture's pixels, seen small."""
        return self._seen(value).digest

    def exact(self, value: Input) -> str:
        """Return the key: pixels that are one when seen small are one."""
        return self.key(value)

    def doubts(self, values: Sequence[Input]) -> list[tuple[list[int], str]]:
        """Return the pictures on which nothing is to be seen, as they are black."""
        dark = [row for row, look in enumerate(self._looks(values)) if look.max() < _DARK]
        if not dark:
            return []
        return [
            (
                dark,
                "expected a picture that shows something, found a nearly black one; leave it out, or"
                " scale its values: of 16 bits a colour the upper 8 are read",
            )
        ]

    def near(
        self, values: Sequence[Input], others: Sequence[Input] | None = None
    ) -> NDArray[np.bool_]:
        """See `Reader`: by their looks."""
        looks = self._looks(values)
        return likeness.near(looks, None if others is None else self._looks(others))

    def _looks(self, values: Sequence[Input]) -> NDArray[np.uint8]:
        looks = [self._seen(value).look for value in values]
        return np.stack(looks) if looks else np.zeros((0, 1), np.uint8)

    def _decode(self, value: Input, where: str) -> None:
        try:
            self._seen(value)
        except InputError as error:
            raise DataError(str(error).replace("input 0", where, 1)) from error

    def _seen(self, value: Input) -> _Seen:
        mark = _mark(value)
        if mark is not None and mark in self._known:
            return self._known[mark]
        pixels = self._small.prepare(value).feeds["pixels"]
        seen = _Seen(hashlib.sha256(pixels.tobytes()).hexdigest(), likeness.look(pixels[0]))
        if mark is not None:
            if len(self._known) >= _MOST_KNOWN:
                del self._known[next(iter(self._known))]
            self._known[mark] = seen
        return seen


@cache
def reader() -> ImageReader:
    """Return how pictures are read, the same at every call; see `cfedge.inputs.reader`."""
    return ImageReader()


def _mark(value: Input) -> _Mark | None:
    """What changes where a picture does; None where that cannot be told without decoding it."""
    if isinstance(value, bytes):
        return "bytes", hashlib.sha256(value).hexdigest()
    if isinstance(value, np.ndarray) and value.dtype == np.uint8:
        return "array", value.shape, hashlib.sha256(np.ascontiguousarray(value).data).hexdigest()
    if not isinstance(value, str | Path):
        return None
    try:
        found = Path(value).stat()
    except (OSError, ValueError):
        return None
    return "file", str(value), found.st_mtime_ns, found.st_size
