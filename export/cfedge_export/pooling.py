"""Hidden states -> features: directions of length 1, side by side. Nodes that sum or compare each
row alone, in an order that does not depend on the batch (ReduceSum's does).

Letters: B batch, S sequence, D width, V views.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from cfedge_export.names import FEATURES, HIDDEN, MASK

__all__ = [
    "add_pooling_axis",
    "drop_unread",
    "masked_mean",
    "pooled_states",
    "with_views",
    "without_mask",
]


def masked_mean(hidden: str, prefix: str, output: str) -> list[NodeProto]:
    """Nodes for the direction of the masked mean of `hidden` [B, S, D] -> `output` [B, D] of length
    1.

    A product of weights [B, 1, S] and states. The sum has the mean's direction.
    """
    mask, weights, total, row = (
        f"{prefix}.pool.{part}" for part in ("mask", "weights", "sum", "row")
    )
    return [
        helper.make_node("Cast", [MASK], [mask], name=mask, to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", [mask, "pool.position_axis"], [weights], name=weights),
        helper.make_node("MatMul", [weights, hidden], [total], name=total),
        helper.make_node("Squeeze", [total, "pool.position_axis"], [row], name=row),
        helper.make_node("LpNormalization", [row], [output], name=f"{prefix}.pool", axis=-1, p=2),
    ]


def add_pooling_axis(model: ModelProto) -> None:
    """Add the small constant that `masked_mean` refers to."""
    if "pool.position_axis" not in [tensor.name for tensor in model.graph.initializer]:
        model.graph.initializer.append(
            numpy_helper.from_array(np.array([1], np.int64), "pool.position_axis")
        )


def pooled_states(model: ModelProto) -> str:
    """Return the hidden states that `masked_mean` pools last."""
    total = next(node for node in model.graph.node if node.output[0].endswith("pool.sum"))
    return str(total.input[1])


def without_mask(model: ModelProto) -> ModelProto:
    """A copy for runs without padding: every position counts, and the input ``attention_mask`` is
    gone.
    """
    bare = ModelProto()
    bare.CopyFrom(model)
    graph = bare.graph
    for node in graph.node:
        if node.op_type == "MultiHeadAttention":
            node.input[4] = ""
    total = next(node for node in graph.node if node.name.endswith("pool.sum"))
    row = next(node for node in graph.node if node.name.endswith("pool.row"))
    at, shape, ones = list(graph.node).index(total), f"{total.name}.positions", f"{total.name}.ones"
    one = numpy_helper.from_array(np.ones(1, np.float32))
    pooled = [  # a vector of ones times [B, S, D] is [B, D], each row summed alone
        helper.make_node("Shape", [total.input[1]], [shape], name=shape, start=1, end=2),
        helper.make_node("ConstantOfShape", [shape], [ones], name=ones, value=one),
        helper.make_node("MatMul", [ones, total.input[1]], list(row.output), name=total.name),
    ]
    for node in (total, row):
        graph.node.remove(node)
    for offset, node in enumerate(pooled):
        graph.node.insert(at + offset, node)
    graph.input.remove(next(value for value in graph.input if value.name == MASK))
    drop_unread(bare)
    onnx.checker.check_model(bare)
    return bare


def with_views(trunk: ModelProto) -> ModelProto:
    """A copy of a trunk without mask with wider ``features`` [B, 3 D]: three views of ``hidden``,
    each of length 1.

    The directions of its mean, of its largest and of its smallest values over the positions
    (docs/decisions/0024-views.md).
    """
    seen = ModelProto()
    seen.CopyFrom(trunk)
    graph = seen.graph
    mean = next(node for node in graph.node if FEATURES in node.output)
    mean.output[0] = f"{FEATURES}.mean"
    axis, names = f"{FEATURES}.positions", [f"{FEATURES}.mean"]
    graph.initializer.append(numpy_helper.from_array(np.array([1], np.int64), axis))
    for view, reduce in (("max", "ReduceMax"), ("min", "ReduceMin")):
        extreme, direction = f"{FEATURES}.{view}.row", f"{FEATURES}.{view}"
        graph.node.append(
            helper.make_node(reduce, [HIDDEN, axis], [extreme], name=extreme, keepdims=0)
        )
        graph.node.append(
            helper.make_node(
                "LpNormalization", [extreme], [direction], name=direction, axis=-1, p=2
            )
        )
        names.append(direction)
    graph.node.append(helper.make_node("Concat", names, [FEATURES], name=FEATURES, axis=-1))
    hidden = next(value for value in graph.output if value.name == HIDDEN)
    width = hidden.type.tensor_type.shape.dim[-1].dim_value
    output = next(value for value in graph.output if value.name == FEATURES)
    output.type.tensor_type.shape.dim[-1].dim_value = len(names) * width
    onnx.checker.check_model(seen)
    return seen


def drop_unread(model: ModelProto) -> None:
    """Drop the nodes whose outputs nothing reads, and those that only such nodes read."""
    graph = model.graph
    ends = {value.name for value in graph.output}
    while True:
        read = ends.union(*(node.input for node in graph.node))
        unread = [node for node in graph.node if not read.intersection(node.output)]
        if not unread:
            return
        for node in unread:
            graph.node.remove(node)
