"""One task's adapter and head -> a self-contained ONNX file of int8 initialisers and
DequantizeLinear nodes.

A is scaled per column, B per row (one scale for each rank-1 unit's two halves), the head's weight
per class; biases and exit stay float32. The graph has no inputs; its outputs are named
``a.<site>``, ``b.<site>``, ``head.weight``, ``head.bias``, ``trunk.weight``, ``trunk.bias``,
``exit.margin``, and where classes have shapes ``shape.weight``, ``shape.bias``.

Letters: R rank, D, F, W widths, C classes, Q directions of a class's shape.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from cfedge_export.names import OPSET
from cfedge_export.rounding import quantize_columns

__all__ = ["IR_VERSION", "adapter_onnx"]

#: Version of the ONNX file format: old enough for every supported ONNX Runtime.
IR_VERSION = 8


def adapter_onnx(arrays: Mapping[str, NDArray[np.float32]], *, base: str, task: str) -> bytes:
    """Serialize a task's arrays.

    Parameters
    ----------
    arrays
        ``a.<site>`` float32 [1, rows, R], ``b.<site>`` [1, R, columns], ``head.weight`` [D, C],
        ``trunk.weight`` [F, C], ``shape.weight`` [W, C Q], their biases, ``exit.margin`` [1]. What
        the trunk's part is made of, ``base.``, stays in the workspace.
    base
        Digest of the backbone that it belongs to.
    task
        The task's name.

    Returns
    -------
    bytes
        Equal arrays give equal bytes, and stand in them once. Each stored value is within half a step (maximum of its
        column or row / 254).
    """
    nodes: list[NodeProto] = []
    constants: list[TensorProto] = []
    known: dict[tuple[str, tuple[int, ...], bytes], str] = {}
    outputs: list[ValueInfoProto] = []
    for name in sorted(name for name in arrays if not name.startswith("base.")):
        array = arrays[name]
        outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, list(array.shape)))
        if name.endswith(".bias") or name.startswith("exit."):
            constants.append(numpy_helper.from_array(array, f"{name}.value"))
            nodes.append(helper.make_node("Identity", [f"{name}.value"], [name], name=name))
            continue
        kept = array.ndim - 2 if name.startswith("b.") else array.ndim - 1
        reduced = array.ndim - 1 if name.startswith("b.") else array.ndim - 2
        matrix = array[0] if array.ndim == 3 else array
        quantized, scale = quantize_columns(matrix, axis=reduced - (array.ndim - 2))
        stored = []
        for part, values in (("q", quantized.reshape(array.shape)), ("scale", scale)):
            key = (values.dtype.str, values.shape, values.tobytes())
            if key not in known:  # a head in closed form has zeros in every slot
                known[key] = f"{name}.{part}"
                constants.append(numpy_helper.from_array(values, known[key]))
            stored.append(known[key])
        nodes.append(helper.make_node("DequantizeLinear", stored, [name], name=name, axis=kept))
    rank = next((array.shape[-1] for name, array in arrays.items() if name.startswith("a.")), 1)
    graph = helper.make_graph(nodes, "adapter", [], outputs, constants)
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="cfedge",
    )
    helper.set_model_props(
        model, {"cfedge.base": base, "cfedge.task": task, "cfedge.rank": str(rank)}
    )
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString(deterministic=True)
    return data
