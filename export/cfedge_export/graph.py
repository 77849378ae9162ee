"""Surgery on an encoder graph: name its products, cut it into trunk and tail, give the tail
low-rank slots.

Works on what `cfedge_export.encoder` returns. It finds its way by structure (attention node ->
products around it), not by the library's module names, and knows nothing of quantisation.

Sites have neutral names: ``l<block>.qkv``, ``l<block>.o``, ``l<block>.fc1``, ``l<block>.fc2``.
Letters: B batch, S sequence, D width, R rank.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from onnx.utils import Extractor

from cfedge.errors import BackboneError
from cfedge.lookup import VIEWS
from cfedge_export.encoder import FEATURES, IDS, MASK, add_pooling_axis, pooling

__all__ = [
    "HIDDEN",
    "TargetModule",
    "add_slots",
    "blocks",
    "cut",
    "layers",
    "sites",
    "with_views",
    "without_mask",
]

HIDDEN = "hidden"


@dataclass(frozen=True)
class TargetModule:
    """One product ``y = x W`` of the encoder that an adapter may change.

    Attributes
    ----------
    name
        Neutral name, ``l<block>.<part>``.
    node
        Name of the MatMul node.
    rows, columns
        Shape of W: inputs x outputs.
    """

    name: str
    node: str
    rows: int
    columns: int


def blocks(model: ModelProto) -> list[str]:
    """Return, per block, the tensor that enters it (the input of its query), then the encoder's
    last hidden state.
    """
    producers = _producers(model)
    entries = [_qkv(producers, node).input[0] for node in _attention(model)]
    total = next(node for node in model.graph.node if node.output[0].endswith("pool.sum"))
    return [*entries, total.input[1]]


def sites(model: ModelProto) -> list[TargetModule]:
    """Find the four products of every block, in order of execution."""
    arrays = {tensor.name: tensor for tensor in model.graph.initializer}
    producers = _producers(model)
    products = [
        node for node in model.graph.node if node.op_type == "MatMul" and node.input[1] in arrays
    ]
    order = {node.name: position for position, node in enumerate(products)}
    found: list[TargetModule] = []
    for block, attention in enumerate(_attention(model), start=_first_block(model)):
        start = order[_qkv(producers, attention).name]
        nodes = products[start : start + 4]
        if len(nodes) != 4:
            raise BackboneError(
                f"block {block}: expected 4 products (qkv, o, fc1, fc2), found {len(nodes)}"
            )
        for part, node in zip(("qkv", "o", "fc1", "fc2"), nodes, strict=True):
            rows, columns = arrays[node.input[1]].dims
            found.append(TargetModule(f"l{block}.{part}", node.name, rows, columns))
    return found


def layers(model: ModelProto) -> dict[str, str]:
    """Return every layer that can be quantised and its node's name: the word embeddings, ``words``,
    then the sites' names.
    """
    words = [
        ("words", node.name)
        for node in model.graph.node
        if node.op_type == "Gather" and node.input[1] == IDS
    ]
    return dict(words) | {site.name: site.node for site in sites(model)}


def cut(model: ModelProto, split: int) -> tuple[ModelProto, ModelProto]:
    """Cut the encoder before block `split`.

    Returns
    -------
    trunk
        ``input_ids, attention_mask -> hidden`` [B, S, D] and ``features`` [B, D] (the lookup's).
    tail
        ``hidden, attention_mask -> features`` [B, D].
    """
    entries = blocks(model)
    if not 1 <= split < len(entries) - 1:
        raise BackboneError(
            f"split: expected 1..{len(entries) - 2} for {len(entries) - 1} blocks, found {split}"
        )
    joint, width = entries[split], model.graph.output[0].type.tensor_type.shape.dim[-1].dim_value
    tail = _extract(model, [joint, MASK], [FEATURES])
    trunk = _extract(model, ["input_ids", MASK], [joint])
    for part in (trunk, tail):
        _rename(part, joint, HIDDEN)
    trunk.graph.node.extend(pooling(HIDDEN, "trunk"))
    add_pooling_axis(trunk)
    hidden = helper.make_tensor_value_info(HIDDEN, TensorProto.FLOAT, ["batch", "sequence", width])
    mask = helper.make_tensor_value_info(MASK, TensorProto.INT64, ["batch", "sequence"])
    features = helper.make_tensor_value_info(FEATURES, TensorProto.FLOAT, ["batch", width])
    del trunk.graph.output[:], tail.graph.input[:]
    trunk.graph.output.extend([hidden, features])
    tail.graph.input.extend([hidden, mask])
    helper.set_model_props(tail, {"cfedge.first_block": str(split)})
    for part in (trunk, tail):
        del part.graph.value_info[:]
        onnx.checker.check_model(part)
    return trunk, tail


def add_slots(tail: ModelProto, parts: tuple[str, ...]) -> list[TargetModule]:
    """Put ``y + (x A) B`` beside each product of `tail` whose part is in `parts`; A and B become
    graph inputs.

    ``a.<site>``: float32 ["ab", rows, "r_<site>"], ``b.<site>``: float32 ["ab", "r_<site>",
    columns]. ``ab`` is 1 or the batch. Every site has a rank symbol of its own: the memory planner
    trusts equal symbols.
    """
    chosen = [site for site in sites(tail) if site.name.split(".")[1] in parts]
    for site in chosen:
        node = next(node for node in tail.graph.node if node.name == site.node)
        a, b, rank = f"a.{site.name}", f"b.{site.name}", f"r_{site.name}"
        out = node.output[0]
        node.output[0] = f"{out}.base"
        branch = [
            helper.make_node("MatMul", [node.input[0], a], [f"{a}.out"], name=f"{a}.MatMul"),
            helper.make_node("MatMul", [f"{a}.out", b], [f"{b}.out"], name=f"{b}.MatMul"),
            helper.make_node("Add", [f"{out}.base", f"{b}.out"], [out], name=f"{site.name}.slot"),
        ]
        at = list(tail.graph.node).index(node) + 1
        for offset, extra in enumerate(branch):
            tail.graph.node.insert(at + offset, extra)
        tail.graph.input.append(
            helper.make_tensor_value_info(a, TensorProto.FLOAT, ["ab", site.rows, rank])
        )
        tail.graph.input.append(
            helper.make_tensor_value_info(b, TensorProto.FLOAT, ["ab", rank, site.columns])
        )
    onnx.checker.check_model(tail)
    return chosen


def without_mask(model: ModelProto) -> ModelProto:
    """A copy for runs without padding: every token counts, and the input ``attention_mask`` is
    gone.
    """
    bare = ModelProto()
    bare.CopyFrom(model)
    graph = bare.graph
    for node in _attention(bare):
        node.input[4] = ""
    total = next(node for node in graph.node if node.name.endswith("pool.sum"))
    row = next(node for node in graph.node if node.name.endswith("pool.row"))
    at, shape, ones = list(graph.node).index(total), f"{total.name}.tokens", f"{total.name}.ones"
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
    while unread := _unread(bare):
        for node in unread:
            graph.node.remove(node)
    onnx.checker.check_model(bare)
    return bare


def with_views(trunk: ModelProto) -> ModelProto:
    """A copy of a trunk without mask with wider ``features`` [B, 3 D]: three views of ``hidden``,
    each of length 1.

    The directions of its mean, of its largest and of its smallest values over the tokens
    (docs/decisions/0024-views.md).
    """
    seen = ModelProto()
    seen.CopyFrom(trunk)
    graph = seen.graph
    mean = next(node for node in graph.node if FEATURES in node.output)
    mean.output[0] = f"{FEATURES}.mean"
    axis, names = f"{FEATURES}.tokens", [f"{FEATURES}.mean"]
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
    width = (
        next(value for value in graph.output if value.name == HIDDEN)
        .type.tensor_type.shape.dim[-1]
        .dim_value
    )
    output = next(value for value in graph.output if value.name == FEATURES)
    output.type.tensor_type.shape.dim[-1].dim_value = VIEWS * width
    onnx.checker.check_model(seen)
    return seen


def _unread(model: ModelProto) -> list[NodeProto]:
    read = {name for node in model.graph.node for name in node.input} | {
        value.name for value in model.graph.output
    }
    return [node for node in model.graph.node if not read.intersection(node.output)]


def _attention(model: ModelProto) -> list[NodeProto]:
    return [node for node in model.graph.node if node.op_type == "MultiHeadAttention"]


def _producers(model: ModelProto) -> dict[str, NodeProto]:
    return {name: node for node in model.graph.node for name in node.output}


def _qkv(producers: dict[str, NodeProto], attention: NodeProto) -> NodeProto:
    return producers[producers[attention.input[0]].input[0]]


def _first_block(model: ModelProto) -> int:
    return int(
        next(
            (entry.value for entry in model.metadata_props if entry.key == "cfedge.first_block"),
            "0",
        )
    )


def _extract(model: ModelProto, inputs: list[str], outputs: list[str]) -> ModelProto:
    whole = ModelProto()
    whole.CopyFrom(model)
    known = {value.name for value in [*whole.graph.input, *whole.graph.output]}
    for name in {*inputs, *outputs} - known:
        whole.graph.value_info.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    part: ModelProto = Extractor(whole).extract_model(inputs, outputs)
    return part


def _rename(model: ModelProto, old: str, new: str) -> None:
    for node in model.graph.node:
        node.input[:] = [new if name == old else name for name in node.input]
        node.output[:] = [new if name == old else name for name in node.output]
