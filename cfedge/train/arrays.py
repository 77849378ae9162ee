"""Inputs and labels in memory -> `Examples`: lists, generators, NumPy arrays, columns of pandas and
datasets.

Whatever is wrong is named with its position, before anything is learned. Files are read by
`cfedge.train.data`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePath

from cfedge.errors import DataError
from cfedge.inputs.text.data import check_text
from cfedge.train.examples import Examples
from cfedge.train.labels import label_text

__all__ = ["from_arrays", "texts_of"]


def from_arrays(inputs: Iterable[object], labels: Iterable[object], source: str) -> Examples:
    """Check inputs and labels, as long as each other, and keep them.

    Parameters
    ----------
    inputs
        One text each. What is iterated once, such as a generator, is taken whole.
    labels
        One label each: a text, a number or a boolean.
    source
        How errors call them.

    Raises
    ------
    DataError
        They differ in length, there are none, or one of them is none: named with its position.
    """
    texts = texts_of(inputs, source)
    names = [
        label_text(value, f"{source}: labels[{position}]")
        for position, value in enumerate(_column(labels, f"{source}: labels"))
    ]
    if len(texts) != len(names):
        raise DataError(
            f"{source}: expected one label for each input, found {len(texts)} inputs and"
            f" {len(names)} labels; give as many of each"
        )
    if not texts:
        raise DataError(f"{source}: expected examples, found none; give some")
    return Examples(texts, tuple(names), source)


def texts_of(inputs: Iterable[object], source: str) -> tuple[str, ...]:
    """Check inputs without labels; parameters and errors as of `from_arrays`."""
    column = _column(inputs, f"{source}: inputs")
    return tuple(_text(value, f"{source}: inputs[{at}]") for at, value in enumerate(column))


def _column(values: Iterable[object], where: str) -> list[object]:
    if isinstance(values, str | bytes | PurePath):
        raise DataError(
            f"{where}: expected a list of them, found one {type(values).__name__}; put it in a list"
        )
    if isinstance(values, Mapping):
        raise DataError(
            f"{where}: expected a list of them, found a mapping; give one of its columns"
        )
    if (axes := getattr(values, "ndim", 1)) != 1:
        raise DataError(
            f"{where}: expected one column, found {type(values).__name__} of {axes} dimensions;"
            " give one column"
        )
    try:
        return list(values)
    except TypeError as error:
        raise DataError(
            f"{where}: expected a list of them, found {type(values).__name__}; put it in a list"
        ) from error


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise DataError(f"{where}: expected a text, found {_kind(value)}; {_step(value)}")
    return check_text(value, "text", where)


def _kind(value: object) -> str:
    """How an error calls what is no text."""
    if value is None:
        return "None"
    if isinstance(value, PurePath):
        return f"the path {str(value)!r:.80}"
    if isinstance(value, float) and value != value:
        return "NaN"
    if (shape := getattr(value, "shape", ())) != ():
        return f"an array of shape {tuple(shape)}"
    return f"{type(value).__name__} {value!r:.80}"


def _step(value: object) -> str:
    if isinstance(value, PurePath):
        return "this backbone reads texts: give what the file holds"
    if getattr(value, "shape", ()) != ():
        return "this backbone reads texts, one a row"
    return "fill it in or leave it out"
