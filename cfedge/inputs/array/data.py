"""Arrays in training data: a cell names a ``.npy`` file inside the table's folder, or is the array."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cfedge.errors import DataError, InputError
from cfedge.inputs.array.reading import check_unmasked, from_list, read_npy
from cfedge.inputs.files import inside
from cfedge.inputs.modality import Input
from cfedge.inputs.several import as_array, described
from cfedge.plain_files import LARGEST_BYTES, read_plain

__all__ = ["ArrayReader", "reader"]


class ArrayReader:
    """Reads arrays: a `cfedge.inputs.reader.Reader`."""

    suffixes = (".npy",)
    stacks = True
    model_types: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()

    def read(self, cell: object, folder: Path, where: str) -> Input:
        """Return a cell's array.

        Raises
        ------
        DataError
            See `cfedge.inputs.files.inside`; or it is no ``.npy`` file without objects.
        """
        if isinstance(cell, list | np.ndarray):
            return self.check(cell, where)
        path = inside(cell, folder, "an array", where)
        named = f"{where}: {str(cell)[:80]!r}"
        try:
            return self.check(read_npy(read_plain(path, whole_bytes=LARGEST_BYTES), named), named)
        except (InputError, OSError) as error:
            raise DataError(str(error)) from error

    def check(self, value: object, where: str) -> Input:
        """Return an array that is in memory; lists of numbers and the bytes of a ``.npy`` become
        one.

        Raises
        ------
        DataError
            It is none.
        """
        try:
            if isinstance(value, bytes):
                value = read_npy(value, where)
            if isinstance(value, list | tuple):
                value = from_list(value, where)
            value = as_array(value)
            if isinstance(value, np.ndarray):
                check_unmasked(value, where)
        except InputError as error:
            raise DataError(str(error)) from error
        if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiub":
            found = value.dtype if isinstance(value, np.ndarray) else described(value)
            raise DataError(
                f"{where}: expected an array of numbers, found {found}; give numbers alone"
            )
        if not value.size or not np.isfinite(value).all():
            found = "NaN or infinity" if value.size else f"none in the shape {list(value.shape)}"
            raise DataError(
                f"{where}: expected finite numbers, found {found}; correct it or leave it out"
            )
        return value

    def key(self, value: Input) -> str:
        """Return the SHA-256 of the array's shape and values."""
        array = np.ascontiguousarray(value)
        return hashlib.sha256(f"{array.dtype} {array.shape}".encode() + array.tobytes()).hexdigest()

    def exact(self, value: Input) -> str:
        """Return the key: what encoders read is what it is made of."""
        return self.key(value)

    def doubts(self, values: Sequence[Input]) -> list[tuple[list[int], str]]:
        """Return the arrays that have another shape than most."""
        shapes = Counter(np.shape(value) for value in values)
        most = shapes.most_common(1)[0][0] if shapes else ()
        odd = [row for row, value in enumerate(values) if np.shape(value) != most]
        if not odd:
            return []
        return [
            (
                odd,
                f"expected arrays of one shape, found {list(np.shape(values[odd[0]]))} where most"
                f" have {list(most)}; cut or fill them to one",
            )
        ]

    def near(
        self, values: Sequence[Input], others: Sequence[Input] | None = None
    ) -> NDArray[np.bool_]:
        """See `Reader`: what makes arrays alike is for who measured them to say, with groups."""
        return np.zeros(len(values), np.bool_)


def reader() -> ArrayReader:
    """Return how arrays are read; see `cfedge.inputs.reader`."""
    return ArrayReader()
