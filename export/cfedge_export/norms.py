"""LayerNormalization -> InstanceNormalization over the rows: the same numbers to rounding, in a fifth of the time.

ONNX Runtime sums a layer norm's row number by number; its instance norm is vectorised. With a row [S, D] of S tokens as S channels of D
places each token is normalised by itself, whatever the batch; what was the layer norm's scale and bias are a product and a sum behind it
(docs/decisions/norms.md). It is done last, when all else about a graph is settled.

Letters: B batch, S sequence, D width.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, helper, numpy_helper

__all__ = ["by_instance"]

_ONES, _ZEROS, _TOKENS = "norm.ones", "norm.zeros", "norm.tokens"


def by_instance(model: ModelProto) -> ModelProto:
    """Return a copy whose layer norms over the last axis of [B, S, D] are instance norms; S is read off the first input, [B, S, ...]."""
    copy = ModelProto()
    copy.CopyFrom(model)
    if not any(node.op_type == "LayerNormalization" for node in model.graph.node):
        return copy
    one, zero = (numpy_helper.from_array(np.array([value], np.float32)) for value in (1, 0))
    nodes: list[NodeProto] = [
        helper.make_node("Shape", [model.graph.input[0].name], [_TOKENS], _TOKENS, start=1, end=2),
        helper.make_node("ConstantOfShape", [_TOKENS], [_ONES], _ONES, value=one),
        helper.make_node("ConstantOfShape", [_TOKENS], [_ZEROS], _ZEROS, value=zero),
    ]
    for node in model.graph.node:
        nodes += _split(node) if node.op_type == "LayerNormalization" else [node]
    del copy.graph.node[:]
    copy.graph.node.extend(nodes)
    onnx.checker.check_model(copy)
    return copy


def _split(node: NodeProto) -> list[NodeProto]:
    """The three nodes in a layer norm's place."""
    attributes = {one.name: helper.get_attribute_value(one) for one in node.attribute}
    assert attributes.get("axis", -1) in (-1, 2), f"{node.name}: a norm over the last axis of three"
    x, scale, bias = node.input
    (out,) = (name for name in node.output if name)
    return [
        helper.make_node(
            "InstanceNormalization", [x, _ONES, _ZEROS], [f"{out}.unit"], f"{out}.unit", epsilon=attributes.get("epsilon", 1e-5)
        ),
        helper.make_node("Mul", [f"{out}.unit", scale], [f"{out}.scaled"], f"{out}.scaled"),
        helper.make_node("Add", [f"{out}.scaled", bias], [out], out),
    ]
