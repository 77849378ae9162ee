"""What an owner's encoder answers is tried before it is taken: one row, three and eight; noise, small
noise, zeros and ones.

Refused are answers that are not finite, that depend on the rows beside them, that are the same for
every array, or that change their shape.

Letters: B batch, D width, S sequence.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from cfedge.errors import BackboneError, IncompatibleError
from cfedge.inputs.array.spec import Array
from cfedge.runtime.session import open_session, reason_of
from cfedge_export.architectures.own_graph import ARRAY, GIVEN, graph_of
from cfedge_export.names import FEATURES, HIDDEN

__all__ = ["check_answers"]

Floats = NDArray[np.float32]

_ROWS = 8
#: Of a row's largest number: what sums in another order may differ by.
_ROUNDING = 1e-3


def check_answers(model: ModelProto, spec: Array, path: Path) -> dict[str, tuple[int, ...]]:
    """Try a file that `read_own` read, and return the sizes of its outputs without the batch's.

    Raises
    ------
    BackboneError
        Naming what it answered, and to what.
    """
    names = [value.name for value in model.graph.output]
    run = _Runner(model, names, path)
    probes = _probes(spec, np.random.default_rng(0))
    sizes: dict[str, tuple[int, ...]] = {}
    for what, rows in probes.items():
        together = run(rows, what)
        for name, values in together.items():
            _check_shape(name, values, _ROWS, path)
            sizes.setdefault(name, values.shape[1:])
            if not np.isfinite(values).all():
                raise BackboneError(
                    f"{path}: expected finite {name}, found NaN or infinity for {what}; guard logs,"
                    " roots and divisions inside the graph"
                )
        for count in (1, 3):
            _check_company(run(rows[:count], what), together, count, what, path)
    noise = run(probes["noise"], "noise")[FEATURES]
    if np.ptp(noise, axis=0).max() <= _ROUNDING * np.abs(noise).max():
        raise BackboneError(
            f"{path}: expected features that tell arrays apart, found the same for eight arrays of"
            " noise; export the trained encoder"
        )
    return sizes


class _Runner:
    """Runs the owner's graph, and names it where it cannot be run."""

    def __init__(self, model: ModelProto, names: list[str], path: Path) -> None:
        self._names, self._path = names, path
        renamed = graph_of(model, dict.fromkeys(names, (1,)))
        renamed.graph.ClearField("value_info")
        renamed.graph.ClearField("output")
        for value in model.graph.output:
            copy = renamed.graph.output.add()
            copy.CopyFrom(value)
            copy.name = f"{GIVEN}{value.name}"
            copy.type.tensor_type.ClearField("shape")
        try:
            self._session = open_session(renamed.SerializeToString(), str(path))
        except IncompatibleError as error:  # it names the file, what was found and the step
            raise BackboneError(str(error)) from error

    def __call__(self, rows: NDArray[np.generic], what: str) -> dict[str, Floats]:
        try:
            outputs = self._session.run([f"{GIVEN}{name}" for name in self._names], {ARRAY: rows})
        except Exception as error:  # ONNX Runtime's exceptions share no base class of their own
            raise self._refused(error, f" for {len(rows)} arrays of {what}") from error
        return dict(zip(self._names, map(np.asarray, outputs), strict=True))

    def _refused(self, error: Exception, where: str = "") -> BackboneError:
        reason = " ".join(reason_of(error).split())[:200]
        return BackboneError(
            f"could not run {self._path}{where}: {reason}; export it with a batch axis of any size"
        )


def _probes(spec: Array, rng: np.random.Generator) -> Mapping[str, NDArray[np.generic]]:
    """Arrays [8, ...] by what they are. Of whole numbers of 4 bytes or more, which may be places
    in a table, zeros and ones alone.
    """
    shape, dtype = (_ROWS, *spec.shape), np.dtype(spec.dtype)
    found: dict[str, NDArray[np.generic]] = {}
    if dtype.kind == "f":
        noise = rng.normal(size=shape)
        found = {"noise": noise.astype(dtype), "small noise": (1e-4 * noise).astype(dtype)}
    elif dtype.itemsize < 4:
        limits = np.iinfo(dtype)
        found["noise"] = rng.integers(limits.min, limits.max + 1, shape).astype(dtype)
    else:
        found["noise"] = rng.integers(0, 2, shape).astype(dtype)
    return found | {"zeros": np.zeros(shape, dtype), "ones": np.ones(shape, dtype)}


def _check_shape(name: str, values: Floats, rows: int, path: Path) -> None:
    axes = (2,) if name == FEATURES else (2, 3)
    if values.ndim not in axes or len(values) != rows or math.prod(values.shape) == 0:
        form = "[B, D]" if name == FEATURES else "[B, D] or [B, S, D]"
        raise BackboneError(
            f"{path}: expected {name} {form} for B = {rows} arrays, found {list(values.shape)};"
            " flatten or pool it inside the graph, and keep the batch in front"
        )


def _check_company(
    alone: Mapping[str, Floats],
    together: Mapping[str, Floats],
    count: int,
    what: str,
    path: Path,
) -> None:
    """Refuse rows whose answers depend on how many rows are beside them."""
    for name in (FEATURES, HIDDEN):
        if name not in together:
            continue
        few, many = alone[name], together[name][:count]
        if few.shape != many.shape:
            raise BackboneError(
                f"{path}: expected {name} of {count} rows for a batch of {count}, found"
                f" {list(few.shape)}; export it with a batch axis of any size"
            )
        most = float(np.abs(many).max())
        apart = float(np.abs(few - many).max())
        if not apart <= _ROUNDING * max(most, 1e-6):
            raise BackboneError(
                f"{path}: expected an array's {name} to be the same alone and beside others, found"
                f" {apart:.3g} of {most:.3g} apart for {what} in batches of {count} and {_ROWS};"
                " export it in evaluation mode (model.eval()), without statistics over the batch"
            )
