"""A vision transformer's graph, written node after node from its weights.

Pictures are uint8. Mean, deviation and the division by 255 are folded into the patches' convolution,
class tokens into the table of positions, and layer scales into the products before them. A block is
what `cfedge_export.architectures.transformer` finds: norm, packed query, key and value, attention,
product, norm, and the MLP's two products.

Letters: B batch, S tokens, D width.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper

from cfedge_export.architectures.graph_writer import Floats, GraphWriter, Weights
from cfedge_export.names import FEATURES

__all__ = ["Layout", "Sizes", "VisionWriter"]


@dataclass(frozen=True)
class Layout:
    """How a family names its weights; names of a block are behind ``blocks.format(number)``.

    Attributes
    ----------
    before
        The tables of the tokens before the patches, [1, 1, D] each.
    first, second
        Of a block's layer scales, where it has them.
    reads_class
        Features are the first token's; else the mean of all.
    """

    patches: str
    positions: str
    before: tuple[str, ...]
    blocks: str
    norms: tuple[str, str]
    query: str
    key: str
    value: str
    out: str
    up: str
    down: str
    last_norm: str
    scales: tuple[str, str] | None = None
    reads_class: bool = True


@dataclass(frozen=True)
class Sizes:
    """Side of the pictures and of a patch in pixels, blocks, heads, the norms' epsilon, the
    activation's operator; mean and deviation of each colour, of pixels from 0 to 1.
    """

    side: int
    patch: int
    blocks: int
    heads: int
    epsilon: float
    activation: str
    mean: tuple[float, ...]
    deviation: tuple[float, ...]


class VisionWriter(GraphWriter):
    """Writes the graph."""

    def __init__(self, weights: Weights, layout: Layout, sizes: Sizes, where: str) -> None:
        super().__init__(weights, sizes.epsilon, where)
        self._layout, self._sizes = layout, sizes

    def model(self) -> ModelProto:
        """``pixels`` uint8 [B, 3, H, W] -> ``features`` float32 [B, D] of length 1."""
        stream = self._embedded()
        for block in range(self._sizes.blocks):
            stream = self._block(block, stream)
        states = self.norm(stream, self._layout.last_norm, "last.norm")
        tokens, width = self.array("positions").shape[1:]
        chosen = np.zeros(tokens, np.float32)
        chosen[: 1 if self._layout.reads_class else tokens] = 1
        self.add("MatMul", [self.constant("last.tokens", chosen), states], "last.pool.sum")
        self.add("LpNormalization", ["last.pool.sum"], FEATURES, axis=-1, p=2)
        side = self._sizes.side
        return self.built(
            [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["batch", 3, side, side])],
            [helper.make_tensor_value_info(FEATURES, TensorProto.FLOAT, ["batch", width])],
        )

    def _embedded(self) -> str:
        """Patches with their positions, behind the tokens before them: [B, S, D]."""
        layout, sizes = self._layout, self._sizes
        weight, bias = (self.weight(f"{layout.patches}.{part}") for part in ("weight", "bias"))
        mean, deviation = (np.array(each) for each in (sizes.mean, sizes.deviation))
        bias = bias - (weight.sum(axis=(2, 3)) * mean / deviation).sum(axis=1)
        weight = weight / (255 * deviation[:, None, None])
        self.constant("patches.weight", weight.astype(np.float32))
        self.constant("patches.bias", bias.astype(np.float32))
        self.constant("patches.flat", np.array([0, 0, -1], np.int64))
        self.constant("positions", self._positions())
        self.add("Cast", ["pixels"], "pixels.float", to=TensorProto.FLOAT)
        step = [sizes.patch, sizes.patch]
        given = ["pixels.float", "patches.weight", "patches.bias"]
        self.add("Conv", given, "patches", kernel_shape=step, strides=step, pads=[0, 0, 0, 0])
        self.add("Reshape", ["patches", "patches.flat"], "patches.rows")
        rows = self.add("Transpose", ["patches.rows"], "patches.tokens", perm=[0, 2, 1])
        if count := len(layout.before):
            self.constant("tokens.before", np.array([0, count, 0, 0, 0, 0], np.int64))
            rows = self.add("Pad", [rows, "tokens.before"], "tokens")
        return self.add("Add", [rows, "positions"], "embedded")

    def _positions(self) -> Floats:
        """The table [1, S, D] that is added: positions, interpolated to the pictures' size, and the
        tokens before the patches.
        """
        table = self.weight(self._layout.positions)
        table = table.reshape(-1, table.shape[-1])
        before = [self.weight(name).reshape(1, -1) for name in self._layout.before]
        count, across = len(before), self._sizes.side // self._sizes.patch
        patches = _resized(table[count:], across)
        rows = [*(table[place] + token for place, token in enumerate(before)), *patches]
        return np.concatenate([np.reshape(row, (1, -1)) for row in rows])[None].astype(np.float32)

    def _block(self, block: int, stream: str) -> str:
        layout, name = self._layout, f"b{block}"
        theirs = layout.blocks.format(block)
        scales = [
            self.weight(f"{theirs}.{one}") if one else 1.0 for one in layout.scales or ("", "")
        ]
        normed = self.norm(stream, f"{theirs}.{layout.norms[0]}", f"{name}.norm1")
        mixed = self._attention(normed, theirs, name)
        out = self.product(mixed, f"{theirs}.{layout.out}", f"{name}.o", scales[0])
        between = self.add("Add", [out, stream], f"{name}.between")
        normed = self.norm(between, f"{theirs}.{layout.norms[1]}", f"{name}.norm2")
        wide = self.product(normed, f"{theirs}.{layout.up}", f"{name}.fc1")
        active = f"{name}.active"
        self.add(self._sizes.activation, [wide], active, domain="com.microsoft")
        down = self.product(active, f"{theirs}.{layout.down}", f"{name}.fc2", scales[1])
        return self.add("Add", [down, between], f"{name}.out")

    def _attention(self, normed: str, theirs: str, name: str) -> str:
        layout = self._layout
        parts = [f"{theirs}.{part}" for part in (layout.query, layout.key, layout.value)]
        weights = [self.weight(f"{part}.weight").T for part in parts]
        width = weights[0].shape[1]
        biases = [
            self.weight(f"{part}.bias") if f"{part}.bias" in self.weights else np.zeros(width)
            for part in parts
        ]
        self.constant(f"{name}.qkv.weight", np.concatenate(weights, axis=1).astype(np.float32))
        self.constant(f"{name}.qkv.bias", np.concatenate(biases).astype(np.float32))
        packed = self.add("MatMul", [normed, f"{name}.qkv.weight"], f"{name}.qkv")
        names = [f"{name}.{part}" for part in "qkv"]
        self.split(packed, 3 * [width], names, f"{name}.split")
        given = [*names, f"{name}.qkv.bias"]
        heads = self._sizes.heads
        return self.add(
            "MultiHeadAttention", given, f"{name}.mixed", domain="com.microsoft", num_heads=heads
        )


def _resized(table: NDArray[np.float64], across: int) -> NDArray[np.float64]:
    """Positions [N, D] of a square of patches, interpolated to `across` x `across` of them as the
    library does it (bicubic).
    """
    side = round(len(table) ** 0.5)
    if side == across:
        return table
    import torch

    square = torch.from_numpy(table.astype(np.float32)).reshape(1, side, side, -1)
    made = torch.nn.functional.interpolate(
        square.permute(0, 3, 1, 2), size=(across, across), mode="bicubic", align_corners=False
    )
    flat = made.permute(0, 2, 3, 1).reshape(across * across, -1)
    return flat.numpy().astype(np.float64)
