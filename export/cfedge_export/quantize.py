"""Quantisation schemes for encoder graphs. Each turns a float32 graph into one with the same inputs.

``int8-row``: activations get one symmetric scale per token (row), weights int8 with one scale per output column,
embeddings int8 with one scale per row. A token's result therefore depends on that token alone: neither on the batch nor
on padding. The input of a block's second MLP product is GELU's output, bounded below by -0.17: it is shifted to be
non-negative and uses all 8 bits, the constant shift going into a bias. Low-rank branches read the float input and stay
float.

A row of zeros has scale 0: its quotient is undefined but it is multiplied by that scale again, so it gives exactly 0.

Letters: K inner, N output columns.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, helper, numpy_helper

__all__ = ["GELU_SHIFT", "SCHEMES", "quantize_columns"]

#: -min GELU(x) = 0.16997..., rounded up.
GELU_SHIFT = np.float32(0.17)

#: Below it a scale would be subnormal, and a quotient could overflow.
_LEAST = np.float32(127) * np.finfo(np.float32).tiny


def quantize_columns(weight: NDArray[np.float32], axis: int = 0) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Quantise symmetrically to [-127, 127] with one scale per slice, the maximum being taken over `axis`.

    Returns the int8 array and float32 scales (``axis`` removed). |weight - q * scale| <= scale / 2. A slice of zeros
    (or of numbers too small to divide by) gets scale 1.
    """
    limit = np.abs(weight).max(axis=axis)
    scale: NDArray[np.float32] = (np.where(limit > _LEAST, limit, 127.0) / 127.0).astype(np.float32)
    quantized = np.clip(np.rint(weight / np.expand_dims(scale, axis)), -127, 127).astype(np.int8)
    return quantized, scale


def int8_row(model: ModelProto) -> tuple[ModelProto, ModelProto]:
    """Scheme ``int8-row``; as trained: weights replaced by their int8 value times its scale, activations float."""
    as_trained = _copy(model)
    weights = {node.input[1] for node in model.graph.node if node.op_type == "MatMul"}
    for tensor in as_trained.graph.initializer:
        if tensor.name in weights:
            quantized, scale = quantize_columns(numpy_helper.to_array(tensor))
            tensor.CopyFrom(numpy_helper.from_array(quantized * scale, tensor.name))
    return _Rewriter(model).run(), as_trained


def float32(model: ModelProto) -> tuple[ModelProto, ModelProto]:
    """Scheme ``float32``: nothing changes."""
    return _copy(model), _copy(model)


#: Each maps a float32 graph to the graph that ships and to the float32 graph that training runs.
SCHEMES: dict[str, Callable[[ModelProto], tuple[ModelProto, ModelProto]]] = {"float32": float32, "int8-row": int8_row}


def _copy(model: ModelProto) -> ModelProto:
    copy = ModelProto()
    copy.CopyFrom(model)
    return copy


class _Rewriter:
    """One pass over the nodes; keeps the rows already quantised so that a shared input is quantised once."""

    def __init__(self, model: ModelProto) -> None:
        self.model = _copy(model)
        self.arrays = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
        self.producers = {name: node.op_type for node in model.graph.node for name in node.output}
        self.nodes: list[NodeProto] = []
        self.added: dict[str, NDArray[np.generic]] = {}
        self.rows: dict[str, tuple[str, str, str]] = {}
        self.replaced: set[str] = set()

    def run(self) -> ModelProto:
        for node in self.model.graph.node:
            if node.op_type == "MatMul" and node.input[1] in self.arrays:
                self.product(node)
            elif node.op_type == "Gather" and node.input[1] == "input_ids":
                self.embedding(node)
            else:
                self.nodes.append(node)
        graph = self.model.graph
        kept = [tensor for tensor in graph.initializer if tensor.name not in self.replaced]
        nodes = list(self.nodes)
        del graph.node[:], graph.initializer[:]
        graph.node.extend(nodes)
        graph.initializer.extend(kept)
        graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in self.added.items())
        onnx.checker.check_model(self.model)
        return self.model

    def emit(self, op: str, inputs: list[str], output: str, *, domain: str | None = None, **attributes: int) -> str:
        self.nodes.append(helper.make_node(op, inputs, [output], f"{output}.{op}", None, domain, None, **attributes))
        return output

    def constant(self, name: str, array: NDArray[np.generic]) -> str:
        self.added[name] = array
        return name

    def quantize_rows(self, x: str) -> tuple[str, str, str]:
        """uint8 rows, their scales [.., 1] and the zero point's name."""
        if x not in self.rows:
            shifted = self.producers.get(x) == "Gelu"
            if shifted:
                positive = self.emit("Add", [x, self.constant("q.gelu_shift", np.array(GELU_SHIFT))], f"{x}.shifted")
                top, zero = positive, self.constant("q.zero0", np.array(0, np.uint8))
                step = self.constant("q.1/255", np.array(1 / 255, np.float32))
            else:
                positive, top = x, self.emit("Abs", [x], f"{x}.abs")
                zero = self.constant("q.zero128", np.array(128, np.uint8))
                step = self.constant("q.1/127", np.array(1 / 127, np.float32))
            axis = self.constant("q.last_axis", np.array([-1], np.int64))
            limit = self.emit("ReduceMax", [top, axis], f"{x}.limit", keepdims=1)
            scale = self.emit("Mul", [limit, step], f"{x}.scale")
            ratio = self.emit("Div", [positive, scale], f"{x}.ratio")
            one = self.constant("q.one", np.array(1, np.float32))
            self.rows[x] = (self.emit("QuantizeLinear", [ratio, one, zero], f"{x}.q"), scale, zero)
        return self.rows[x]

    def product(self, node: NodeProto) -> None:
        name, out = node.input[1], node.output[0]
        weight, scale = quantize_columns(self.arrays[name])
        self.replaced.add(name)
        rows, row_scale, zero = self.quantize_rows(node.input[0])
        self.constant(f"{name}.q", weight)
        self.constant(f"{name}.scale", scale)
        one = self.constant("q.one", np.array(1, np.float32))
        columns = self.emit(
            "MatMulIntegerToFloat", [rows, f"{name}.q", one, f"{name}.scale", zero], f"{out}.columns", domain="com.microsoft"
        )
        if zero == "q.zero0":
            scaled = self.emit("Mul", [columns, row_scale], f"{out}.scaled")
            shift = -GELU_SHIFT * (weight.astype(np.float64) * scale).sum(axis=0)
            self.emit("Add", [scaled, self.constant(f"{name}.shift", shift.astype(np.float32))], out)
        else:
            self.emit("Mul", [columns, row_scale], out)

    def embedding(self, node: NodeProto) -> None:
        name, ids, out = node.input[0], node.input[1], node.output[0]
        table, scale = quantize_columns(self.arrays[name], axis=1)
        self.replaced.add(name)
        self.constant(f"{name}.q", table)
        self.constant(f"{name}.scale", scale[:, None])
        rows = self.emit("Gather", [f"{name}.q", ids], f"{out}.int")
        as_float = self.emit("Cast", [rows], f"{out}.float", to=1)
        scales = self.emit("Gather", [f"{name}.scale", ids], f"{out}.scale")
        self.emit("Mul", [as_float, scales], out)
