"""Examples travel whole: every field of theirs, and inputs of every kind."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from cfedge.errors import DataError
from cfedge.train.examples.examples import Examples
from cfedge.train.jobs.labelled import (
    dumped_examples,
    dumped_inputs,
    parsed_examples,
    parsed_inputs,
)


def test_texts_travel_with_every_field() -> None:
    given = Examples(("one", "two\n\u00e9"), ("a", "b"), "a file", groups=("x", "y"))
    for field in fields(Examples):  # none is left at its default, or this says nothing of it
        if field.name not in ("notes", "kind"):
            assert getattr(given, field.name)
    assert parsed_examples(dumped_examples(given)) == given
    assert dumped_examples(given) == dumped_examples(parsed_examples(dumped_examples(given)))
    noted = Examples(given.inputs, given.labels, given.source, ("a note",), groups=given.groups)
    assert dumped_examples(noted) == dumped_examples(given)


def test_files_and_arrays_travel_without_loss(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(b"\x00picture\xff")
    frame = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    found = parsed_inputs(dumped_inputs([path, b"bytes", frame, str(path)], "data", "image"))
    assert found[0] == found[3] == path.read_bytes()
    assert found[1] == b"bytes"
    np.testing.assert_array_equal(found[2], frame)
    assert found[2].dtype == np.uint8
    many = [np.full((3,), row, np.float32) for row in range(5000)]
    assert len(parsed_inputs(dumped_inputs(many, "data", "array"))) == 5000


def test_an_array_of_objects_does_not_travel() -> None:
    with pytest.raises(ValueError, match="pickle"):
        dumped_inputs([np.array([{}], object)], "data", "array")


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="could not read data, input 2, to send it with its job"):
        dumped_inputs([b"x", tmp_path / "gone"], "data", "image")
