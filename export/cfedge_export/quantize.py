"""Float32 encoder graph -> quantised graph with the same inputs and outputs. Which of them are
schemes, and what each is fit for, is `cfedge_export.schemes`.

- `rows`: activations get one symmetric scale per position (row), weights of 8 bits one scale per
  output column. A position's
  result therefore depends on that position alone: neither on the batch nor on padding. The input of a
  block's second MLP product is GELU's output, bounded below by -0.17: it is shifted to be
  non-negative and uses all 8 bits, the constant shift going into a bias.
- `dynamic`: ONNX Runtime's own, one scale and zero point for all activations of a run; weights as
  above. Its products are made by
  a preset of optimum's (`cfedge_export.ort_preset`).
- `weights_only`: weights as above, turned into float32 again when a session is opened; activations
  stay float32.

What `keep` names, by its node, stays float32 (`cfedge_export.sensitivity` says which is worth it).

In all of them embeddings are int8 with one scale per row, low-rank branches read the float input
and stay float, and activations are unsigned. Weights of `rows` are unsigned too, around 128: ONNX
Runtime has fast kernels for that pairing on every processor, and all of them are exact
(docs/decisions/0052-unsigned-weights.md); of up to 7 bits they are signed.

A row of zeros has limit 0: its quotient is undefined but it is multiplied by that limit again, so
it gives exactly 0.

Letters: K inner, N output columns.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, helper, numpy_helper

from cfedge_export import ort_preset
from cfedge_export.rounding import ZERO, quantize_columns, rounded, unchanged, unsigned

__all__ = [
    "GELU_SHIFT",
    "dynamic",
    "rows",
    "weights_only",
]

#: -min GELU(x) = 0.16997..., rounded up.
GELU_SHIFT = np.float32(0.17)
#: Signed weights up to this, times unsigned activations, fit into 16 bits two at a time.
_NEVER_OVERFLOWS = 63


def rows(model: ModelProto, *, keep: Collection[str] = (), largest: int = 127) -> ModelProto:
    """Quantise activations by the row and weights to [-largest, largest] by the column."""
    return _Rows(model, keep, largest).run()


def dynamic(model: ModelProto, *, keep: Collection[str] = ()) -> ModelProto:
    """Quantise activations by the run, as ONNX Runtime's ``quantize_dynamic`` does, and weights by
    the column.
    """
    rewriter = _Embeddings(model, keep)
    return ort_preset.quantize_products(rewriter.run(), rewriter.products)


def weights_only(model: ModelProto, *, keep: Collection[str] = ()) -> ModelProto:
    """Quantise weights by the column, for the file alone: what is computed is float32."""
    return _WeightsOnly(model, keep).run()


class _Rewriter:
    """One pass over the nodes: embeddings become int8 rows, products with a constant what `product`
    makes of them.
    """

    operators: tuple[str, ...] = ("MatMul",)

    def __init__(self, model: ModelProto, keep: Collection[str] = (), largest: int = 127) -> None:
        self.model = unchanged(model)
        self.keep = frozenset(keep)
        self.largest = largest
        self.arrays = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
        self.nodes: list[NodeProto] = []
        self.added: dict[str, NDArray[np.generic]] = {}
        self.replaced: set[str] = set()

    def run(self) -> ModelProto:
        for node in self.model.graph.node:
            if node.name in self.keep:
                self.nodes.append(node)
            elif node.op_type in self.operators and node.input[1] in self.arrays:
                self.product(node)
            elif node.op_type == "Gather" and self.is_table(node):
                self.embedding(node)
            else:
                self.nodes.append(node)
        graph = self.model.graph
        kept = [tensor for tensor in graph.initializer if tensor.name not in self.replaced]
        nodes = list(self.nodes)
        del graph.node[:], graph.initializer[:]
        graph.node.extend(nodes)
        graph.initializer.extend(kept)
        graph.initializer.extend(
            numpy_helper.from_array(array, name) for name, array in self.added.items()
        )
        onnx.checker.check_model(self.model)
        return self.model

    def is_table(self, node: NodeProto) -> bool:
        """Whether a node looks up rows by numbers that the graph is given, such as ids."""
        given = [value.name for value in self.model.graph.input]
        return node.input[0] in self.arrays and node.input[1] in given

    def emit(
        self,
        op: str,
        inputs: list[str],
        output: str,
        *,
        domain: str | None = None,
        **attributes: int,
    ) -> str:
        self.nodes.append(
            helper.make_node(
                op, inputs, [output], f"{output}.{op}", None, domain, None, **attributes
            )
        )
        return output

    def constant(self, name: str, array: NDArray[np.generic]) -> str:
        self.added[name] = array
        return name

    def product(self, node: NodeProto) -> None:
        """Emit nodes that write the product's output."""
        raise NotImplementedError

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


