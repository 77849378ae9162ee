"""A Hugging Face folder -> a graph whose attention and GELU are single nodes, and its tidying.

Export (optimum) -> fuse attention and GELU (ONNX Runtime's own fusion tool) -> fold what never
varies -> pack query, key and value into one product.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, helper, numpy_helper

from cfedge.errors import BackboneError
from cfedge.scratch import scratch_folder
from cfedge_export.architectures import transformer
from cfedge_export.names import OPSET
from cfedge_export.pooling import drop_unread
from cfedge_export.quiet import quiet

__all__ = ["exported", "tidy"]

#: Folds what never varies out of a graph, in place: token types, positions. It is given the model's
#: ``config.json`` too.
Fold = Callable[[ModelProto, Mapping[str, Any]], None]


def exported(fold: Fold) -> Callable[[Path, Mapping[str, Any], int], ModelProto]:
    """Return how a family's graph is made that is exported and fused."""
    return partial(_exported, fold)


def _exported(fold: Fold, folder: Path, config: Mapping[str, Any], tokens: int) -> ModelProto:
    """See `TextEncoder.graph`; of how many tokens does not matter.

    Raises
    ------
    BackboneError
        Its attention cannot be fused.
    """
    blocks = config.get("num_hidden_layers", config.get("n_layers"))
    heads, width = (
        config.get(name, config.get(other))
        for name, other in (("num_attention_heads", "n_heads"), ("hidden_size", "dim"))
    )
    model = fused(folder, heads, width)
    nodes = transformer.attention(model)
    if len(nodes) != blocks:
        raise BackboneError(
            f"{folder}: expected {blocks} fused attention blocks after export, found"
            f" {len(nodes)}; this {config['model_type']} has an attention of its own: use another"
            " encoder"
        )
    fold(model, config)
    for node in nodes:
        pack_qkv(model, node)
    return model


def fused(folder: Path, heads: int, width: int) -> ModelProto:
    """Export an encoder and fuse its attention nodes, as far as ONNX Runtime's tool knows them."""
    from onnxruntime.transformers.fusion_options import FusionOptions
    from onnxruntime.transformers.optimizer import optimize_model
    from optimum.exporters.onnx import main_export

    options = FusionOptions("bert")
    options.use_multi_head_attention = True
    options.enable_skip_layer_norm = options.enable_bias_skip_layer_norm = False
    options.enable_embed_layer_norm = options.enable_bias_gelu = False
    with quiet(), scratch_folder() as scratch:
        main_export(
            str(folder), output=str(scratch), task="feature-extraction", library_name="transformers",
            opset=OPSET, device="cpu", do_validation=False,
        )  # fmt: skip
        fused = optimize_model(
            str(scratch / "model.onnx"), "bert", num_heads=heads, hidden_size=width,
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
