"""What `Engine.predict` may be given as several inputs, and what it may not."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas
import pyarrow
import pytest
import torch
from every import cases

from cfedge.errors import InputError
from cfedge.inputs.several import described, json_kind, listed

ROWS = ["please close my account", "book a hotel"]
SEQUENCES: dict[str, Callable[[], Any]] = {
    "a list": lambda: ROWS,
    "a tuple": lambda: tuple(ROWS),
    "a generator": lambda: (row for row in ROWS),
    "a map": lambda: map(str, ROWS),
    "an array of strings": lambda: np.array(ROWS),
    "an array of objects": lambda: np.array(ROWS, dtype=object),
    "a Series": lambda: pandas.Series(ROWS),
    "a Series with an index of its own": lambda: pandas.Series(ROWS, index=["b", "a"]),
    "a column of Arrow": lambda: pyarrow.array(ROWS),
    "values of a dict": lambda: dict(enumerate(ROWS)).values(),
}
OTHERS: dict[str, tuple[Any, str]] = {
    "nothing": (None, "None"),
    "a dict": ({"text": ROWS[0]}, "dict"),
    "an ordered dict": (OrderedDict(text=ROWS[0]), "OrderedDict"),
    "a set, which has no order": (set(ROWS), "set"),
    "bytes": (b"book a hotel", "bytes"),
    "a number": (3, "int"),
    "NaN": (float("nan"), "NaN"),
    "a table": (pandas.DataFrame({"text": ROWS}), "DataFrame of 2 axes"),
    "an array of two axes": (np.array([ROWS]), "ndarray of 2 axes and dtype <U23"),
    "a tensor that NumPy has no type for": (
        torch.zeros(2, 2, dtype=torch.bfloat16),
        "Tensor of 2 axes and dtype torch.bfloat16",
    ),
    "an array of no axis": (np.array(ROWS[0]), "ndarray of 0 axes and dtype <U23"),
}


@cases("kind", SEQUENCES)
def test_any_sequence_is_taken_in_its_order(kind: str) -> None:
    assert listed(SEQUENCES[kind](), "text") == ROWS


@cases("kind", OTHERS)
def test_what_is_no_sequence_is_refused_by_name(kind: str) -> None:
    value, found = OTHERS[kind]
    with pytest.raises(InputError) as refusal:
        listed(value, "text")
    assert str(refusal.value) == (
        f"inputs: expected a text or a sequence of them, found {found}; pass a list"
    )


@cases("empty", [[], (), np.array([], dtype=object), pandas.Series([], dtype=str)])
def test_no_inputs_are_no_inputs(empty: Any) -> None:
    assert listed(empty, "text") == []


def test_values_are_named_as_people_know_them() -> None:
    assert [described(value) for value in (None, float("nan"), np.float64("nan"), 3, b"x")] == [
        "None",
        "NaN",
        "NaN",
        "int",
        "bytes",
    ]
    assert [json_kind(value) for value in ({}, [], "x", True, None, 3, 2.5)] == [
        "an object",
        "an array",
        "a string",
        "a truth value",
        "null",
        "a number",
        "a number",
    ]