class _Rows(_Rewriter):
    """Keeps the rows already quantised so that a shared input is quantised once."""

    def __init__(self, model: ModelProto, keep: Collection[str], largest: int) -> None:
        super().__init__(model, keep, largest)
        self.producers = {name: node.op_type for node in model.graph.node for name in node.output}
        self.rows: dict[str, tuple[str, str, str, str]] = {}

    def quantize_rows(self, x: str) -> tuple[str, str, str, str]:
        """uint8 rows, their limits [.., 1], and the names of step and zero point: a number is limit
        * step * (its uint8 - zero point).
        """
        if x not in self.rows:
            shifted = self.producers.get(x) == "Gelu"
            if shifted:
                positive = self.emit(
                    "Add", [x, self.constant("q.gelu_shift", np.array(GELU_SHIFT))], f"{x}.shifted"
                )
                top, zero = positive, self.constant("q.zero0", np.array(0, np.uint8))
                step = self.constant("q.1/255", np.array(1 / 255, np.float32))
            else:
                positive, top = x, self.emit("Abs", [x], f"{x}.abs")
                zero = self.constant("q.zero128", np.array(128, np.uint8))
                step = self.constant("q.1/127", np.array(1 / 127, np.float32))
            axis = self.constant("q.last_axis", np.array([-1], np.int64))
            limit = self.emit("ReduceMax", [top, axis], f"{x}.limit", keepdims=1)
            ratio = self.emit("Div", [positive, limit], f"{x}.ratio")
            self.rows[x] = (
                self.emit("QuantizeLinear", [ratio, step, zero], f"{x}.q"),
                limit,
                step,
                zero,
            )
        return self.rows[x]

    def product(self, node: NodeProto) -> None:
        name, out = node.input[1], node.output[0]
        rows, limit, step, zero = self.quantize_rows(node.input[0])
        weight, scale = quantize_columns(self.arrays[name], largest=self.largest)
        signed = self.largest <= _NEVER_OVERFLOWS
        stored = self.constant(f"{name}.q", weight if signed else unsigned(weight))
        scales = self.constant(f"{name}.scale", scale)
        zeros = [zero] if signed else [zero, self.constant("q.weight_zero", np.array(ZERO))]
        self.replaced.add(name)
        columns = self.emit(
            "MatMulIntegerToFloat",
            [rows, stored, step, scales, *zeros],
            f"{out}.columns",
            domain="com.microsoft",
        )
        if zero == "q.zero0":
            scaled = self.emit("Mul", [columns, limit], f"{out}.scaled")
            shift = -GELU_SHIFT * (weight.astype(np.float64) * scale).sum(axis=0)
            self.emit(
                "Add", [scaled, self.constant(f"{name}.shift", shift.astype(np.float32))], out
            )
        else:
            self.emit("Mul", [columns, limit], out)


class _Embeddings(_Rewriter):
    """Leaves products as they are and notes their nodes."""

    def __init__(self, model: ModelProto, keep: Collection[str]) -> None:
        super().__init__(model, keep)
        self.products: list[str] = []

    def product(self, node: NodeProto) -> None:
        self.nodes.append(node)
        self.products.append(node.name)


class _WeightsOnly(_Rewriter):
    operators = ("MatMul", "Conv")

    def product(self, node: NodeProto) -> None:
        """Cast and Mul, which a session folds into the float weight.

        Not DequantizeLinear: up to ONNX Runtime 1.22 that is the float product too, 1.26 makes
        MatMulNBits of it, which quantises activations (github.com/microsoft/onnxruntime/pull/27769;
        docs/decisions/0015-schemes.md).
        """
        name = node.input[1]
        quantized, scale = rounded(self.arrays[name], node.op_type, largest=self.largest)
        self.replaced.add(name)
        self.constant(f"{name}.q", quantized)
        self.constant(f"{name}.scale", scale)
        as_float = self.emit("Cast", [f"{name}.q"], f"{name}.cast", to=1)
        self.emit("Mul", [as_float, f"{name}.scale"], f"{name}.float")
        copy = NodeProto()
        copy.CopyFrom(node)
        copy.input[1] = f"{name}.float"
        self.nodes.append(copy)
