"""A Hugging Face text encoder -> one clean float32 ONNX graph.

Export (optimum) -> fuse attention and GELU (ONNX Runtime's own fusion tool) -> fold what never
varies (token types) -> pack query, key and value into one product -> mean pooling in the graph.
What comes out has a handful of operators: Gather, Slice, Add, MatMul, Split, LayerNormalization,
MultiHeadAttention, Gelu and the pooling. Cutting it and giving it low-rank slots is
`cfedge_export.graph`; quantising it is `cfedge_export.quantize`.

Letters: B batch, S sequence, D width.
"""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from cfedge.errors import BackboneError

__all__ = [
    "FEATURES",
    "IDS",
    "MASK",
    "OPSET",
    "add_pooling_axis",
    "keep_positions",
    "pooling",
    "quiet",
    "to_onnx",
]

#: Operator set of every graph that cfedge writes: ONNX Runtime >= 1.14 reads it, and optimum
#: exports it.
OPSET = 18
IDS, MASK, FEATURES = "input_ids", "attention_mask", "features"


def to_onnx(folder: Path) -> ModelProto:
    """Export the encoder in `folder` to one fused float32 graph.

    Parameters
    ----------
    folder
        A local Hugging Face model folder (``config.json``, ``model.safetensors``).

    Returns
    -------
    ModelProto
        Inputs ``input_ids``, ``attention_mask``: int64 [B, S], padded on the right. Output
        ``features``: float32 [B, D], the mean of the last hidden state over the unmasked tokens,
        scaled to length 1.

    Raises
    ------
    BackboneError
        The model is not a text encoder that the fusion understands.
    """
    from onnxruntime.transformers.fusion_options import FusionOptions
    from onnxruntime.transformers.optimizer import optimize_model
    from optimum.exporters.onnx import main_export

    config = _config(folder)
    layers, heads, width = config.num_hidden_layers, config.num_attention_heads, config.hidden_size
    options = FusionOptions("bert")
    options.use_multi_head_attention = True
    options.enable_skip_layer_norm = options.enable_bias_skip_layer_norm = False
    options.enable_embed_layer_norm = options.enable_bias_gelu = False
    with quiet(), tempfile.TemporaryDirectory(prefix="cfedge-export-") as scratch:
        main_export(
            str(folder), output=scratch, task="feature-extraction", library_name="transformers", opset=OPSET,
            device="cpu", do_validation=False,
        )  # fmt: skip
        fused = optimize_model(
            str(Path(scratch) / "model.onnx"), "bert", num_heads=heads, hidden_size=width, opt_level=0,
            optimization_options=options,
        )  # fmt: skip
    model: ModelProto = fused.model
    attention = [node for node in model.graph.node if node.op_type == "MultiHeadAttention"]
    if len(attention) != layers:
        raise BackboneError(
            f"{folder}: expected {layers} fused attention blocks after export, found"
            f" {len(attention)}; model type {config.model_type!r} is not supported yet: use a"
            " BERT-like encoder"
        )
    _fold_token_types(model)
    for node in attention:
        _pack_qkv(model, node)
    _pool(model, width)
    _tidy(model)
    return model


def keep_positions(model: ModelProto, max_tokens: int) -> None:
    """Drop the position embeddings behind `max_tokens`, which no input reaches; answers keep every
    bit.

    Nothing is done where positions are not counted from 0 up.
    """
    arrays = _arrays(model)
    producers = {name: node for node in model.graph.node for name in node.output}
    for node in model.graph.node:
        counted = (
            producers.get(node.input[1])
            if node.op_type == "Gather" and node.input[0] in arrays
            else None
        )
        if counted is None or counted.op_type != "Slice":
            continue
        source = producers.get(counted.input[0])
        constant = (
            next((entry.t for entry in source.attribute if entry.name == "value"), None)
            if source
            else None
        )
        constant = arrays.get(counted.input[0], constant)
        positions = np.zeros(0) if constant is None else numpy_helper.to_array(constant).ravel()
        if np.array_equal(positions, np.arange(len(positions))) and len(positions) >= max_tokens:
            table = arrays[node.input[0]]
            table.CopyFrom(
                numpy_helper.from_array(numpy_helper.to_array(table)[:max_tokens], table.name)
            )


def _config(folder: Path) -> Any:
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(folder)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise BackboneError(
            f"{folder}: expected a Hugging Face model folder, found: {reason}; give another"
            " --folder"
        ) from error


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the exporters' progress chatter out of ours; errors still raise."""
    previous = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(previous)


