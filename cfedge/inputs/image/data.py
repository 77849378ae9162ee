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
    """Reads pictures: a `cfedge.inputs.modality.Reader`."""

    column = "image"
    suffixes = SUFFIXES

    def __init__(self) -> None:
        self._small = ImageInputs(Image("image", _SIDE, _SIDE, "squash"))

    def read(self, cell: object, folder: Path, where: str) -> Path:
        """Return the path of a cell's picture, once it has been decoded.

        Raises
        ------
        DataError
            See `cfedge.inputs.files.inside`; or it is no picture.
        """
        path = inside(cell, folder, "a picture", where)
        try:
            self._small.prepare(path)
        except InputError as error:
            raise DataError(
                str(error).replace("input 0", f"{where}: {str(cell)[:80]!r}", 1)
            ) from error
        return path

    def key(self, value: Input) -> str:
        """Return the SHA-256 of the picture's pixels, seen small."""
        return hashlib.sha256(self._small.prepare(value).feeds["pixels"].tobytes()).hexdigest()


def reader() -> ImageReader:
    """Return how pictures are read; see `cfedge.inputs.reader`."""
    return ImageReader()
