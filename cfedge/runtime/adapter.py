"""One task's adapter and head, read from its ``adapter.onnx``.

The file is a graph without inputs: int8 initialisers, DequantizeLinear, and outputs ``a.<site>``,
``b.<site>``, ``head.weight``, ``head.bias``, ``trunk.weight``, ``trunk.bias``, ``exit.margin``,
and where the task has classes to tell apart ``shape.weight``, ``shape.bias``. It is run once and
dropped.

The head has a part that reads the trunk's features and one that reads the adapted tail's. The
trunk's part is linear, plus squares of a few directions of each class, its own shape
(docs/decisions/0060-class-shapes.md). Where it is sure, its two best classes more than
``exit.margin`` apart, the label is its own: the tail need not be run
(docs/decisions/0026-early-exit.md). All of that is the task's own and fixed when it is learned, so
whatever other tasks come, its answers stay.

Letters: F width of the trunk's features, W of what the lookup reads of them, D of the tail's, R
rank, C classes, Q directions of a class's shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cfedge.bundle.manifest import Backbone, Task
from cfedge.errors import IncompatibleError
from cfedge.records import record
from cfedge.runtime.early_exit import gaps, trunk_decides
from cfedge.runtime.session import constants

__all__ = ["Adapter", "NEVER", "load_adapter"]

Floats = NDArray[np.float32]

#: A margin that no scores have: the tail is always run.
NEVER = np.float32(1e30)
#: What is squared of features where there is nothing to square.
_NO_SHAPE = np.zeros((1, 0), np.float32)


@record(frozen=True, eq=False, repr=False)
class Adapter:
    """Arrays of one task, ready to feed.

    Attributes
    ----------
    slots
        ``a.<site>`` float32 [1, rows, R], ``b.<site>`` float32 [1, R, columns].
    weight, bias
        float32 [D, C] and [C], the head's part that reads the adapted tail.
    trunk_weight, trunk_bias
        float32 [F, C] and [C], of the head's part that reads the trunk's features, which no adapter
        changes, what is linear.
    shape_weight, shape_bias
        float32 [W, C Q] and [C Q], what of it is squared and added up: the first W features in the
        directions of the first class's shape, then of the next one's.
    exit_margin
        From which margin of the trunk's part on the label is its own; `NEVER`: from none.
    """

    slots: dict[str, Floats]
    weight: Floats
    bias: Floats
    trunk_weight: Floats
    trunk_bias: Floats
    shape_weight: Floats
    shape_bias: Floats
    exit_margin: float

    @cached_property
    def changes_nothing(self) -> bool:
        """Whether the tail is the frozen one with it: one half of each pair is zero."""
        return not any(array.any() for name, array in self.slots.items() if name.startswith("b."))

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        head = [value for value in vars(self).values() if isinstance(value, np.ndarray)]
        return sum(array.nbytes for array in (*self.slots.values(), *head))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Floats]) -> Adapter:
        """Take slots, head and exit from one table of arrays by name; without a shape there is
        nothing to square.
        """
        slots = {name: array for name, array in arrays.items() if name[:2] in ("a.", "b.")}
        return cls(
            slots,
            weight=arrays["head.weight"],
            bias=arrays["head.bias"],
            trunk_weight=arrays["trunk.weight"],
            trunk_bias=arrays["trunk.bias"],
            shape_weight=arrays.get("shape.weight", _NO_SHAPE),
            shape_bias=arrays.get("shape.bias", _NO_SHAPE[0]),
            exit_margin=float(arrays["exit.margin"][0]),
        )

    def adapted(self, features: Floats) -> Floats:
        """Return the scores of the adapted part, float32 [..., C], for features [..., D] behind the
        adapted tail.
        """
        scores: Floats = features.dot(self.weight)
        scores += self.bias
        return scores

    def trunk(self, features: Floats) -> Floats:
        """Return the scores of the trunk's part, float32 [..., C], for the trunk's features [...,
        F].
        """
        scores: Floats = features.dot(self.trunk_weight)
        scores += self.trunk_bias
        width, count = self.shape_weight.shape
        if count:
            apart = features[..., :width].dot(self.shape_weight)
            apart += self.shape_bias
            apart *= apart
            each = count // scores.shape[-1]
            scores += np.add.reduce(apart.reshape(*scores.shape, each), axis=-1)
        return scores

    def scores(self, adapted: Floats, trunk: Floats) -> Floats:
        """Return what the head answers with, float32 [..., C], from the scores of both parts: the
        trunk's where it decides alone, else the sum.
        """
        alone = trunk_decides(gaps(trunk), self.exit_margin)
        return np.where(np.asarray(alone)[..., None], trunk, trunk + adapted)


def load_adapter(model: bytes, task: Task, backbone: Backbone) -> Adapter:
    """Read an adapter and check that it fits task and backbone.

    Raises
    ------
    IncompatibleError
        Naming the task and the part that does not fit.
    """
    what = f"adapter of task {task.name!r}"
    outputs, metadata = constants(model, what)
    _check_origin(metadata, what, task, backbone)
    shapes = _shapes(task, backbone)
    if "shape.weight" in outputs:
        shapes |= _squared(outputs["shape.weight"], task, backbone)
    if set(outputs) != set(shapes):
        odd = sorted(set(outputs) ^ set(shapes))
        raise IncompatibleError(
            f"{what}: expected {len(shapes)} outputs for the backbone's slots, found a difference"
            f" at {odd[0]!r}; export it again"
        )
    arrays = {name: _checked(outputs[name], name, shapes[name], what) for name in shapes}
    return Adapter.from_arrays(arrays)


def _check_origin(metadata: Mapping[str, str], what: str, task: Task, backbone: Backbone) -> None:
    """Refuse an adapter that was made for another backbone, task or rank."""
    stated = {
        "cfedge.base": backbone.digest,
        "cfedge.task": task.name,
        "cfedge.rank": str(task.rank),
    }
    for key, value in stated.items():
        if metadata.get(key) != value:
            hint = (
                "learn the task again on this backbone"
                if key == "cfedge.base"
                else "export the bundle again"
            )
            raise IncompatibleError(
                f"{what}: expected {key} = {value}, found {metadata.get(key)}; {hint}"
            )


def _shapes(task: Task, backbone: Backbone) -> dict[str, tuple[int, ...]]:
    """The outputs of a task's adapter, by name."""
    shapes: dict[str, tuple[int, ...]] = {
        "head.weight": (backbone.width, len(task.classes)),
        "head.bias": (len(task.classes),),
        "trunk.weight": (sum(backbone.views), len(task.classes)),
        "trunk.bias": (len(task.classes),),
        "exit.margin": (1,),
    }
    for slot in backbone.slots:
        shapes[f"a.{slot.name}"] = (1, slot.rows, task.rank)
        shapes[f"b.{slot.name}"] = (1, task.rank, slot.columns)
    return shapes


def _squared(found: object, task: Task, backbone: Backbone) -> dict[str, tuple[int, ...]]:
    """The outputs that are squared, of as many directions a class as `found` has, at least one."""
    classes = len(task.classes)
    count = found.shape[-1] if isinstance(found, np.ndarray) and found.ndim else 0
    columns = max(1, count // classes) * classes
    return {"shape.weight": (backbone.lookup_width, columns), "shape.bias": (columns,)}


def _checked(array: object, name: str, shape: tuple[int, ...], what: str) -> Floats:
    """An output as it is fed, once it is known to be finite and of its shape."""
    if not isinstance(array, np.ndarray) or array.shape != shape or array.dtype != np.float32:
        kind = (
            f"{array.dtype} {array.shape}"
            if isinstance(array, np.ndarray)
            else type(array).__name__
        )
        raise IncompatibleError(
            f"{what}: expected {name} float32 {shape}, found {kind}; export it again"
        )
    if not np.isfinite(array).all():
        raise IncompatibleError(
            f"{what}: expected finite numbers in {name}, found NaN or infinity; learn the task"
            " again"
        )
    return (
        np.asfortranarray(array) if name.endswith(".weight") else np.ascontiguousarray(array)
    )  # faster from the left
