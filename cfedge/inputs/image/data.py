"""Pictures in training data: a cell names a file inside the table's folder."""

from __future__ import annotations

import hashlib
from pathlib import Path

from cfedge.errors import DataError, InputError
from cfedge.inputs.files import inside
from cfedge.inputs.image.device import SUFFIXES, ImageInputs
from cfedge.inputs.image.spec import Image
from cfedge.inputs.modality import Input

__all__ = ["ImageReader", "reader"]

#: Of what a picture is compared by: pictures that are the same in 96 x 96 pixels are the same.
_SIDE = 96


class ImageReader:
    """Reads pictures: a `cfedge.inputs.reader.Reader`."""

    column = "image"
    suffixes = SUFFIXES
    stacks = True

    def __init__(self) -> None:
        self._small = ImageInputs(Image("image", _SIDE, _SIDE, "squash"))
        self._keys: dict[Path, str] = {}

    def read(self, cell: object, folder: Path, where: str) -> Path:
        """Return the path of a cell's picture, once it has been decoded.

        Raises
        ------
        DataError
            See `cfedge.inputs.files.inside`; or it is no picture.
        """
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
        known = self._keys.get(value) if isinstance(value, Path) else None
        return known or _digest(self._small, value)

    def _decode(self, value: Input, where: str) -> None:
        try:
            key = _digest(self._small, value)
        except InputError as error:
            raise DataError(str(error).replace("input 0", where, 1)) from error
        if isinstance(value, str | Path):
            self._keys[Path(value)] = key


def reader() -> ImageReader:
    """Return how pictures are read; see `cfedge.inputs.reader`."""
    return ImageReader()


def _digest(small: ImageInputs, value: Input) -> str:
    return hashlib.sha256(small.prepare(value).feeds["pixels"].tobytes()).hexdigest()
