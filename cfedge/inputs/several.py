"""What a caller passes as several inputs -> a list: lists, tuples, generators, arrays, Series."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cfedge.errors import InputError

__all__ = ["described", "json_kind", "listed"]


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
    is_flat = getattr(given, "ndim", 1) == 1
    if (
        not isinstance(given, Iterable)
        or isinstance(given, Mapping | set | frozenset | bytes | bytearray | memoryview)
        or not is_flat
    ):
        axes = "" if is_flat else f" of {getattr(given, 'ndim', 0)} axes"
        raise InputError(
            f"inputs: expected a {noun} or a sequence of them, found {described(given)}{axes}; pass"
            " a list"
        )
    return list(given)


def described(value: object) -> str:
    """Return what a value is, for errors: NaN is how tables write that nothing is there."""
    if isinstance(value, float) and value != value:
        return "NaN"
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
    return names.get(type(value), "a number")
