"""Convolutions in int8 with fixed ranges: QuantizeLinear and DequantizeLinear around each, which
ONNX Runtime makes one integer operator of.

Activations are uint8 with one scale and zero point a tensor, from the ranges in the graph's metadata
(`cfedge_export.calibration`); weights uint8 around 128 with one scale an output channel; biases
int32. What a
picture gives depends on that picture alone. A ReLU6 behind a convolution costs nothing where the
range ends at 6.

A graph with low-rank slots is left in float32 with weights rounded to int8 (`weights_only`): what an
adapter adds may leave the ranges, and a convolution whose sum with a float branch is taken before
its activation cannot be one integer operator (docs/decisions/0033-pictures-in-int8.md).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, helper, numpy_helper

from cfedge.errors import UsageError
from cfedge_export.calibration import RANGES, ranges_of
from cfedge_export.quantize import weights_only
from cfedge_export.rounding import ZERO, rounded, unchanged, unsigned

__all__ = ["static"]


def static(model: ModelProto, *, keep: Collection[str] = ()) -> ModelProto:
    """Quantise by the ranges in the graph's metadata; a graph with slots, its weights alone.

    Raises
    ------
    UsageError
        There are no ranges.
    """
    ranges = ranges_of(model)
    if any(value.name.startswith("a.") for value in model.graph.input):
        return weights_only(model, keep=keep)
    if not ranges:
        raise UsageError(
            "scheme int8-static: expected ranges of the activations of these weights, found none;"
            " measure them (benchmarks/calibrate.py), or take --scheme int8-weight-only"
        )
    return _Static(model, frozenset(keep), ranges).run()


class _Static:
    def __init__(
        self, model: ModelProto, keep: frozenset[str], ranges: Mapping[str, tuple[float, float]]
    ) -> None:
        self.model, self.keep, self.ranges = model, keep, ranges
        self.arrays = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
        self.nodes: list[NodeProto] = []
        self.added: dict[str, NDArray[np.generic]] = {}
        self.replaced: set[str] = set()
        self.readers: dict[str, list[NodeProto]] = {}
        for node in model.graph.node:
            for name in node.input:
                self.readers.setdefault(name, []).append(node)

    def run(self) -> ModelProto:
        """The quantised graph."""
        made = unchanged(self.model)
        for node in unchanged(self.model).graph.node:
            if node.op_type == "Conv" and node.name not in self.keep:
                self._convolution(node)
            else:
                self.nodes.append(node)
            for name in list(node.output):
                if name in self.ranges and not self._is_clipped(name):
                    self._rounded(name)
        kept = [tensor for tensor in made.graph.initializer if tensor.name not in self.replaced]
        del made.graph.node[:], made.graph.initializer[:], made.metadata_props[:]
        made.metadata_props.extend(e for e in self.model.metadata_props if e.key != RANGES)
        made.graph.node.extend(self.nodes)
        made.graph.initializer.extend(kept)
        made.graph.initializer.extend(
            numpy_helper.from_array(array, name) for name, array in self.added.items()
        )
        onnx.checker.check_model(made)
        return made

    def _is_clipped(self, name: str) -> bool:
        """Whether an activation alone reads a tensor: then that is rounded, behind it."""
        readers = self.readers.get(name, [])
        return bool(readers) and all(node.op_type == "Clip" for node in readers)

    def _steps(self, name: str) -> tuple[np.float32, np.uint8]:
        """Scale and zero point of a tensor; 0 is a number of its own."""
        low, high = min(self.ranges[name][0], 0.0), max(self.ranges[name][1], 0.0)
        scale = max((high - low) / 255, float(np.finfo(np.float32).tiny))
        return np.float32(scale), np.uint8(np.clip(np.rint(-low / scale), 0, 255))

    def _rounded(self, name: str) -> None:
        """Let a tensor's readers see it rounded."""
        exact, scale, zero = f"{name}.exact", f"{name}.step", f"{name}.zero"
        producer = next(node for node in reversed(self.nodes) if name in node.output)
        producer.output[:] = [exact if output == name else output for output in producer.output]
        self.added[scale], self.added[zero] = (np.asarray(value) for value in self._steps(name))
        self.nodes += [
            helper.make_node(
                "QuantizeLinear", [exact, scale, zero], [f"{name}.rounded"], f"{name}.rounded"
            ),
            helper.make_node(
                "DequantizeLinear", [f"{name}.rounded", scale, zero], [name], f"{name}.back"
            ),
        ]

    def _convolution(self, node: NodeProto) -> None:
        """The same with uint8 weights and an int32 bias."""
        source, weight, bias = node.input
        quantized, scales = rounded(self.arrays[weight], "Conv")
        scale = scales.reshape(-1)
        step = self._steps(source)[0] if source in self.ranges else self._given(source)
        of_bias = (scale.astype(np.float64) * step).astype(np.float32)
        in_steps = np.rint(self.arrays[bias] / of_bias.astype(np.float64))
        limits = np.iinfo(np.int32)
        self.added |= {
            f"{weight}.q": unsigned(quantized),
            f"{weight}.scale": scale,
            f"{weight}.zero": np.full(len(scale), ZERO),
            f"{bias}.q": np.clip(in_steps, limits.min, limits.max).astype(np.int32),
            f"{bias}.scale": of_bias,
        }
        self.replaced |= {weight, bias}
        for name, zero in ((weight, [f"{weight}.zero"]), (bias, [])):
            self.nodes.append(
                helper.make_node(
                    "DequantizeLinear", [f"{name}.q", f"{name}.scale", *zero], [f"{name}.float"],
                    f"{name}.float", axis=0,
                )
            )  # fmt: skip
        copy = NodeProto()
        copy.CopyFrom(node)
        copy.input[:] = [source, f"{weight}.float", f"{bias}.float"]
        self.nodes.append(copy)

    def _given(self, name: str) -> np.float32:
        """The step of what the graph is given as uint8."""
        producer = next(node for node in self.model.graph.node if name in node.output)
        return np.float32(self.arrays[producer.input[1]])
