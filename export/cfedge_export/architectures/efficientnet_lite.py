"""EfficientNet-Lite0: 16 inverted bottlenecks of 1x1 and depthwise convolutions, ReLU6, no
squeeze-and-excite (github.com/tensorflow/tpu, models/official/efficientnet/lite).

The graph is written from the weights, batch norms folded into the convolutions: no exporter stands
between. The lookup reads the mean and the largest value of each channel of the last four stages:
several stages together are worth more than depth (docs/decisions/0033-pictures-in-int8.md). So a
trunk runs the whole frozen network, and hands on the map that enters the tail's first block; the
last convolution and the classifier of ImageNet are left out.

Letters: B batch, H and W places, C channels, R rank.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from cfedge.errors import BackboneError
from cfedge.inputs import Spec
from cfedge.inputs.image.spec import Image
from cfedge.train.backbones import BackboneSource
from cfedge_export.architectures.architecture import TargetModule
from cfedge_export.names import FEATURES, OPSET

__all__ = ["EFFICIENTNET_LITE", "EfficientNetLite", "PIXELS"]

#: The input: uint8 [B, 3, H, W], red first.
PIXELS = "pixels"
#: (x - 127) / 128, as it was trained.
_SCALE, _ZERO_POINT = np.float32(1 / 128), np.uint8(127)
#: Of the batch norms.
_EPSILON = 1e-3
#: First block of each of the seven stages but the first, and those that halve the map.
_STAGES, _HALVING = (1, 3, 5, 8, 11, 15), (1, 3, 5, 11)
_BLOCKS = 16
#: Stages whose maps the lookup reads, and the tail's features are made of.
_SEEN, _ADAPTED = 4, 2

Weights = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class EfficientNetLite:
    """``pixels`` uint8 [B, 3, H, W] -> ``features`` float32 [B, D]: the directions of the means and
    of the largest values of the last two stages' maps, together of length 1.
    """

    parts: tuple[str, ...] = ("expand", "project")
    default_parts: tuple[str, ...] = ("expand", "project")
    schemes: tuple[str, ...] = ("int8-static", "int8-weight-only", "float32")
    token_axes: tuple[int, ...] = (2, 3)
    keep_tokens: int | None = None

    def reads(self, folder: Path, known: BackboneSource) -> tuple[Image, dict[str, bytes]]:
        """Pictures of the size that the backbone is known by; nothing else is needed."""
        side = known.pixels or 160
        if side % 32:
            raise BackboneError(f"pixels: expected a multiple of 32, found {side}; choose another")
        return Image("image", side, side, "squash"), {}

    def to_onnx(self, folder: Path, spec: Spec) -> ModelProto:
        """See `Architecture`; the weights are the one ``.pth`` in `folder`, read without pickle's
        code.
        """
        assert isinstance(spec, Image)
        return _Writer(_weights(folder), spec.height, spec.width).model()

    def cuts(self, model: ModelProto) -> list[str]:
        """See `Architecture`."""
        return [_entry(block) for block in range(_BLOCKS + 1)]

    def target_modules(self, model: ModelProto) -> list[TargetModule]:
        """The 1x1 convolutions, as products over the channels."""
        shapes = {tensor.name: tensor.dims for tensor in model.graph.initializer}
        modules = []
        for node in model.graph.node:
            if node.op_type == "Conv" and node.name.endswith(self.parts):
                columns, rows = shapes[node.input[1]][:2]
                modules.append(TargetModule(node.name, node.name, rows, columns))
        return modules

    def embedding_tables(self, model: ModelProto) -> dict[str, str]:
        """There are none."""
        return {}

    def groups(self, model: ModelProto) -> dict[str, str]:
        """See `Architecture`."""
        return {
            node.input[1]: "depthwise" if node.name.endswith("depthwise") else "convolutions"
            for node in model.graph.node
            if node.op_type == "Conv"
        }

    def hidden(self, model: ModelProto, cut: str) -> list[int | str]:
        """Channels and places."""
        return list(_sizes(model, cut))

    def pooled(self, model: ModelProto, cut: str) -> list[str]:
        """The maps of the last stages."""
        return _maps(_SEEN)

    def views(self, model: ModelProto, cut: str) -> list[int]:
        """Mean and largest of each map."""
        return [_sizes(model, name)[0] for name in _maps(_SEEN) for _ in range(2)]

    def pool(
        self,
        model: ModelProto,
        states: Sequence[str],
        *,
        prefix: str = "trunk",
        output: str = FEATURES,
    ) -> None:
        """See `Architecture`."""
        names, nodes = _directions(states, prefix)
        nodes.append(helper.make_node("Concat", names, [output], name=output, axis=1))
        model.graph.node.extend(nodes)
        columns = sum(2 * _channels(model, name) for name in states)
        shape: list[int | str | None] = ["batch", columns]
        model.graph.output.append(helper.make_tensor_value_info(output, TensorProto.FLOAT, shape))

    def deployed(self, part: ModelProto) -> ModelProto:
        """The same: nothing is padded."""
        return part


EFFICIENTNET_LITE = EfficientNetLite()


def _entry(block: int) -> str:
    """The map that enters a block, or that the last one puts out."""
    return f"l{block}.in"


def _maps(stages: int) -> list[str]:
    """What so many of the last stages put out."""
    ends = [*_STAGES[1:], _BLOCKS][-stages:]
    return [_entry(end) for end in ends]


def _sizes(model: ModelProto, name: str) -> list[int]:
    """Channels, height and width of a map of the whole graph."""
    value = next(value for value in model.graph.value_info if value.name == name)
    return [dim.dim_value for dim in value.type.tensor_type.shape.dim][1:]


def _channels(model: ModelProto, name: str) -> int:
    """Of a map of any part of the graph that computes it."""
    shapes = {tensor.name: tensor.dims for tensor in model.graph.initializer}
    while True:
        node = next(node for node in model.graph.node if name in node.output)
        if node.op_type == "Conv":
            return int(shapes[node.input[1]][0])
        name = node.input[-1] if node.op_type == "Add" else node.input[0]


def _directions(maps: Sequence[str], prefix: str) -> tuple[list[str], list[NodeProto]]:
    """Names and nodes of the directions [B, C] of each map's means and largest values."""
    names: list[str] = []
    nodes: list[NodeProto] = []
    for place, name in enumerate(maps):
        for op, view in (("GlobalAveragePool", "mean"), ("GlobalMaxPool", "max")):
            stem = f"{prefix}.{place}.{view}"
            nodes += [
                helper.make_node(op, [name], [f"{stem}.pool"], f"{stem}.pool"),
                helper.make_node("Flatten", [f"{stem}.pool"], [f"{stem}.row"], f"{stem}.row"),
                helper.make_node("LpNormalization", [f"{stem}.row"], [stem], stem, axis=1, p=2),
            ]
            names.append(stem)
    return names, nodes


