"""EfficientNet-Lite0's graph, written node after node from the weights.

Letters: B batch, H and W places, C channels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from cfedge.errors import BackboneError
from cfedge_export.names import FEATURES, OPSET

__all__ = ["ADAPTED", "BLOCKS", "PIXELS", "Writer", "directions", "entry", "maps", "read_weights"]

#: The input: uint8 [B, 3, H, W], red first.
PIXELS = "pixels"
#: (x - 127) / 128, as it was trained.
_SCALE, _ZERO_POINT = np.float32(1 / 128), np.uint8(127)
#: Of the batch norms.
_EPSILON = 1e-3
#: First block of each of the seven stages but the first, and those that halve the map.
_STAGES, _HALVING = (1, 3, 5, 8, 11, 15), (1, 3, 5, 11)
BLOCKS = 16
#: Stages whose maps the tail's features are made of.
ADAPTED = 2

Weights = Mapping[str, NDArray[np.float32]]


def entry(block: int) -> str:
    """Return the map that enters a block, or that the last one puts out."""
    return f"l{block}.in"


def maps(stages: int) -> list[str]:
    """Return what so many of the last stages put out, the deepest first."""
    ends = [*_STAGES[1:], BLOCKS][-stages:]
    return [entry(end) for end in reversed(ends)]


def directions(sources: Sequence[str], prefix: str) -> tuple[list[str], list[NodeProto]]:
    """Return names and nodes of the directions [B, C] of each map's means and largest values."""
    names: list[str] = []
    nodes: list[NodeProto] = []
    for place, name in enumerate(sources):
        for op, view in (("GlobalAveragePool", "mean"), ("GlobalMaxPool", "max")):
            stem = f"{prefix}.{place}.{view}"
            nodes += [
                helper.make_node(op, [name], [f"{stem}.pool"], f"{stem}.pool"),
                helper.make_node("Flatten", [f"{stem}.pool"], [f"{stem}.row"], f"{stem}.row"),
                helper.make_node("LpNormalization", [f"{stem}.row"], [stem], stem, axis=1, p=2),
            ]
            names.append(stem)
    return names, nodes


def read_weights(folder: Path) -> Weights:
    """Return the weights by name, batch norms and all.

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


class Writer:
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
        self._convolution("scaled", "stem", "_conv_stem", "_bn0", entry(0), step=2, clip=True)
        for block in range(BLOCKS):
            self._block(block)
        names, nodes = directions(maps(ADAPTED), "last")
        self.nodes += nodes
        self.arrays["last.share"] = np.array(len(names) ** -0.5, np.float32)
        self._add("Concat", names, "last.all", axis=1)
        self._add("Mul", ["last.all", "last.share"], FEATURES)
        pixels = helper.make_tensor_value_info(
            PIXELS, TensorProto.UINT8, ["batch", 3, height, width]
        )
        columns = sum(2 * self.maps[name][0] for name in maps(ADAPTED))
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
        source, theirs, name = entry(block), f"_blocks.{block}", f"l{block}"
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
        narrow = f"{name}.narrow" if is_added else entry(block + 1)
        project = f"{theirs}._project_conv"
        self._convolution(filtered, f"{name}.project", project, f"{theirs}._bn2", narrow)
        if is_added:
            self._add("Add", [source, narrow], entry(block + 1))
            self.maps[entry(block + 1)] = self.maps[narrow]

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
