"""Products quantised by optimum's `ORTQuantizer` with its preset for VNNI, which is that for ARM
too: unsigned activations, signed weights.

What the preset leaves open is fixed here: which nodes (or it would quantise the low-rank branches
and the pooling), and the type of what contrib operators give (it cannot infer that, and has no
option for it). docs/decisions/0015-schemes.md says what else was tried.
"""

from __future__ import annotations

from collections.abc import Collection

import onnx
from onnx import ModelProto, TensorProto, helper, numpy_helper

from cfedge.scratch import scratch_folder
from cfedge_export.quiet import quiet

__all__ = ["quantize_products"]

#: What the quantizer appends to a weight's name, and the ends that this project's graphs use.
_ENDS = {"_quantized": ".q", "_scale": ".scale", "_zero_point": ".zero"}


def quantize_products(model: ModelProto, nodes: Collection[str]) -> ModelProto:
    """Quantise the products with constants of `nodes`, by name; all else stays."""
    if not nodes:  # to the quantizer no names mean every node
        return model
    from optimum.onnxruntime import ORTQuantizer
    from optimum.onnxruntime.configuration import AutoQuantizationConfig

    settings = AutoQuantizationConfig.avx512_vnni(
        is_static=False,
        per_channel=True,
        nodes_to_quantize=sorted(nodes),
        operators_to_quantize=["MatMul"],
    )
    weights = [node.input[1] for node in model.graph.node if node.name in nodes]
    with quiet(), scratch_folder() as folder:
        onnx.save(_typed(model), folder / "model.onnx")
        ORTQuantizer(folder / "model.onnx").quantize(
            settings, save_dir=folder, file_suffix="quantized"
        )
        made = onnx.load(folder / "model_quantized.onnx")
    names = {
        f"{weight}{theirs}": f"{weight}{ours}"
        for weight in weights
        for theirs, ours in _ENDS.items()
    }
    for tensor in made.graph.initializer:
        if tensor.name in names:
            tensor.CopyFrom(
                numpy_helper.from_array(numpy_helper.to_array(tensor), names[tensor.name])
            )
    for node in made.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
    del made.graph.value_info[:]
    made.producer_name, made.producer_version = model.producer_name, model.producer_version
    onnx.checker.check_model(made)
    return made


def _typed(model: ModelProto) -> ModelProto:
    """A copy that states the type of what contrib operators give."""
    copy = ModelProto()
    copy.CopyFrom(model)
    stated = {
        value.name for value in [*copy.graph.input, *copy.graph.output, *copy.graph.value_info]
    }
    for node in copy.graph.node:
        if node.domain == "com.microsoft":
            copy.graph.value_info.extend(
                helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
                for name in node.output
                if name and name not in stated
            )
    return copy
