"""LayerNormalization -> InstanceNormalization over the rows: the same numbers to rounding, in a
fifth of the time.

ONNX Runtime sums a layer norm's row number by number; its instance norm is vectorised. With a row
[S, D] of S tokens as S channels of D places each token is normalised by itself, whatever the batch;
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
from onnx import ModelProto, NodeProto, helper, numpy_helper

__all__ = ["by_instance"]

#: Numbers of 64 bytes: the widest vectors, and how ONNX Runtime aligns what it allocates.
_ALIGNED = 16
_ONES, _ZEROS, _TOKENS = "norm.ones", "norm.zeros", "norm.tokens"


def by_instance(model: ModelProto) -> ModelProto:
    """Return a copy whose layer norms over the last axis of [B, S, D], D a multiple of 16, are
    instance norms.

    S is read off the first input, [B, S, ...].
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
    one, zero = (numpy_helper.from_array(np.array([value], np.float32)) for value in (1, 0))
    nodes: list[NodeProto] = [
        helper.make_node("Shape", [model.graph.input[0].name], [_TOKENS], _TOKENS, start=1, end=2),
        helper.make_node("ConstantOfShape", [_TOKENS], [_ONES], _ONES, value=one),
        helper.make_node("ConstantOfShape", [_TOKENS], [_ZEROS], _ZEROS, value=zero),
    ]
    for node in model.graph.node:
        nodes += _split(node) if node in norms else [node]
    del copy.graph.node[:]
    copy.graph.node.extend(nodes)
    onnx.checker.check_model(copy)
    return copy


def _attributes(node: NodeProto) -> dict[str, Any]:
    return {one.name: helper.get_attribute_value(one) for one in node.attribute}


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


def _split(node: NodeProto) -> list[NodeProto]:
    """The three nodes in a layer norm's place."""
    attributes = _attributes(node)
    x, scale, bias = node.input
    (out,) = (name for name in node.output if name)
    return [
        helper.make_node(
            "InstanceNormalization",
            [x, _ONES, _ZEROS],
            [f"{out}.unit"],
            f"{out}.unit",
            epsilon=attributes.get("epsilon", 1e-5),
        ),
        helper.make_node("Mul", [f"{out}.unit", scale], [f"{out}.scaled"], f"{out}.scaled"),
        helper.make_node("Add", [f"{out}.scaled", bias], [out], out),
    ]
