"""Weights rounded to int8, one scale a column: what ships, and what training runs in its place."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, numpy_helper

__all__ = ["ZERO", "quantize_columns", "rounded", "rounded_weights", "unchanged", "unsigned"]

#: What unsigned weights of 8 bits have in the place of 0.
ZERO = np.uint8(128)


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


def unsigned(quantized: NDArray[np.int8]) -> NDArray[np.uint8]:
    """Return the same numbers counted from `ZERO`: no kernel of an x86 processor overflows on
    products of unsigned with unsigned (docs/decisions/0052-unsigned-weights.md).
    """
    return (quantized.astype(np.int16) + ZERO).astype(np.uint8)


def unchanged(model: ModelProto, *, keep: Collection[str] = ()) -> ModelProto:
    """A copy."""
    copy = ModelProto()
    copy.CopyFrom(model)
    return copy


def rounded(
    weight: NDArray[np.float32], operator: str, *, largest: int = 127
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Quantise the weight of a MatMul by the output column, of a Conv by the output channel.

    Returns int8 and scales that broadcast to its shape.
    """
    if operator == "MatMul":
        return quantize_columns(weight, largest=largest)
    flat = weight.reshape(len(weight), -1)
    quantized, scale = quantize_columns(flat, axis=1, largest=largest)
    return quantized.reshape(weight.shape), scale.reshape(-1, *[1] * (weight.ndim - 1))


def rounded_weights(
    model: ModelProto, *, keep: Collection[str] = (), largest: int = 127
) -> ModelProto:
    """Return what training runs: weights replaced by their int8 value times its scale."""
    copy = unchanged(model)
    operators = {
        node.input[1]: node.op_type
        for node in copy.graph.node
        if node.op_type in ("MatMul", "Conv") and node.name not in keep
    }
    for tensor in copy.graph.initializer:
        if tensor.name in operators:
            exact, operator = numpy_helper.to_array(tensor), operators[tensor.name]
            quantized, scale = rounded(exact, operator, largest=largest)
            tensor.CopyFrom(numpy_helper.from_array(quantized * scale, tensor.name))
    return copy
