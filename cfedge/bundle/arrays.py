"""Arrays and a small note as bytes: safetensors, checked before and after they are read.

A header that is dear to read is refused before anything reads it, as is a name given twice; floats
are finite. What the arrays mean is for others.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from cfedge.errors import IncompatibleError

__all__ = ["dump_arrays", "load_arrays", "load_note", "view_arrays"]

#: Of the header of safetensors: its bytes, the arrays that it names, and the commas in it, of which
#: notes have the most.
_HEADER_BYTES, _ARRAYS, _VALUES = 32 << 20, 4096, 1 << 20
#: Of `view_arrays`.
_DTYPES = {"F64": np.float64, "F32": np.float32, "I64": np.int64}


def dump_arrays(
    arrays: Mapping[str, NDArray[np.generic]], note: Mapping[str, object] | None = None
) -> bytes:
    """Serialize arrays (safetensors) and a small JSON note; equal content gives equal bytes."""
    metadata = (
        None
        if note is None
        else {"cfedge": json.dumps(note, sort_keys=True, ensure_ascii=False, allow_nan=False)}
    )
    whole = {name: np.ascontiguousarray(arrays[name]) for name in sorted(arrays)}
    return safetensors.numpy.save(whole, metadata)


def load_arrays(data: bytes, what: str) -> dict[str, NDArray[np.generic]]:
    """Parse safetensors bytes; floats must be finite.

    Raises
    ------
    IncompatibleError
        Naming `what`.
    """
    _check_header(data, what)
    try:
        arrays: dict[str, NDArray[np.generic]] = safetensors.numpy.load(data)
    except (safetensors.SafetensorError, ValueError, KeyError, TypeError) as error:
        raise IncompatibleError(
            f"{what}: expected safetensors, found {error}; export it again"
        ) from error
    _check_names(data, what, len(arrays))
    for name, array in arrays.items():
        if array.dtype.kind in "fc" and not np.isfinite(array).all():
            raise IncompatibleError(
                f"{what}: expected finite numbers in {name!r}, found NaN or infinity; learn the"
                " task again"
            )
    return arrays


def view_arrays(data: memoryview, what: str) -> dict[str, NDArray[np.generic]]:
    """Return arrays that lie where they are in bytes that `dump_arrays` wrote, and that nobody else
    can have changed: nothing is copied, nor are numbers looked at.

    Raises
    ------
    IncompatibleError
        Naming `what`.
    """
    start = 8 + int.from_bytes(data[:8], "little")
    arrays: dict[str, NDArray[np.generic]] = {}
    try:
        for name, stated in json.loads(bytes(data[8:start])).items():
            begin, end = (start + at for at in stated["data_offsets"])
            flat = np.frombuffer(data[begin:end], _DTYPES[stated["dtype"]])
            arrays[name] = flat.reshape(stated["shape"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise IncompatibleError(f"{what}: expected arrays, found {error}; delete it") from error
    return arrays


def load_note(data: bytes, what: str = "note") -> dict[str, object]:
    """Return the JSON note of safetensors bytes that `load_arrays` accepted.

    Raises
    ------
    IncompatibleError
        Naming `what`: the note is not a JSON object.
    """
    try:
        note = json.loads(_header(data, what).get("__metadata__", {}).get("cfedge", "{}"))
    except (ValueError, AttributeError, RecursionError) as error:
        raise IncompatibleError(
            f"{what}: expected a note in JSON, found {error}; export it again"
        ) from error
    if not isinstance(note, dict):
        raise IncompatibleError(
            f"{what}: expected a JSON object as note, found {type(note).__name__}; export it again"
        )
    return note


def _check_header(data: bytes, what: str) -> None:
    """Refuse a header that is dear to read, before anything reads it."""
    size = int.from_bytes(data[:8], "little")
    header = data[8 : 8 + min(size, _HEADER_BYTES)]
    arrays, values = header.count(b'"dtype"'), header.count(b",")
    if size > _HEADER_BYTES or arrays > _ARRAYS or values > _VALUES:
        raise IncompatibleError(
            f"{what}: expected safetensors with a header of at most {_HEADER_BYTES} bytes,"
            f" {_ARRAYS} arrays and {_VALUES} values, found {size}, {arrays} and {values}; export"
            " it"
            " again"
        )


def _check_names(data: bytes, what: str, count: int) -> None:
    """Refuse a name that stands twice in a header that safetensors has read, of so many arrays.

    Each name has a colon, and each array has its own name and three inside at least. So a header of
    four colons for each has no name twice, and is not parsed a second time.
    """
    if data.count(b":", 8, 8 + int.from_bytes(data[:8], "little")) != 4 * count:
        _header(data, what)


def _header(data: bytes, what: str) -> dict[str, Any]:
    """The header of safetensors bytes; safetensors itself takes the last of two entries of one
    name.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise IncompatibleError(
                f"{what}: expected each name once, found a name twice; export it again"
            )
        return found

    header: dict[str, Any] = json.loads(
        data[8 : 8 + int.from_bytes(data[:8], "little")], object_pairs_hook=once
    )
    return header