def _weights(folder: Path) -> Weights:
    """The weights by name, batch norms and all.

    Raises
    ------
    BackboneError
        There is no such file, or it is none.
    """
    import torch

    files = sorted(folder.glob("*.pth"))
    if len(files) != 1:
        raise BackboneError(
            f"{folder}: expected one .pth file, found {len(files)}; give another --folder"
        )
    try:
        state = torch.load(files[0], map_location="cpu", weights_only=True)
        return {name: value.numpy() for name, value in state.items()}
    except Exception as error:  # torch raises pickle's, zip's and its own errors
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise BackboneError(
            f"{files[0]}: expected weights of EfficientNet-Lite0, found: {reason}; get them again"
        ) from error


class _Writer:
    """Writes the graph, node after node."""

    def __init__(self, weights: Weights, height: int, width: int) -> None:
        self.weights, self.size = weights, (height, width)
        self.nodes: list[NodeProto] = []
        self.arrays: dict[str, NDArray[Any]] = {}
        self.maps: dict[str, tuple[int, int, int]] = {}

    def model(self) -> ModelProto:
        """The whole encoder."""
        height, width = self.size
        self.arrays |= {"pixels.scale": np.array(_SCALE), "pixels.zero": np.array(_ZERO_POINT)}
        self.arrays |= {
            "relu6.least": np.array(0, np.float32),
            "relu6.most": np.array(6, np.float32),
        }
        self._add("DequantizeLinear", [PIXELS, "pixels.scale", "pixels.zero"], "scaled")
        self._convolution("scaled", "stem", "_conv_stem", "_bn0", _entry(0), step=2, clip=True)
        for block in range(_BLOCKS):
            self._block(block)
        names, nodes = _directions(_maps(_ADAPTED), "last")
        self.nodes += nodes
        self.arrays["last.share"] = np.array(len(names) ** -0.5, np.float32)
        self._add("Concat", names, "last.all", axis=1)
        self._add("Mul", ["last.all", "last.share"], FEATURES)
        pixels = helper.make_tensor_value_info(
            PIXELS, TensorProto.UINT8, ["batch", 3, height, width]
        )
        columns = sum(2 * self.maps[name][0] for name in _maps(_ADAPTED))
        features = helper.make_tensor_value_info(FEATURES, TensorProto.FLOAT, ["batch", columns])
        graph = helper.make_graph(
            self.nodes,
            "encoder",
            [pixels],
            [features],
            [numpy_helper.from_array(np.asarray(a), name) for name, a in self.arrays.items()],
            value_info=[
                helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *sizes])
                for name, sizes in self.maps.items()
            ],
        )
        model: ModelProto = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8
        )
        onnx.checker.check_model(model)
        return model

    def _add(self, op: str, inputs: list[str], output: str, **attributes: Any) -> None:
        self.nodes.append(helper.make_node(op, inputs, [output], output, **attributes))

    def _block(self, block: int) -> None:
        """Widen, filter each channel, narrow; the input is added where nothing is halved."""
        source, theirs, name = _entry(block), f"_blocks.{block}", f"l{block}"
        wide = source
        if f"{theirs}._expand_conv.weight" in self.weights:
            wide = f"{name}.wide"
            self._convolution(
                source,
                f"{name}.expand",
                f"{theirs}._expand_conv",
                f"{theirs}._bn0",
                wide,
                clip=True,
            )
        depthwise, norm = f"{theirs}._depthwise_conv", f"{theirs}._bn1"
        step, filtered = 2 if block in _HALVING else 1, f"{name}.filtered"
        self._convolution(
            wide, f"{name}.depthwise", depthwise, norm, filtered, step=step, clip=True
        )
        is_added = block not in _STAGES and block > 0
        narrow = f"{name}.narrow" if is_added else _entry(block + 1)
        project = f"{theirs}._project_conv"
        self._convolution(filtered, f"{name}.project", project, f"{theirs}._bn2", narrow)
        if is_added:
            self._add("Add", [source, narrow], _entry(block + 1))
            self.maps[_entry(block + 1)] = self.maps[narrow]

    def _convolution(
        self, source: str, name: str, theirs: str, norm: str, output: str, *, step: int = 1,
        clip: bool = False,
    ) -> None:  # fmt: skip
        """One convolution with its batch norm folded in, and ReLU6."""
        weight, bias = self._folded(theirs, norm)
        self.arrays |= {f"{name}.weight": weight, f"{name}.bias": bias}
        kernel = weight.shape[2]
        channels, height, width = self.maps.get(source, (3, *self.size))
        pads = [_padding(size, kernel, step) for size in (height, width)]
        target = f"{output}.linear" if clip else output
        self.nodes.append(
            helper.make_node(
                "Conv",
                [source, f"{name}.weight", f"{name}.bias"],
                [target],
                name,
                group=channels if weight.shape[1] == 1 and channels > 1 else 1,
                kernel_shape=[kernel, kernel],
                pads=[pads[0][0], pads[1][0], pads[0][1], pads[1][1]],
                strides=[step, step],
            )
        )
        if clip:
            self._add("Clip", [target, "relu6.least", "relu6.most"], output)
        self.maps[output] = (weight.shape[0], -(-height // step), -(-width // step))

    def _folded(self, theirs: str, norm: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        try:
            weight = self.weights[f"{theirs}.weight"].astype(np.float64)
            scale, offset, mean, variance = (
                self.weights[f"{norm}.{part}"].astype(np.float64)
                for part in ("weight", "bias", "running_mean", "running_var")
            )
        except KeyError as error:
            raise BackboneError(
                f"weights: expected those of EfficientNet-Lite0, found no {error}; get them again"
            ) from error
        factor = scale / np.sqrt(variance + _EPSILON)
        folded = (weight * factor[:, None, None, None]).astype(np.float32)
        return folded, (offset - mean * factor).astype(np.float32)


def _padding(size: int, kernel: int, step: int) -> tuple[int, int]:
    """TensorFlow's SAME: the odd one at the end."""
    total = max((-(-size // step) - 1) * step + kernel - size, 0)
    return total // 2, total - total // 2
