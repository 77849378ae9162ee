"""Arrays of one dtype and shape -> ``array`` [1, ...]. NumPy alone."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cfedge.errors import IncompatibleError, InputError
from cfedge.inputs.array.reading import (
    check_unmasked,
    content,
    from_list,
    nested,
    parsed,
    read_npy,
    step_to,
)
from cfedge.inputs.array.spec import Array
from cfedge.inputs.modality import Dumped, Input, Legibility, Prepared, Tensor
from cfedge.inputs.several import a_folder_in, as_array, described, listed

__all__ = ["ArrayInputs", "opened", "stored", "versions"]

Values = NDArray[Any]
#: Element types as ONNX Runtime names them.
_ELEMENTS = {"float32": "float", "float64": "double"}


class ArrayInputs:
    """Arrays for one backbone: a `cfedge.inputs.modality.Modality`."""

    noun = "array"
    written = False
    visible = False
    may_fail = True
    example: object = [0.5, 0.25]
    golden_vectors = 4
    media: str | None = None
    body_bytes = 16 << 20

    def __init__(self, spec: Array) -> None:
        self._dtype, self._shape = np.dtype(spec.dtype), spec.shape
        element = _ELEMENTS.get(spec.dtype, spec.dtype)
        self.tensors: Mapping[str, Tensor] = {"array": (element, (None, *spec.shape))}
        self.json_schema: Mapping[str, object] = _json_schema(self._dtype, spec.shape)

    def several(self, given: object) -> list[Input]:
        """Return arrays as a list. An array of the backbone's own number of axes, numbers in a row
        a path or a file are one; an array of one axis more is a batch of them.
        """
        if isinstance(given, io.BufferedIOBase):
            given = given.read()  # once, as it is read once
        if isinstance(given, str | os.PathLike | bytes | bytearray):
            return [given]
        if isinstance(given, list | tuple) and nested(given) == len(self._shape):
            return [given]
        given = as_array(given)
        if isinstance(given, np.ndarray) and given.dtype != object:
            return [given] if given.ndim <= len(self._shape) else list(given)
        return listed(given, "array")

    def prepare(self, value: Input, position: int = 0) -> Prepared:
        """Check one array: ``array`` [1, ...] of the backbone's dtype and shape.

        Lists of numbers are taken. Numbers become the backbone's dtype where that holds each of
        them exactly, or is floating point.

        Raises
        ------
        InputError
            It is none, of another shape, not finite, or holds what the dtype does not.
        """
        where = f"input {position}"
        if isinstance(value, str | os.PathLike):
            value = content(value, where)
        if isinstance(value, bytes | bytearray):
            value = read_npy(bytes(value), where)
        if isinstance(value, list | tuple):
            value = from_list(value, where)
        value = as_array(value)
        if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiub":
            stated = value.dtype if isinstance(value, np.ndarray) else described(value)
            raise InputError(
                f"{where}: expected an array {self._form()}, found {stated}; pass a NumPy array of"
                " numbers"
            )
        if value.shape != self._shape:
            raise InputError(
                f"{where}: expected an array {self._form()}, found shape {list(value.shape)};"
                f" {step_to(self._shape, value.shape)}"
            )
        return Prepared({"array": self._cast(value, where)[None]}, (), truncated=False)

    def _cast(self, value: Values, where: str) -> Values:
        check_unmasked(value, where)
        with np.errstate(over="ignore", invalid="ignore"):
            cast = np.ascontiguousarray(value, self._dtype)
        if self._dtype.kind == "f":
            odd = not np.isfinite(cast).all()
        else:
            odd = not np.array_equal(cast, value)
        if odd:
            raise InputError(
                f"{where}: expected finite numbers that {self._dtype} holds, found others; clean or"
                " scale it"
            )
        return cast

    def _form(self) -> str:
        return f"{self._dtype} {list(self._shape)}"

    def legibility(self, value: Input) -> Legibility:
        """All of an array is read."""
        return Legibility()

    def largest(self, value: Input) -> Input:
        """Return the array: all have one shape."""
        return value

    def mirrored(self, value: Input) -> None:
        """Nothing: what an axis stands for is not known."""

    def warm_up(self) -> list[Input]:
        """Return an array of zeros."""
        return [np.zeros(self._shape, self._dtype)]

    def dump(self, inputs: Sequence[Input]) -> Dumped:
        """Return the arrays as the backbone reads them."""
        rows = [self.prepare(value, row).feeds["array"][0] for row, value in enumerate(inputs)]
        return Dumped(
            {f"input.{row}": value for row, value in enumerate(rows)}, ["array"] * len(rows)
        )

    def load(self, arrays: Mapping[str, Values], notes: Sequence[Any], what: str) -> list[Input]:
        """Return the arrays that `dump` was given.

        Raises
        ------
        IncompatibleError
            They are none.
        """
        names = [f"input.{row}" for row in range(len(notes))]
        if (
            set(arrays) != set(names)
            or any(note != "array" for note in notes)
            or any(array.shape != self._shape for array in arrays.values())
        ):
            raise IncompatibleError(
                f"{what}: expected arrays {self._form()} as inputs, found others; export the bundle"
                " again"
            )
        return [arrays[name] for name in names]

    def made_up(self, rng: np.random.Generator, count: int) -> list[Input]:
        """Return arrays of noise of the dtype's own range; of whole numbers of 4 bytes or more, which
        may be places in a table, of zeros and ones.
        """
        shape, dtype = (count, *self._shape), self._dtype
        if dtype.kind == "f":
            return list(rng.normal(size=shape).astype(dtype))
        if dtype.itemsize >= 4:
            return list(rng.integers(0, 2, shape).astype(dtype))
        limits = np.iinfo(dtype)
        return list(rng.integers(limits.min, limits.max + 1, shape).astype(dtype))

    def remark(self, inputs: Sequence[Input], notes: Sequence[Any]) -> str:
        """Nothing decodes an array."""
        return ""

    def parse(self, value: object, where: str, *, local: bool = False) -> Input:
        """Read nested lists of numbers; who runs this program may also give ``{"path": ...}``.

        Raises
        ------
        UsageError
            It is none of these.
        InputError
            Its lists are not of one length.
        """
        if local and isinstance(value, dict) and set(value) == {"path"}:
            return self.words(str(value["path"]), where)[0]
        return parsed(value, where)

    def words(self, value: str, where: str) -> list[Input]:
        """Return the array in a ``.npy`` file, or all of a folder's, by name."""
        if value.lstrip().startswith("["):
            raise InputError(
                f'{where}: expected the path of an array, or {{"array": [...]}}, found a list alone;'
                " write it as such an object"
            )
        if not os.path.isdir(value):  # noqa: PTH112 - pathlib raises for a name that is too long
            return [Path(value)]
        found = sorted(path for path in Path(value).iterdir() if path.suffix.lower() == ".npy")
        if not found:
            raise InputError(
                f"{where}: expected .npy files in the folder, found none in {value!r}; name"
                f" {a_folder_in(value)}"
            )
        return list(found)

    def name(self, value: Input) -> str:
        """Return the file's path, or what else it is."""
        if isinstance(value, str | os.PathLike):
            return repr(os.fspath(value))[:200]
        return f"an array {list(np.shape(value))}"

    def shared(self, group: Sequence[Input], others: Sequence[Input]) -> str:
        """Nothing: numbers have no words."""
        return ""

    def picture(self, value: Input) -> None:
        """Return nothing: what an array shows is not known."""
        return

    thumbnail = picture


def _json_schema(dtype: np.dtype[Any], shape: tuple[int, ...]) -> dict[str, object]:
    schema: dict[str, object]
    if dtype.kind == "f":
        most = float(np.finfo(dtype).max)
        schema = {"type": "number", "minimum": -most, "maximum": most}
    else:
        whole = np.iinfo(dtype)
        schema = {"type": "integer", "minimum": int(whole.min), "maximum": int(whole.max)}
    for size in reversed(shape):
        schema = {"type": "array", "items": schema, "minItems": size, "maxItems": size}
    return schema


def opened(spec: Array, files: Mapping[str, bytes], *, verified: bool = False) -> ArrayInputs:
    """Open a backbone's arrays; see `cfedge.inputs.of`."""
    return ArrayInputs(spec)


def stored(spec: Array) -> ArrayInputs:
    """Return how files hold inputs; see `cfedge.inputs.stored`."""
    return ArrayInputs(spec)


def versions() -> dict[str, str]:
    """Return nothing: NumPy's version is stated anyway."""
    return {}
