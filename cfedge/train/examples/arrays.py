"""Inputs and labels in memory -> `Examples`: lists, generators, NumPy arrays, columns of pandas and
datasets.

Whatever is wrong is named with its position, before anything is learned. Files are read by
`cfedge.train.examples.data`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePath

import numpy as np

from cfedge.counted import counted
from cfedge.errors import DataError
from cfedge.inputs import DEFAULT_KIND, reader
from cfedge.inputs.modality import Input
from cfedge.inputs.several import as_array
from cfedge.train.examples.examples import Examples
from cfedge.train.examples.labels import label_of

__all__ = ["from_arrays", "inputs_of"]


def from_arrays(
    inputs: Iterable[object],
    labels: Iterable[object],
    source: str,
    kind: str = DEFAULT_KIND,
    groups: Iterable[object] | None = None,
) -> Examples:
    """Check inputs, labels and groups, as long as each other, and keep them.

    Parameters
    ----------
    inputs
        One each. What is iterated once, such as a generator, is taken whole.
    labels
        One label each: a string, a number or a boolean.
    source
        How errors call them.
    kind
        Of the inputs: a key of `cfedge.inputs.KINDS`.
    groups
        Of each input what it belongs to, such as a video or a person: a name, a number or a
        boolean. None: nothing is known.

    Raises
    ------
    DataError
        They differ in length, there are none, or one of them is none: named with its position.
    """
    _check_order(inputs, labels, source)
    kept = inputs_of(inputs, source, kind)
    names = [
        label_of(value, f"{source}: labels[{position}]")
        for position, value in enumerate(_column(labels, f"{source}: labels"))
    ]
    if len(kept) != len(names):
        raise DataError(
            f"{source}: expected one label for each input, found {counted(len(kept), 'input')} and"
            f" {counted(len(names), 'label')}; give as many of each"
        )
    if not kept:
        raise DataError(f"{source}: expected examples, found none; give some")
    together = () if groups is None else _groups(groups, len(kept), source)
    return Examples(kept, tuple(names), source, kind=kind, groups=together)


def _check_order(inputs: object, labels: object, source: str) -> None:
    """Refuse two columns of pandas whose rows are the same ones in another order: taken one after
    another, an input would get another one's label.
    """
    if not all(hasattr(values, "iloc") for values in (inputs, labels)):
        return
    one, other = inputs.index, labels.index  # type: ignore[attr-defined]
    if len(one) == len(other) and not one.equals(other) and set(one) == set(other):
        raise DataError(
            f"{source}: expected inputs and labels in one order, found that their indexes name the"
            " same rows in different ones; give labels.loc[inputs.index], or both as lists"
        )


def inputs_of(inputs: Iterable[object], source: str, kind: str = DEFAULT_KIND) -> tuple[Input, ...]:
    """Check inputs without labels; parameters and errors as of `from_arrays`."""
    column = _column(inputs, f"{source}: inputs", stacked=reader(kind).stacks)
    check = reader(kind).check
    return tuple(check(value, f"{source}: inputs[{at}]") for at, value in enumerate(column))


def _groups(groups: Iterable[object], inputs: int, source: str) -> tuple[str, ...]:
    names = [
        label_of(value, f"{source}: groups[{position}]", "group")
        for position, value in enumerate(_column(groups, f"{source}: groups"))
    ]
    if len(names) != inputs:
        raise DataError(
            f"{source}: expected one group for each input, found {counted(inputs, 'input')} and {len(names)}"
            " groups; give as many of each, or none"
        )
    return tuple(names)


def _column(values: Iterable[object], where: str, *, stacked: bool = False) -> list[object]:
    """The members of a column; `stacked`: also those of one array of several arrays."""
    if isinstance(values, str | bytes | PurePath):
        raise DataError(
            f"{where}: expected a list of them, found one {type(values).__name__}; put it in a list"
        )
    if isinstance(values, Mapping):
        raise DataError(
            f"{where}: expected a list of them, found a mapping; give one of its columns"
        )
    if isinstance(values, set | frozenset):
        raise DataError(
            f"{where}: expected a list of them, found a set, which has no order; give them as a list"
        )
    columns = getattr(values, "to_pylist", None)
    if columns is not None and not hasattr(values, "schema"):  # of Arrow
        return list(columns())
    if stacked and getattr(values, "ndim", 1) != 1:
        values = as_array(values)  # type: ignore[assignment]
    if (axes := getattr(values, "ndim", 1)) != 1 and not (stacked and _are_numbers(values)):
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


def _are_numbers(values: object) -> bool:
    """Whether it is an array of numbers of two axes or more: of several arrays."""
    return isinstance(values, np.ndarray) and values.ndim > 1 and values.dtype.kind in "fiub"
