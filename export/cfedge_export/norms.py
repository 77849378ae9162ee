"""LayerNormalization -> InstanceNormalization over the rows: the same numbers to rounding, in a
fifth of the time.

ONNX Runtime sums a layer norm's row number by number; its instance norm is vectorised. With a row
[S, D] of S positions as S channels of D places each position is normalised by itself, whatever the batch;
what was the layer norm's scale and bias are a product and a sum behind it
(docs/decisions/0025-norms.md). It is done last, when all else about a graph is settled.

The vectorised sums follow a row's place in memory: rows that are no multiple of 64 bytes would get
other bits by their place in the batch. Norms of such widths stay as they are.

Letters: B batch, S sequence, D width.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, ValueInfoProto, helper, numpy_helper

__all__ = ["by_instance"]

#: Numbers of 64 bytes: the widest vectors, and how ONNX Runtime aligns what it allocates.
_ALIGNED = 16


def by_instance(model: ModelProto) -> ModelProto:
    """Return a copy whose layer norms over the last axis of [B, S, D], D a multiple of 16, are
    instance norms.

    S is read off the first input once for all norms where that is a sequence, [B, S] or [B, S, D]
    of any S; otherwise, as for pictures [B, H, W, C], each norm reads its own.
    """
    copy = ModelProto()
    copy.CopyFrom(model)
    widths = {
        tensor.name: tensor.dims[0] for tensor in model.graph.initializer if len(tensor.dims) == 1
    }
    norms = [
        node
        for node in model.graph.node
        if node.op_type == "LayerNormalization" and _fits(node, widths)
    ]
    if not norms:
        return copy
    first = model.graph.input[0]
    shared = _is_sequence(first)
    nodes = _constants(first.name, "norm") if shared else []
    for node in model.graph.node:
        if node not in norms:
            nodes.append(node)
        elif shared:
            nodes += _split(node, "norm")
        else:
            own = f"{node.output[0]}.norm"
            nodes += [*_constants(node.input[0], own), *_split(node, own)]
    del copy.graph.node[:]
    copy.graph.node.extend(nodes)
    onnx.checker.check_model(copy)
    return copy


def _is_sequence(value: ValueInfoProto) -> bool:
    """Whether its second axis, of two or three, is of any size."""
    sizes = value.type.tensor_type.shape.dim
    return len(sizes) in (2, 3) and not sizes[1].HasField("dim_value")


def _constants(sequence: str, prefix: str) -> list[NodeProto]:
    """As many ones and zeros as `sequence` [B, S, ...] has positions."""
    one, zero = (numpy_helper.from_array(np.array([value], np.float32)) for value in (1, 0))
    positions, ones, zeros = f"{prefix}.positions", f"{prefix}.ones", f"{prefix}.zeros"
    return [
        helper.make_node("Shape", [sequence], [positions], positions, start=1, end=2),
        helper.make_node("ConstantOfShape", [positions], [ones], ones, value=one),
        helper.make_node("ConstantOfShape", [positions], [zeros], zeros, value=zero),
    ]


def _attributes(node: NodeProto) -> dict[str, Any]:
    return {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}


def _fits(node: NodeProto, widths: dict[str, int]) -> bool:
    """Whether a layer norm is over the last axis of three, of a known width that is aligned, with
    scale and bias and nothing else.
    """
    constants = list(node.input)[1:]
    return (
        _attributes(node).get("axis", -1) in (-1, 2)
        and len(constants) == 2
        and all(widths.get(name, 1) % _ALIGNED == 0 for name in constants)
        and sum(bool(name) for name in node.output) == 1
    )


def _split(node: NodeProto, prefix: str) -> list[NodeProto]:
    """The three nodes in a layer norm's place, with the `_constants` of that prefix."""
    attributes = _attributes(node)
    x, scale, bias = node.input
    (out,) = (name for name in node.output if name)
    return [
        helper.make_node(
            "InstanceNormalization",
            [x, f"{prefix}.ones", f"{prefix}.zeros"],
            [f"{out}.unit"],
            f"{out}.unit",
            epsilon=attributes.get("epsilon", 1e-5),
        ),
        helper.make_node("Mul", [f"{out}.unit", scale], [f"{out}.scaled"], f"{out}.scaled"),
        helper.make_node("Add", [f"{out}.scaled", bias], [out], out),
    ]
