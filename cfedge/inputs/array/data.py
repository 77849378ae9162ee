"""Arrays in training data: a cell names a ``.npy`` file inside the table's folder."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cfedge.errors import DataError, InputError
from cfedge.inputs.array.reading import read_npy
from cfedge.inputs.files import inside
from cfedge.inputs.modality import Input
from cfedge.inputs.several import described
from cfedge.plain_files import read_plain

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
        path = inside(cell, folder, "an array", where)
        try:
            return read_npy(read_plain(path), f"{where}: {str(cell)[:80]!r}")
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
        if isinstance(value, bytes):
            try:
                value = read_npy(value, where)
            except InputError as error:
                raise DataError(str(error)) from error
        if isinstance(value, list | tuple):
            with contextlib.suppress(ValueError, OverflowError):
                value = np.array(value)
        if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiub":
            raise DataError(
                f"{where}: expected an array of numbers, found {described(value)}; pass a NumPy"
                " array"
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
        """Nothing: what can be read is as it is."""
        return []

    def near(
        self, values: Sequence[Input], others: Sequence[Input] | None = None
    ) -> NDArray[np.bool_]:
        """See `Reader`: what makes arrays alike is for who measured them to say, with groups."""
        return np.zeros(len(values), np.bool_)


def reader() -> ArrayReader:
    """Return how arrays are read; see `cfedge.inputs.reader`."""
    return ArrayReader()
