"""Arrays as people have them: ``.npy`` files, read without pickle, and nested lists of numbers."""

from __future__ import annotations

import io
import math
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cfedge.errors import InputError, UsageError
from cfedge.first_bytes import FIRST_BYTES, known
from cfedge.inputs.several import json_kind
from cfedge.plain_files import LARGEST_BYTES, read_plain

__all__ = ["check_unmasked", "content", "from_list", "nested", "parsed", "read_npy", "step_to"]

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
        found, step = _found(data, error)
        raise InputError(
            f"{where}: expected a .npy file of numbers, found {found}; {step}"
        ) from error
    return array


def _found(data: bytes, error: Exception) -> tuple[str, str]:
    """Say what a file is that is no ``.npy`` of numbers, and what to do."""
    save = "save it with numpy.save"
    if not data:
        return "an empty file", "leave it out"
    if not data.startswith(b"\x93NUMPY"):
        other = known(data[:FIRST_BYTES])
        return ("something else", save) if other is None else (other.what, other.step or save)
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    if "Object arrays" in reason:
        return "objects of Python", "save numbers alone: numpy.save(path, array.astype(float))"
    if "reading array data" in reason or isinstance(error, MemoryError):
        return "fewer numbers than its header states", f"it was cut: {save} again"
    return f"a damaged header: {reason[:120]}", f"{save} again"


def check_unmasked(array: Values, where: str) -> None:
    """Refuse an array of which a part is masked: what stands below a mask is no value.

    Raises
    ------
    InputError
    """
    if isinstance(array, np.ma.MaskedArray) and np.ma.is_masked(array):
        raise InputError(
            f"{where}: expected values everywhere, found masked ones; fill them: array.filled(0)"
        )


def content(path: str | os.PathLike[str], where: str) -> Values:
    """Return the array in a ``.npy`` file; `where` names it in errors.

    Raises
    ------
    InputError
        It cannot be read, or is none of numbers.
    """
    try:
        data = read_plain(path, whole_bytes=LARGEST_BYTES)
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


def parsed(value: object, where: str) -> Values:
    """Return as an array what JSON has: nested lists of numbers.

    Raises
    ------
    UsageError
        It is no list.
    InputError
        See `from_list`.
    """
    if isinstance(value, list):
        return from_list(value, where)
    raise UsageError(
        f"{where}: expected an array of numbers, found {json_kind(value)}; give lists of numbers,"
        " such as [0.5, 0.25]"
    )


def _check_leaves(value: object, where: str) -> None:
    """Refuse what is no number: of strings NumPy gives each the room of the longest."""
    if isinstance(value, list | tuple):
        for one in value:
            _check_leaves(one, where)
    elif not isinstance(value, int | float | np.number | np.bool_ | np.ndarray):
        raise InputError(f"{where}: expected numbers, found {json_kind(value)}; pass numbers alone")


def nested(value: object) -> int:
    """Return how many lists are in one another, where the last one holds numbers; else 0."""
    depth = 0
    while isinstance(value, list | tuple) and value:
        depth, value = depth + 1, value[0]
    return depth if isinstance(value, int | float | np.number) else 0


def step_to(wanted: tuple[int, ...], shape: tuple[int, ...]) -> str:
    """Say how an array of one shape becomes one of another."""
    if len(shape) > len(wanted) and shape[-len(wanted) :] == wanted:
        return "pass its parts, each an array of its own"
    if sorted(shape) == sorted(wanted) and len(set(shape)) == len(shape):
        axes = ", ".join(str(shape.index(size)) for size in wanted)
        return f"move its axes: array.transpose({axes})"
    if math.prod(shape) == math.prod(wanted):
        return f"if its numbers are in that order: array.reshape{wanted}"
    return "cut or fill it to that"
