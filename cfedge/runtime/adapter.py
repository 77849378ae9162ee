"""One task's adapter and head, read from its ``adapter.onnx``.

The file is a graph without inputs: int8 initialisers, DequantizeLinear, and outputs ``a.<site>``, ``b.<site>``,
``head.weight``, ``head.bias``, ``trunk.weight``, ``trunk.bias``. It is run once and dropped.

Letters: D width, V views, R rank, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cfedge.bundle.manifest import Backbone, Task
from cfedge.errors import IncompatibleError
from cfedge.lookup import VIEWS
from cfedge.runtime.session import constants

__all__ = ["Adapter", "load_adapter"]


@dataclass(frozen=True)
class Adapter:
    """Arrays of one task, ready to feed.

    Attributes
    ----------
    slots
        ``a.<site>`` float32 [1, rows, R], ``b.<site>`` float32 [1, R, columns].
    weight, bias
        float32 [D, C] and [C], the head's part that reads the adapted tail.
    trunk_weight, trunk_bias
        float32 [V D, C] and [C], the head's part that reads the trunk's features, which no adapter changes.
    """

    slots: dict[str, NDArray[np.float32]]
    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    trunk_weight: NDArray[np.float32]
    trunk_bias: NDArray[np.float32]

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        head = [value for value in vars(self).values() if isinstance(value, np.ndarray)]
        return sum(array.nbytes for array in (*self.slots.values(), *head))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.float32]]) -> Adapter:
        """Take slots and head from one table of arrays by name."""
        slots = {name: array for name, array in arrays.items() if name[:2] in ("a.", "b.")}
        return cls(slots, *(arrays[f"{part}.{kind}"] for part in ("head", "trunk") for kind in ("weight", "bias")))

    def adapted(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the scores of the adapted part, float32 [..., C], for features [..., D] behind the adapted tail."""
        scores: NDArray[np.float32] = features.dot(self.weight)
        scores += self.bias
        return scores

    def scores(self, adapted: NDArray[np.float32], trunk: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the head's scores, float32 [..., C]: `adapted` ones, [..., C], and what the trunk's features [..., V D] add."""
        scores: NDArray[np.float32] = trunk.dot(self.trunk_weight)
        scores += self.trunk_bias
        scores += adapted
        return scores


def load_adapter(model: bytes, task: Task, backbone: Backbone) -> Adapter:
    """Read an adapter and check that it fits task and backbone.

    Raises
    ------
    IncompatibleError
        Naming the task and the part that does not fit.
    """
    what = f"adapter of task {task.name!r}"
    outputs, metadata = constants(model, what)
    stated = {"cfedge.base": backbone.digest, "cfedge.task": task.name, "cfedge.rank": str(task.rank)}
    for key, value in stated.items():
        if metadata.get(key) != value:
            hint = "learn the task again on this backbone" if key == "cfedge.base" else "export the bundle again"
            raise IncompatibleError(f"{what}: expected {key} = {value}, found {metadata.get(key)}; {hint}")
    shapes: dict[str, tuple[int, ...]] = {
        "head.weight": (backbone.width, len(task.classes)),
        "head.bias": (len(task.classes),),
        "trunk.weight": (VIEWS * backbone.width, len(task.classes)),
        "trunk.bias": (len(task.classes),),
    }
    for slot in backbone.slots:
        shapes[f"a.{slot.name}"] = (1, slot.rows, task.rank)
        shapes[f"b.{slot.name}"] = (1, task.rank, slot.columns)
    if set(outputs) != set(shapes):
        odd = sorted(set(outputs) ^ set(shapes))
        raise IncompatibleError(
            f"{what}: expected {len(shapes)} outputs for the backbone's slots, found a difference at {odd[0]!r}; export it again"
        )
    arrays: dict[str, NDArray[np.float32]] = {}
    for name, shape in shapes.items():
        array = outputs[name]
        if not isinstance(array, np.ndarray) or array.shape != shape or array.dtype != np.float32:
            found = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
            raise IncompatibleError(f"{what}: expected {name} float32 {shape}, found {found}; export it again")
        if not np.isfinite(array).all():
            raise IncompatibleError(f"{what}: expected finite numbers in {name}, found NaN or infinity; learn the task again")
        arrays[name] = np.ascontiguousarray(array)
    return Adapter.from_arrays(arrays)
