"""The graph of one task for itself: trunk, tail, low-rank units and head as one.

Letters: B batch, S sequence, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from cfedge.runtime.adapter import Adapter
from cfedge_export.adapters import IR_VERSION
from cfedge_export.names import FEATURES, HIDDEN, OPSET

__all__ = ["SCORES", "merge"]

SCORES = "scores"
#: What it does, the names of its inputs and, apart by spaces, of its outputs.
_Operator: TypeAlias = tuple[str, list[str], str]


def merge(trunk: ModelProto, tail: ModelProto, adapter: Adapter, frozen_views: int) -> ModelProto:
    """Join the graphs that ship and a task's arrays.

    Parameters
    ----------
    frozen_views
        Of the backbone.

    Returns
    -------
    ModelProto
        ``input_ids`` int64 [B, S], every position counting, -> ``scores`` float32 [B, C].
    """
    front, alone = _prefixed(trunk, "trunk."), bool(frozen_views and adapter.changes_nothing)
    back = _of_views(len(adapter.weight), frozen_views) if alone else _prefixed(tail, "tail.")
    arrays: dict[str, NDArray[np.generic]] = {
        **({} if alone else adapter.slots),
        "head.weight": adapter.weight,
        "head.bias": adapter.bias,
        "trunk.weight": adapter.trunk_weight,
        "trunk.bias": adapter.trunk_bias,
        "exit.margin": np.array([adapter.exit_margin], np.float32),
        "two": np.array([2], np.int64),
        "apart": np.array([[1], [-1]], np.float32),
    }
    squares = _squares(adapter, arrays) if adapter.shape_weight.size else []
    graph = helper.make_graph(
        [*front.graph.node, *back.graph.node, *_head(squares)],
        "task",
        list(front.graph.input),
        [
            helper.make_tensor_value_info(
                SCORES, TensorProto.FLOAT, ["batch", adapter.bias.shape[0]]
            )
        ],
        [
            *front.graph.initializer,
            *back.graph.initializer,
            *(numpy_helper.from_array(array, name) for name, array in sorted(arrays.items())),
        ],
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("com.microsoft", 1)]
    model: ModelProto = helper.make_model(
        graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="cfedge"
    )
    onnx.checker.check_model(model)
    return model


def _head(squares: Sequence[_Operator]) -> list[NodeProto]:
    """The nodes that make ``scores`` of the features: the trunk's part alone where it is sure, and
    that of the tail added where it is not.
    """
    return [
        helper.make_node(op, inputs, outputs.split(), name=outputs.split()[0])
        for op, inputs, outputs in (
            ("MatMul", [f"tail.{FEATURES}", "head.weight"], "adapted.products"),
            ("Add", ["adapted.products", "head.bias"], "adapted"),
            ("MatMul", [f"trunk.{FEATURES}", "trunk.weight"], "frozen.products"),
            ("Add", ["frozen.products", "trunk.bias"], "linear" if squares else "frozen"),
            *squares,
            ("Add", ["frozen", "adapted"], "both"),
            ("TopK", ["frozen", "two"], "best places"),
            ("MatMul", ["best", "apart"], "margin"),
            ("GreaterOrEqual", ["margin", "exit.margin"], "sure"),
            ("Where", ["sure", "frozen", "both"], SCORES),
        )
    ]


def _squares(adapter: Adapter, arrays: dict[str, NDArray[np.generic]]) -> list[_Operator]:
    """Operators: ``linear`` -> ``frozen``, with the squares of the
    classes' shapes; their constants are put among the `arrays`.
    """
    width, count = adapter.shape_weight.shape
    classes = len(adapter.bias)
    arrays |= {
        "shape.weight": adapter.shape_weight,
        "shape.bias": adapter.shape_bias,
        "shape.begin": np.array([0], np.int64),
        "shape.end": np.array([width], np.int64),
        "shape.axis": np.array([1], np.int64),
        "shape.apart": np.array([-1, classes, count // classes], np.int64),
        "shape.last": np.array([2], np.int64),
    }
    view = [f"trunk.{FEATURES}", "shape.begin", "shape.end", "shape.axis"]
    return [
        ("Slice", view, "shape.view"),
        ("MatMul", ["shape.view", "shape.weight"], "shape.products"),
        ("Add", ["shape.products", "shape.bias"], "shape.offset"),
        ("Mul", ["shape.offset", "shape.offset"], "shape.squares"),
        ("Reshape", ["shape.squares", "shape.apart"], "shape.classes"),
        ("ReduceSum", ["shape.classes", "shape.last"], "shape.sums"),
        ("Squeeze", ["shape.sums", "shape.last"], "shape.scores"),
        ("Add", ["linear", "shape.scores"], "frozen"),
    ]


def _of_views(width: int, count: int) -> ModelProto:
    """In the tail's place: the trunk's first views, together of length 1."""
    seen, behind = f"trunk.{FEATURES}", f"tail.{FEATURES}"
    arrays: dict[str, NDArray[np.generic]] = {
        "tail.begin": np.array([0], np.int64),
        "tail.end": np.array([width], np.int64),
        "tail.axis": np.array([1], np.int64),
        "tail.share": np.array(count**-0.5, np.float32),
    }
    nodes = [
        helper.make_node("Slice", [seen, *list(arrays)[:3]], ["tail.views"], "tail.views"),
        helper.make_node("Mul", ["tail.views", "tail.share"], [behind], behind),
    ]
    constants = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    return helper.make_model(helper.make_graph(nodes, "views", [], [], constants))


def _prefixed(model: ModelProto, prefix: str) -> ModelProto:
    """A copy whose names begin with `prefix`, but for its inputs and ``hidden``."""
    copy = ModelProto()
    copy.CopyFrom(model)
    kept = {"", HIDDEN, *(value.name for value in model.graph.input)}
    for node in copy.graph.node:
        node.name = f"{prefix}{node.name}"
        node.input[:] = [name if name in kept else f"{prefix}{name}" for name in node.input]
        node.output[:] = [name if name in kept else f"{prefix}{name}" for name in node.output]
    for tensor in copy.graph.initializer:
        tensor.name = f"{prefix}{tensor.name}"
    return copy
