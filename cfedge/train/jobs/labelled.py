"""Labelled inputs as the bytes that travel with a job, and back, without loss: words as they are,
files as their bytes, arrays as ``.npy``. Nothing of them is kept by a worker.

Eight bytes say how long the JSON behind them is; behind that lie files and arrays.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np

import cfedge.inputs
from cfedge.bundle.canonical import canonical_json
from cfedge.errors import DataError
from cfedge.inputs.modality import Input
from cfedge.plain_files import LARGEST_BYTES, read_plain
from cfedge.train.examples.examples import Examples

__all__ = ["dumped_examples", "dumped_inputs", "parsed_examples", "parsed_inputs"]

#: Of examples what travels as JSON; notes of how they were read stay with the coordinator.
_FIELDS = [one.name for one in fields(Examples) if one.name not in ("inputs", "notes")]


def dumped_examples(examples: Examples) -> bytes:
    """Return examples as bytes; equal examples give equal bytes.

    Raises
    ------
    DataError
        A file among them cannot be read here.
    """
    note: dict[str, object] = {name: getattr(examples, name) for name in _FIELDS}
    return _dumped(examples.inputs, examples.source, note)


def parsed_examples(data: bytes) -> Examples:
    """Read what `dumped_examples` wrote."""
    note, inputs = _parsed(data)
    stated: dict[str, Any] = {
        name: tuple(note[name]) if isinstance(note[name], list) else note[name] for name in _FIELDS
    }
    return Examples(tuple(inputs), **stated)


def dumped_inputs(inputs: Sequence[Input], what: str, kind: str) -> bytes:
    """Return inputs without labels as bytes; `what` names them in errors."""
    return _dumped(inputs, what, {"kind": kind})


def parsed_inputs(data: bytes) -> list[Input]:
    """Read the inputs of what `dumped_inputs` wrote."""
    return _parsed(data)[1]


def _dumped(inputs: Sequence[Input], what: str, note: dict[str, object]) -> bytes:
    forms: list[list[object]] = []
    in_files = cfedge.inputs.reader(str(note["kind"])).suffixes
    blob = bytearray()
    for row, value in enumerate(inputs):
        if not in_files:
            forms.append(["plain", value])
            continue
        if isinstance(value, np.ndarray):
            form, buffer = "array", io.BytesIO()
            np.save(buffer, value, allow_pickle=False)
            data = buffer.getvalue()
        else:
            form, data = "file", _content(value, f"{what}, input {row + 1}")
        forms.append([form, len(data)])
        blob += data
    header = canonical_json({**note, "forms": forms})
    return len(header).to_bytes(8, "little") + header + bytes(blob)


def _parsed(data: bytes) -> tuple[dict[str, Any], list[Input]]:
    place = 8 + int.from_bytes(data[:8], "little")
    note = json.loads(data[8:place])
    inputs: list[Input] = []
    for form, value in note["forms"]:
        if form == "plain":
            inputs.append(value)
            continue
        part, place = data[place : place + value], place + value
        inputs.append(part if form == "file" else np.load(io.BytesIO(part), allow_pickle=False))
    return note, inputs


def _content(value: Input, where: str) -> bytes:
    if isinstance(value, bytes):
        return value
    try:
        return read_plain(os.fspath(value), whole_bytes=LARGEST_BYTES)
    except (OSError, TypeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(
            f"could not read {where}, to send it with its job: {reason}; check the file"
        ) from error
