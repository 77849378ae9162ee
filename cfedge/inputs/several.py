"""What a caller passes as several inputs -> a list: lists, tuples, generators, arrays, Series; and as
one array: tensors, columns, buffers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cfedge.errors import InputError
from cfedge.values import is_missing, value_words

__all__ = ["a_folder_in", "as_array", "described", "json_kind", "listed"]


def listed(given: object, noun: str) -> list[Any]:
    """Return the members of a sequence of inputs, in order.

    Parameters
    ----------
    given
        A list, tuple, generator, NumPy array of one axis, pandas Series or column of another table.
    noun
        What one input is called.

    Raises
    ------
    InputError
        It is None, bytes, a mapping, a set, a table, or nothing that has members.
    """
    if type(given) is list or type(given) is tuple:  # as most are, which the rest takes long to say
        return list(given)
    columns = getattr(given, "to_pylist", None)
    if columns is not None and not hasattr(given, "schema"):  # of Arrow, whose members are its own
        given = columns()
    is_flat = getattr(given, "ndim", 1) == 1
    article = "an" if noun[0] in "aeiou" else "a"
    expected = f"inputs: expected {article} {noun} or a sequence of them"
    if (
        not isinstance(given, Iterable)
        or isinstance(given, Mapping | set | frozenset | bytes | bytearray | memoryview)
        or not is_flat
    ):
        axes = "" if is_flat else f" of {getattr(given, 'ndim', 0)} axes"
        kind = getattr(given, "dtype", None)
        of = "" if kind is None or is_flat else f" and dtype {kind}"
        raise InputError(f"{expected}, found {described(given)}{axes}{of}; pass a list")
    try:
        return list(given)
    except UnicodeDecodeError as error:
        raise InputError(
            f"{expected}, found bytes in a file that was opened as letters; open it with mode 'rb'"
        ) from error


def as_array(value: object) -> object:
    """Return as a NumPy array what says of itself that it is one, such as a tensor of PyTorch, a
    column of pandas or a buffer of numbers; everything else as it is.
    """
    # commands name kinds before NumPy may be imported
    import numpy as np

    if isinstance(value, np.ndarray | np.generic):
        return value
    if not isinstance(value, memoryview) and not hasattr(value, "__array__"):
        return value
    try:
        for step in ("detach", "cpu"):  # of a tensor that is learned, or on another device
            value = getattr(value, step, lambda value=value: value)()
        return np.asarray(value)
    except Exception:  # each package raises its own: then it is none
        return value


def a_folder_in(value: str) -> str:
    """Return what to name instead of a folder that holds no inputs: one in it, where there is one."""
    inside = sorted(entry.name for entry in Path(value).iterdir() if entry.is_dir())
    return f"a folder in it, such as {str(Path(value, inside[0]))!r}" if inside else "another"


def described(value: object) -> str:
    """Return what a value is, for errors: NaN is how tables write that nothing is there."""
    if isinstance(value, float) and value != value:
        return "NaN"
    if value is not None and is_missing(value):
        return value_words(value)
    return "None" if value is None else type(value).__name__


def json_kind(value: object) -> str:
    """Return what a JSON value is, for errors."""
    names: dict[type, str] = {
        dict: "an object",
        list: "an array",
        str: "a string",
        bool: "a truth value",
        type(None): "null",
    }
    kind = type(value)
    return names.get(kind, "a number" if kind in (int, float) else kind.__name__)
