"""Arrays as people have them: ``.npy`` files, read without pickle, and nested lists of numbers."""

from __future__ import annotations

import io
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cfedge.errors import InputError
from cfedge.inputs.several import json_kind
from cfedge.plain_files import read_plain

__all__ = ["content", "from_list", "read_npy"]

Values = NDArray[Any]
#: Of a ``.npy`` file's header.
_HEADER = 4_096


def read_npy(data: bytes, where: str) -> Values:
    """Return the array in a ``.npy`` file's bytes, without pickle.

    Raises
    ------
    InputError
        It is none, or holds Python objects.
    """
    try:
        array: Values = np.lib.format.read_array(
            io.BytesIO(data), allow_pickle=False, max_header_size=_HEADER
        )
    except (
        Exception
    ) as error:  # ValueError, EOFError, SyntaxError, MemoryError: of a header that lies
        reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise InputError(
            f"{where}: expected a .npy file of numbers, found: {reason}; save it with numpy.save"
        ) from error
    return array


def content(path: str | os.PathLike[str], where: str) -> Values:
    """Return the array in a ``.npy`` file; `where` names it in errors.

    Raises
    ------
    InputError
        It cannot be read, or is none of numbers.
    """
    try:
        data = read_plain(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"{where}: expected an array at {repr(os.fspath(path))[:200]}, found: {reason}; name a"
            " .npy file"
        ) from error
    return read_npy(data, where)


def from_list(value: list[Any] | tuple[Any, ...], where: str) -> Values:
    """Return nested lists of numbers as an array.

    Raises
    ------
    InputError
        They are not of one length, or hold something else.
    """
    try:
        _check_leaves(value, where)
        array: Values = np.array(value)
    except (ValueError, OverflowError, RecursionError) as error:
        raise InputError(
            f"{where}: expected lists of one length, found others; cut or fill them"
        ) from error
    if array.dtype.kind not in "fiub":
        raise InputError(f"{where}: expected numbers, found {array.dtype}; pass numbers alone")
    return array


def _check_leaves(value: object, where: str) -> None:
    """Refuse what is no number: of strings NumPy gives each the room of the longest."""
    if isinstance(value, list | tuple):
        for one in value:
            _check_leaves(one, where)
    elif not isinstance(value, int | float | np.number | np.bool_ | np.ndarray):
        raise InputError(f"{where}: expected numbers, found {json_kind(value)}; pass numbers alone")
