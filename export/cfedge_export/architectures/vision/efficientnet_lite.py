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

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from onnx import ModelProto, TensorProto, helper

from cfedge.errors import BackboneError
from cfedge.inputs import Spec
from cfedge.inputs.image.spec import Image
from cfedge.train.workspace.backbones import BackboneSource
from cfedge_export.architectures.architecture import TargetModule
from cfedge_export.architectures.vision.efficientnet_lite_graph import (
    ADAPTED,
    BLOCKS,
    Writer,
    directions,
    entry,
    maps,
    read_weights,
)
from cfedge_export.names import FEATURES

__all__ = ["EFFICIENTNET_LITE", "EfficientNetLite"]

#: Stages whose maps the lookup reads.
_SEEN = 4


@dataclass(frozen=True)
class EfficientNetLite:
    """``pixels`` uint8 [B, 3, H, W] -> ``features`` float32 [B, D]: the directions of the means and
    of the largest values of the last two stages' maps, together of length 1.
    """

    parts: tuple[str, ...] = ("expand", "project")
    default_parts: tuple[str, ...] = ("expand", "project")
    schemes: tuple[str, ...] = ("int8-static", "int8-weight-only", "float32")
    pooled_axes: tuple[int, ...] = (2, 3)
    keep_positions: int | None = None

    def reads(self, folder: Path, known: BackboneSource) -> tuple[Image, dict[str, bytes]]:
        """Pictures of the size that the backbone is known by; nothing else is needed."""
        side = known.input_size or 160
        if side % 32:
            raise BackboneError(f"pixels: expected a multiple of 32, found {side}; choose another")
        return Image("image", side, side, "squash"), {}

    def to_onnx(self, folder: Path, spec: Spec) -> ModelProto:
        """See `Architecture`; the weights are the one ``.pth`` in `folder`, read without pickle's
        code.
        """
        assert isinstance(spec, Image)
        return Writer(read_weights(folder), spec.height, spec.width).model()

    def cuts(self, model: ModelProto) -> list[str]:
        """See `Architecture`."""
        return [entry(block) for block in range(BLOCKS + 1)]

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
        """The maps of the last stages, the deepest first: the lookup reads the first view, and the
        tail's features are the first of them.
        """
        return maps(_SEEN)

    def views(self, model: ModelProto, cut: str) -> list[int]:
        """Mean and largest of each map."""
        states = self.pooled(model, cut)
        return [_sizes(model, name)[0] for name in states for _ in range(2)]

    def pool(
        self,
        model: ModelProto,
        states: Sequence[str],
        *,
        prefix: str = "trunk",
        output: str = FEATURES,
    ) -> None:
        """See `Architecture`."""
        names, nodes = directions(states, prefix)
        nodes.append(helper.make_node("Concat", names, [output], name=output, axis=1))
        model.graph.node.extend(nodes)
        columns = sum(2 * _channels(model, name) for name in states)
        shape: list[int | str | None] = ["batch", columns]
        model.graph.output.append(helper.make_tensor_value_info(output, TensorProto.FLOAT, shape))

    def frozen_views(self, model: ModelProto, cut: str) -> int:
        """Those of the last stages: the trunk is a whole pass."""
        return 2 * ADAPTED

    def deployed(self, part: ModelProto) -> ModelProto:
        """The same: nothing is padded."""
        return part


EFFICIENTNET_LITE = EfficientNetLite()


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