def _arrays(model: ModelProto) -> dict[str, TensorProto]:
    return {tensor.name: tensor for tensor in model.graph.initializer}


def _fold_token_types(model: ModelProto) -> None:
    """One segment only: its embedding row is a constant, added to the positions once, here."""
    arrays = _arrays(model)
    if "token_type_ids" not in [value.name for value in model.graph.input]:
        return
    lookup = next(node for node in model.graph.node if "token_type_ids" in node.input)
    row = numpy_helper.to_array(arrays[lookup.input[0]])[0]
    add = next(node for node in model.graph.node if lookup.output[0] in node.input)
    words = next(name for name in add.input if name != lookup.output[0])
    for node in model.graph.node:
        node.input[:] = [words if name == add.output[0] else name for name in node.input]
    position = next(
        node
        for node in model.graph.node
        if node.op_type == "Gather"
        and node.input[0] in arrays
        and IDS not in node.input
        and node is not lookup
    )
    table = arrays[position.input[0]]
    table.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(table) + row, table.name))
    for node in (add, lookup):
        model.graph.node.remove(node)
    segment = next(value for value in model.graph.input if value.name == "token_type_ids")
    model.graph.input.remove(segment)


def _pack_qkv(model: ModelProto, attention: NodeProto) -> None:
    """Three products of the same input -> one product and a Split: fewer, larger kernels and one
    low-rank slot.
    """
    arrays = _arrays(model)
    producers = {name: node for node in model.graph.node for name in node.output}
    parts = [producers[name] for name in attention.input[:3]]
    if any(node.op_type != "MatMul" or node.input[1] not in arrays for node in parts):
        raise BackboneError(
            f"{attention.name}: expected query, key and value as plain products; this encoder has"
            " others"
        )
    weights = [numpy_helper.to_array(arrays[node.input[1]]) for node in parts]
    name = f"{attention.name}.qkv"
    model.graph.initializer.append(
        numpy_helper.from_array(np.concatenate(weights, axis=1), f"{name}.weight")
    )
    sizes = np.array([weight.shape[1] for weight in weights], np.int64)
    model.graph.initializer.append(numpy_helper.from_array(sizes, f"{name}.sizes"))
    packed = [
        helper.make_node(
            "MatMul", [parts[0].input[0], f"{name}.weight"], [f"{name}.out"], name=f"{name}.MatMul"
        ),
        helper.make_node(
            "Split",
            [f"{name}.out", f"{name}.sizes"],
            [node.output[0] for node in parts],
            name=f"{name}.Split",
            axis=-1,
        ),
    ]
    at = min(list(model.graph.node).index(node) for node in parts)
    for node in parts:
        model.graph.node.remove(node)
    for offset, node in enumerate(packed):
        model.graph.node.insert(at + offset, node)


def _pool(model: ModelProto, width: int) -> None:
    """Append `features`; every later graph ends in the same nodes."""
    hidden = model.graph.output[0].name
    model.graph.node.extend(pooling(hidden, "last"))
    del model.graph.output[:]
    model.graph.output.append(
        helper.make_tensor_value_info(FEATURES, TensorProto.FLOAT, ["batch", width])
    )
    add_pooling_axis(model)


def pooling(hidden: str, prefix: str) -> list[NodeProto]:
    """Nodes for the direction of the masked mean of `hidden` [B, S, D] -> ``features`` [B, D] of
    length 1.

    A product of weights [B, 1, S] and states: each row is summed alone, in an order that does not
    depend on the batch (ReduceSum's does). The sum has the mean's direction.
    """
    mask, weights, total, row = (
        f"{prefix}.pool.{part}" for part in ("mask", "weights", "sum", "row")
    )
    return [
        helper.make_node("Cast", [MASK], [mask], name=mask, to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", [mask, "pool.token_axis"], [weights], name=weights),
        helper.make_node("MatMul", [weights, hidden], [total], name=total),
        helper.make_node("Squeeze", [total, "pool.token_axis"], [row], name=row),
        helper.make_node("LpNormalization", [row], [FEATURES], name=f"{prefix}.pool", axis=-1, p=2),
    ]


def add_pooling_axis(model: ModelProto) -> None:
    """Add the small constant that `pooling` refers to."""
    if "pool.token_axis" not in [tensor.name for tensor in model.graph.initializer]:
        model.graph.initializer.append(
            numpy_helper.from_array(np.array([1], np.int64), "pool.token_axis")
        )


def _tidy(model: ModelProto) -> None:
    """Drop what nothing reads, give unnamed nodes a name, and check the result."""
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
