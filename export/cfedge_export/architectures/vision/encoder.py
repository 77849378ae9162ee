"""Vision transformers: what their families share. Each is a `Layout` of its own beside this file.

The lookup reads the directions of the mean, the largest and the smallest values over the patches
and what stands before them. A trunk hands on the residual stream, which enters a block before its norm.

Letters: B batch, S patches and what stands before them, D width.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

from cfedge.errors import BackboneError
from cfedge.inputs import Spec
from cfedge.inputs.image.spec import Image
from cfedge.plain_files import read_plain
from cfedge.train.workspace.backbones import BackboneSource
from cfedge_export.architectures import transformer
from cfedge_export.architectures.activations import activation
from cfedge_export.architectures.architecture import TargetModule
from cfedge_export.architectures.graph_writer import read_weights
from cfedge_export.architectures.vision.graph import Layout, Sizes, VisionWriter
from cfedge_export.names import FEATURES

__all__ = ["VisionEncoder"]


@dataclass(frozen=True)
class VisionEncoder:
    """One family: ``pixels`` uint8 [B, 3, H, W] -> ``features`` float32 [B, D], the direction of the
    class's row behind the last norm, or of the mean over all rows.

    Attributes
    ----------
    layout
        How it names its weights.
    prefixes
        What may stand before every name, as where the model is a part of another one.
    """

    layout: Layout
    prefixes: tuple[str, ...]
    parts: tuple[str, ...] = transformer.PARTS
    default_parts: tuple[str, ...] = ("qkv", "fc1")
    schemes: tuple[str, ...] = ("int8-row", "int8-row-7bit", "int8-weight-only", "float32")
    pooled_axes: tuple[int, ...] = (1,)
    keep_positions: int | None = None  # features are read at constant places

    def reads(self, folder: Path, known: BackboneSource) -> tuple[Image, dict[str, bytes]]:
        """Pictures of the size that ``preprocessor_config.json`` states; nothing else is needed."""
        stated = _preprocessing(folder)
        cropped = bool(stated.get("do_center_crop"))
        side = _side(stated.get("crop_size" if cropped else "size"), folder)
        patch = int(_vision(folder)["patch_size"])
        if side % patch:
            raise BackboneError(
                f"{folder}: expected a size that patches of {patch} pixels divide, found {side};"
                " correct preprocessor_config.json"
            )
        return Image("image", side, side, "crop" if cropped else "squash"), {}

    def to_onnx(self, folder: Path, spec: Spec) -> ModelProto:
        """See `Architecture`."""
        assert isinstance(spec, Image)
        config, stated = _vision(folder), _preprocessing(folder)
        if config.get("use_swiglu_ffn"):
            raise BackboneError(
                f"{folder}: expected an MLP of two products, found a gated one; use another encoder"
            )
        sizes = Sizes(
            spec.height,
            int(config["patch_size"]),
            int(config["num_hidden_layers"]),
            int(config["num_attention_heads"]),
            float(config["layer_norm_eps"]),
            activation(str(config.get("hidden_act")), folder),
            tuple(float(one) for one in stated["image_mean"]),
            tuple(float(one) for one in stated["image_std"]),
        )
        weights = read_weights(folder, self.prefixes, self.layout.positions)
        return VisionWriter(weights, self.layout, sizes, str(folder)).model()

    def cuts(self, model: ModelProto) -> list[str]:
        """See `Architecture`."""
        pooled = next(node for node in model.graph.node if node.output[0] == "last.pool.sum")
        return [*transformer.residual_streams(model), str(pooled.input[1])]

    def target_modules(self, model: ModelProto) -> list[TargetModule]:
        """See `Architecture`."""
        return transformer.target_modules(model)

    def embedding_tables(self, model: ModelProto) -> dict[str, str]:
        """There are none."""
        return {}

    def groups(self, model: ModelProto) -> dict[str, str]:
        """See `Architecture`."""
        found = {"patches.weight": "patches", "positions": "positions"}
        weights = {node.name: node.input[1] for node in model.graph.node if len(node.input) > 1}
        for module in transformer.target_modules(model):
            part = module.name.partition(".")[2]
            found[weights[module.node]] = transformer.GROUPS[part]
        return found

    def hidden(self, model: ModelProto, cut: str) -> list[int | str]:
        """A row for each patch, and those before them."""
        return list(_table(model))

    def pooled(self, model: ModelProto, cut: str) -> list[str]:
        """The hidden states themselves."""
        return [cut]

    def pool(
        self,
        model: ModelProto,
        states: Sequence[str],
        *,
        prefix: str = "trunk",
        output: str = FEATURES,
    ) -> None:
        """The directions of mean, largest and smallest."""
        rows, width = _table(model)
        ones, axis = f"{prefix}.ones", f"{prefix}.axis"
        model.graph.initializer.append(numpy_helper.from_array(np.ones(rows, np.float32), ones))
        model.graph.initializer.append(numpy_helper.from_array(np.array([1], np.int64), axis))
        names: list[str] = []
        for view, op, given in (
            ("mean", "MatMul", [ones, states[0]]),
            ("max", "ReduceMax", [states[0], axis]),
            ("min", "ReduceMin", [states[0], axis]),
        ):
            row, direction = f"{prefix}.{view}.row", f"{prefix}.{view}"
            node = helper.make_node(op, given, [row], row)
            if op != "MatMul":
                node.attribute.append(helper.make_attribute("keepdims", 0))
            model.graph.node.append(node)
            model.graph.node.append(
                helper.make_node("LpNormalization", [row], [direction], direction, axis=-1, p=2)
            )
            names.append(direction)
        joined = f"{prefix}.views"
        model.graph.node.append(helper.make_node("Concat", names, [output], joined, axis=-1))
        shape: list[int | str | None] = ["batch", 3 * width]
        model.graph.output.append(helper.make_tensor_value_info(output, TensorProto.FLOAT, shape))

    def views(self, model: ModelProto, cut: str) -> list[int]:
        """Mean, largest and smallest."""
        return 3 * [_table(model)[1]]

    def frozen_views(self, model: ModelProto, cut: str) -> int:
        """The trunk does not see so far."""
        return 0

    def deployed(self, part: ModelProto) -> ModelProto:
        """The same: nothing is padded."""
        return part


def _table(model: ModelProto) -> tuple[int, int]:
    """Rows and width of the table of positions."""
    table = next(tensor for tensor in model.graph.initializer if tensor.name == "positions")
    return int(table.dims[1]), int(table.dims[2])


def _vision(folder: Path) -> Mapping[str, Any]:
    """The configuration of the part that sees."""
    from transformers import AutoConfig

    config: dict[str, Any] = AutoConfig.from_pretrained(folder).to_dict()
    nested = config.get("vision_config")
    return nested if isinstance(nested, dict) else config


def _preprocessing(folder: Path) -> Mapping[str, Any]:
    path = folder / "preprocessor_config.json"
    try:
        stated: dict[str, Any] = json.loads(read_plain(path))
        if not all(len(stated[name]) == 3 for name in ("image_mean", "image_std")):
            raise ValueError("image_mean and image_std that are not of three colours")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise BackboneError(
            f"{path}: expected size, image_mean and image_std of the pictures, found: {error};"
            " save the image processor with the model"
        ) from error
    return stated


def _side(stated: object, folder: Path) -> int:
    """Side of a square picture."""
    sides = stated if isinstance(stated, dict) else {"height": stated, "width": stated}
    found = {sides.get("height"), sides.get("width")}
    side = found.pop()
    if found or not isinstance(side, int) or not 1 <= side <= 4096:
        raise BackboneError(
            f"{folder}: expected the size of square pictures in preprocessor_config.json, found"
            f" {stated!s:.80}; state height and width, as one number"
        )
    return side
