"""A Hugging Face folder -> a graph whose attention and GELU are single nodes, and its tidying."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, helper, numpy_helper

from cfedge.errors import BackboneError
from cfedge_export.names import OPSET
from cfedge_export.pooling import drop_unread
from cfedge_export.quiet import quiet

__all__ = ["fused", "pack_qkv", "tidy"]


def fused(folder: Path, heads: int, width: int) -> ModelProto:
    """Export an encoder and fuse its attention nodes, as far as ONNX Runtime's tool knows them."""
    from onnxruntime.transformers.fusion_options import FusionOptions
    from onnxruntime.transformers.optimizer import optimize_model
    from optimum.exporters.onnx import main_export

    options = FusionOptions("bert")
    options.use_multi_head_attention = True
    options.enable_skip_layer_norm = options.enable_bias_skip_layer_norm = False
    options.enable_embed_layer_norm = options.enable_bias_gelu = False
    with quiet(), tempfile.TemporaryDirectory(prefix="cfedge-export-") as scratch:
        main_export(
            str(folder), output=scratch, task="feature-extraction", library_name="transformers",
            opset=OPSET, device="cpu", do_validation=False,
        )  # fmt: skip
        fused = optimize_model(
            str(Path(scratch) / "model.onnx"), "bert", num_heads=heads, hidden_size=width,
            opt_level=0, optimization_options=options,
        )  # fmt: skip
    model: ModelProto = fused.model
    return model


def pack_qkv(model: ModelProto, attention: NodeProto) -> None:
    """Three products of the same input -> one product and a Split: fewer, larger kernels and one
    low-rank slot.
    """
    arrays = {tensor.name: tensor for tensor in model.graph.initializer}
    producers = {name: node for node in model.graph.node for name in node.output}
    parts = [producers[name] for name in attention.input[:3]]
    if any(node.op_type != "MatMul" or node.input[1] not in arrays for node in parts):
        raise BackboneError(
            f"{attention.name}: expected query, key and value as plain products, found others;"
            " use another encoder"
        )
    weights = [numpy_helper.to_array(arrays[node.input[1]]) for node in parts]
    name = f"{attention.name}.qkv"
    sizes = np.array([weight.shape[1] for weight in weights], np.int64)
    model.graph.initializer.extend([
        numpy_helper.from_array(np.concatenate(weights, axis=1), f"{name}.weight"),
        numpy_helper.from_array(sizes, f"{name}.sizes"),
    ])  # fmt: skip
    product = helper.make_node(
        "MatMul", [parts[0].input[0], f"{name}.weight"], [f"{name}.out"], name=f"{name}.MatMul"
    )
    split = helper.make_node(
        "Split", [f"{name}.out", f"{name}.sizes"], [node.output[0] for node in parts],
        name=f"{name}.Split", axis=-1,
    )  # fmt: skip
    at = min(list(model.graph.node).index(node) for node in parts)
    for node in parts:
        model.graph.node.remove(node)
    for offset, node in enumerate((product, split)):
        model.graph.node.insert(at + offset, node)


def tidy(model: ModelProto) -> None:
    """Drop what nothing reads, give unnamed nodes a name, and check the result."""
    drop_unread(model)
    used = {name for node in model.graph.node for name in node.input}
    kept = [tensor for tensor in model.graph.initializer if tensor.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    for position, node in enumerate(model.graph.node):
        node.name = node.name or f"{node.op_type}.{position}"
    del model.graph.value_info[:]
    if "com.microsoft" not in [entry.domain for entry in model.opset_import]:
        model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    onnx.checker.check_model(model)
