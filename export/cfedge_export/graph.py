"""Surgery on an encoder's graph: cut it into trunk and tail, give the tail low-rank slots.

Where it may be cut and what takes a slot is its architecture's to say
(`cfedge_export.architectures`). Nothing here knows quantisation.

Letters: B batch, R rank.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from onnx.utils import Extractor

from cfedge.errors import BackboneError
from cfedge_export.architectures import Architecture, TargetModule
from cfedge_export.architectures.transformer import FIRST_BLOCK
from cfedge_export.calibration import ranges_of, state_ranges
from cfedge_export.names import FEATURES, HIDDEN, MASK

__all__ = ["add_slots", "cut", "layers"]


def layers(architecture: Architecture, model: ModelProto) -> dict[str, str]:
    """Return every layer that can be quantised and its node's name: tables of embeddings, then the
    target modules.
    """
    modules = architecture.target_modules(model)
    return architecture.embedding_tables(model) | {module.name: module.node for module in modules}


def cut(architecture: Architecture, model: ModelProto, split: int) -> tuple[ModelProto, ModelProto]:
    """Cut the encoder before block `split`.

    Returns
    -------
    trunk
        The encoder's inputs -> ``hidden`` [B, ...] and ``features`` [B, ...] (the lookup's).
    tail
        ``hidden``, and the mask where the encoder reads one, -> ``features`` [B, ...].

    Raises
    ------
    BackboneError
        There is no such block, or nothing would be left on one side.
    """
    cuts = architecture.cuts(model)
    if not 1 <= split < len(cuts) - 1:
        raise BackboneError(
            f"split: expected 1..{len(cuts) - 2} for {len(cuts) - 1} blocks, found {split}"
        )
    joint, inputs = cuts[split], [value.name for value in model.graph.input]
    masks = [MASK] if MASK in inputs else []
    pooled = architecture.pooled(model, joint)
    tail = _extract(model, [joint, *masks], [FEATURES])
    trunk = _extract(model, inputs, list(dict.fromkeys([joint, *pooled])))
    for part in (trunk, tail):
        _rename(part, joint, HIDDEN)
    hidden = helper.make_tensor_value_info(
        HIDDEN, TensorProto.FLOAT, ["batch", *architecture.hidden(model, joint)]
    )
    del trunk.graph.output[:], tail.graph.input[:]
    trunk.graph.output.append(hidden)
    architecture.pool(trunk, [HIDDEN if name == joint else name for name in pooled])
    tail.graph.input.append(hidden)
    for name in masks:
        mask = helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"])
        tail.graph.input.append(mask)
    helper.set_model_props(tail, {FIRST_BLOCK: str(split)})
    if ranges := ranges_of(model):  # of the trunk alone: adapters may leave them
        state_ranges(trunk, {HIDDEN if name == joint else name: ranges[name] for name in ranges})
    for part in (trunk, tail):
        del part.graph.value_info[:]
        onnx.checker.check_model(part)
    return trunk, tail


def add_slots(
    architecture: Architecture, tail: ModelProto, parts: Collection[str]
) -> list[TargetModule]:
    """Put ``y + (x A) B`` beside each target module of `tail` whose part is in `parts`; A and B
    become graph inputs.

    ``a.<module>``: float32 ["ab", rows, "r_<module>"], ``b.<module>``: float32 ["ab",
    "r_<module>", columns]. ``ab`` is 1 or the batch. Every module has a rank symbol of its own: the
    memory planner trusts equal symbols.
    """
    modules = architecture.target_modules(tail)
    chosen = [module for module in modules if module.name.partition(".")[2] in parts]
    for module in chosen:
        node = next(node for node in tail.graph.node if node.name == module.node)
        a, b, rank = f"a.{module.name}", f"b.{module.name}", f"r_{module.name}"
        out = node.output[0]
        node.output[0] = f"{out}.base"
        branch = (
            _branch(node.input[0], a, b)
            if node.op_type == "MatMul"
            else _over_channels(tail, node.input[0], f"{out}.base", a, b)
        )
        branch.append(
            helper.make_node("Add", [f"{out}.base", f"{b}.out"], [out], name=f"{module.name}.slot")
        )
        at = list(tail.graph.node).index(node) + 1
        for offset, extra in enumerate(branch):
            tail.graph.node.insert(at + offset, extra)
        tail.graph.input.extend([
            helper.make_tensor_value_info(a, TensorProto.FLOAT, ["ab", module.rows, rank]),
            helper.make_tensor_value_info(b, TensorProto.FLOAT, ["ab", rank, module.columns]),
        ])  # fmt: skip
    onnx.checker.check_model(tail)
    return chosen


def _branch(x: str, a: str, b: str) -> list[NodeProto]:
    """Nodes for (x A) B, x [B, S, rows]."""
    return [
        helper.make_node("MatMul", [x, a], [f"{a}.out"], name=f"{a}.MatMul"),
        helper.make_node("MatMul", [f"{a}.out", b], [f"{b}.out"], name=f"{b}.MatMul"),
    ]


def _over_channels(model: ModelProto, x: str, y: str, a: str, b: str) -> list[NodeProto]:
    """Nodes for B' (A' x), x [B, rows, H, W], in the shape of `y` [B, columns, H, W].

    Products over the channels: as convolutions they would be slower, and could not take another
    pair for each row of a batch. A unit of zeros is appended to every pair, since of rank 0 ONNX
    Runtime's product forgets the batch.
    """
    if "slot.flat" not in [tensor.name for tensor in model.graph.initializer]:
        sizes = {
            "slot.flat": [0, 0, -1],
            "slot.row": [0, 0, 0, 0, 1, 0],
            "slot.column": [0] * 5 + [1],
        }
        model.graph.initializer.extend(
            numpy_helper.from_array(np.array(value, np.int64), name)
            for name, value in sizes.items()
        )
    return [
        helper.make_node("Reshape", [x, "slot.flat"], [f"{a}.x"], name=f"{a}.x"),
        helper.make_node("Transpose", [a], [f"{a}.t"], name=f"{a}.t", perm=[0, 2, 1]),
        helper.make_node("Transpose", [b], [f"{b}.t"], name=f"{b}.t", perm=[0, 2, 1]),
        helper.make_node("Pad", [f"{a}.t", "slot.row"], [f"{a}.one"], name=f"{a}.one"),
        helper.make_node("Pad", [f"{b}.t", "slot.column"], [f"{b}.one"], name=f"{b}.one"),
        helper.make_node("MatMul", [f"{a}.one", f"{a}.x"], [f"{a}.out"], name=f"{a}.MatMul"),
        helper.make_node("MatMul", [f"{b}.one", f"{a}.out"], [f"{b}.y"], name=f"{b}.MatMul"),
        helper.make_node("Shape", [y], [f"{b}.shape"], name=f"{b}.shape"),
        helper.make_node("Reshape", [f"{b}.y", f"{b}.shape"], [f"{b}.out"], name=f"{b}.out"),
    ]


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
