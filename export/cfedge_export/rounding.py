"""Weights rounded to int8, one scale a column: what ships, and what training runs in its place."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, numpy_helper

__all__ = ["quantize_columns", "rounded_weights", "unchanged"]


def quantize_columns(
    weight: NDArray[np.float32], axis: int = 0, *, largest: int = 127
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Quantise symmetrically to [-largest, largest] with one scale per slice, the maximum being
    taken over `axis`.

    Returns the int8 array and float32 scales (``axis`` removed). |weight - q * scale| <= scale / 2.
    A slice of zeros (or of numbers too small to divide by) gets scale 1.
    """
    limit = np.abs(weight).max(axis=axis)
    least = (
        np.float32(largest) * np.finfo(np.float32).tiny
    )  # below it the scale would be subnormal, a quotient could overflow
    scale: NDArray[np.float32] = (np.where(limit > least, limit, float(largest)) / largest).astype(
        np.float32
    )
    quantized = np.clip(np.rint(weight / np.expand_dims(scale, axis)), -largest, largest).astype(
        np.int8
    )
    return quantized, scale


def unchanged(model: ModelProto, *, keep: Collection[str] = ()) -> ModelProto:
    """A copy."""
    copy = ModelProto()
    copy.CopyFrom(model)
    return copy


def rounded_weights(
    model: ModelProto, *, keep: Collection[str] = (), largest: int = 127
) -> ModelProto:
    """Return what training runs: weights replaced by their int8 value times its scale."""
    copy = unchanged(model)
    weights = {
        node.input[1]
        for node in copy.graph.node
        if node.op_type == "MatMul" and node.name not in keep
    }
    for tensor in copy.graph.initializer:
        if tensor.name in weights:
            quantized, scale = quantize_columns(numpy_helper.to_array(tensor), largest=largest)
            tensor.CopyFrom(numpy_helper.from_array(quantized * scale, tensor.name))
    return copy
