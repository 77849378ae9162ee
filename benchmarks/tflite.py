"""The int8 network of pictures for LiteRT: the same weights, ranges and operators, written as its
file.

The graph of scheme ``int8-static`` states every scale; LiteRT's int8 operators take the same ones,
with bytes that are 128 less. So nothing is quantised anew, and both compute the same network.
Layouts change: pictures and maps are [N, H, W, C], weights [out, height, width, in].

Letters: N pictures, C channels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, helper, numpy_helper

__all__ = ["converted"]

#: ONNX Runtime's bytes are unsigned here, LiteRT's are signed.
_SHIFT = 128


def converted(model: bytes) -> bytes:
    """Return a LiteRT file of an ``int8-static`` graph of one picture: int8 [1, H, W, 3], each byte
    of the pixels less 128, -> ``features`` float32 [1, D].

    Raises
    ------
    ValueError
        The graph has an operator that is not known here.
    """
    return _Writer(onnx.load_from_string(model)).file()


class _Writer:
    def __init__(self, model: onnx.ModelProto) -> None:
        from ai_edge_litert import schema_py_generated as schema

        self.schema: Any = schema
        self.graph = model.graph
        self.arrays = {t.name: numpy_helper.to_array(t) for t in self.graph.initializer}
        self.producers = {name: node for node in self.graph.node for name in node.output}
        self.model = schema.ModelT()
        self.model.version, self.model.description = 3, "int8"
        self.model.buffers, self.model.operatorCodes = [schema.BufferT()], []
        self.part = schema.SubGraphT()
        self.part.tensors, self.part.operators = [], []
        self.places: dict[str, int] = {}
        self.shapes: dict[str, list[int]] = {}
        self.codes: dict[int, int] = {}

    def file(self) -> bytes:
        """Write every operator in order, and pack."""
        import flatbuffers

        given = self.graph.input[0]
        _, colours, height, width = (d.dim_value for d in given.type.tensor_type.shape.dim)
        for node in self.graph.node:
            self._write(node, [1, height, width, colours])
        self.part.inputs = [self.places[given.name]]
        self.part.outputs = [self.places[self.graph.output[0].name]]
        self.model.subgraphs = [self.part]
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def _write(self, node: NodeProto, pixels: list[int]) -> None:
        kind, out = node.op_type, node.output[0]
        if kind == "DequantizeLinear":
            if node.input[0] == self.graph.input[0].name:
                self._quantised(node.input[0], pixels, *node.input[1:])
            return  # the rest are views of what is int8 already
        if kind == "QuantizeLinear" or (kind == "Clip" and self._source(node) == "Conv"):
            return  # part of the operator before it
        write = getattr(self, f"_{kind.lower()}", None)
        if write is None:
            raise ValueError(f"{out}: expected an operator that is known, found {kind}")
        write(node, out)

    def _source(self, node: NodeProto) -> str:
        return str(self.producers[node.input[0]].op_type)

    def _conv(self, node: NodeProto, out: str) -> None:
        schema, values = (
            self.schema,
            {a.name: helper.get_attribute_value(a) for a in node.attribute},
        )
        weight, bias = (self.producers[name].input for name in node.input[1:])
        table, groups = self.arrays[weight[0]], int(values["group"])
        depthwise = groups > 1
        if table.dtype == np.uint8:  # around 128 in what ships, around 0 in LiteRT
            table = (table ^ 0x80).view(np.int8)
        table = table.transpose((1, 2, 3, 0) if depthwise else (0, 2, 3, 1))
        options = schema.DepthwiseConv2DOptionsT() if depthwise else schema.Conv2DOptionsT()
        options.strideH, options.strideW = values["strides"]
        options.padding = schema.Padding.SAME
        if depthwise:
            options.depthMultiplier = 1
        rounded, clipped = self._rounded(out)
        functions = schema.ActivationFunctionType
        options.fusedActivationFunction = functions.RELU6 if clipped else functions.NONE
        source = self._int8(node.input[0])
        _, height, width, _ = self.shapes[source]
        sizes = [
            -(-side // step) for side, step in zip((height, width), values["strides"], strict=True)
        ]
        self._quantised(
            rounded.output[0], [1, *sizes, len(self.arrays[bias[0]])], *rounded.input[1:]
        )
        scales = (self.arrays[weight[1]], self.arrays[bias[1]])
        places = [
            self.places[source],
            self._constant(weight[0], table, scales[0], 3 if depthwise else 0),
            self._constant(bias[0], self.arrays[bias[0]], scales[1], 0),
        ]
        name = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
        kind = "DepthwiseConv2DOptions" if depthwise else "Conv2DOptions"
        self._operator(name, 3, places, rounded.output[0], kind, options)

    def _add(self, node: NodeProto, out: str) -> None:
        rounded, _ = self._rounded(out)
        sources = [self._int8(name) for name in node.input]
        self._quantised(rounded.output[0], self.shapes[sources[0]], *rounded.input[1:])
        places = [self.places[name] for name in sources]
        options = self.schema.AddOptionsT()
        self._operator("ADD", 2, places, rounded.output[0], "AddOptions", options)

    def _globalaveragepool(self, node: NodeProto, out: str) -> None:
        self._pooled(node, out, "MEAN")

    def _globalmaxpool(self, node: NodeProto, out: str) -> None:
        self._pooled(node, out, "REDUCE_MAX")

    def _pooled(self, node: NodeProto, out: str, name: str) -> None:
        """Over the places, in int8 as the map, then as float32."""
        source = self._int8(node.input[0])
        shape = [1, self.shapes[source][3]]
        back = self.producers[node.input[0]]
        self._quantised(f"{out}.int8", shape, *back.input[1:])
        if "axes" not in self.places:
            self._constant("axes", np.array([1, 2], np.int32))
        places = [self.places[source], self.places["axes"]]
        options = self.schema.ReducerOptionsT()
        self._operator(name, 2, places, f"{out}.int8", "ReducerOptions", options)
        self._float(out, shape)
        options = self.schema.DequantizeOptionsT()
        self._operator(
            "DEQUANTIZE", 2, [self.places[f"{out}.int8"]], out, "DequantizeOptions", options
        )

    def _flatten(self, node: NodeProto, out: str) -> None:
        self.places[out], self.shapes[out] = self.places[node.input[0]], self.shapes[node.input[0]]

    def _lpnormalization(self, node: NodeProto, out: str) -> None:
        self._float(out, self.shapes[node.input[0]])
        options = self.schema.L2NormOptionsT()
        places = [self.places[node.input[0]]]
        self._operator("L2_NORMALIZATION", 1, places, out, "L2NormOptions", options)

    def _concat(self, node: NodeProto, out: str) -> None:
        self._float(out, [1, sum(self.shapes[name][1] for name in node.input)])
        options = self.schema.ConcatenationOptionsT()
        options.axis = 1
        places = [self.places[name] for name in node.input]
        self._operator("CONCATENATION", 1, places, out, "ConcatenationOptions", options)

    def _mul(self, node: NodeProto, out: str) -> None:
        self._float(out, self.shapes[node.input[0]])
        places = [
            self.places[node.input[0]],
            self._constant(node.input[1], self.arrays[node.input[1]]),
        ]
        self._operator("MUL", 1, places, out, "MulOptions", self.schema.MulOptionsT())

    def _rounded(self, out: str) -> tuple[NodeProto, bool]:
        """The node that rounds an operator's result, and whether that is clipped before."""
        reader = next(node for node in self.graph.node if out in node.input)
        if reader.op_type != "Clip":
            return reader, False
        return next(node for node in self.graph.node if reader.output[0] in node.input), True

    def _int8(self, name: str) -> str:
        """The int8 tensor that a dequantised one is a view of."""
        return str(self.producers[name].input[0])

    def _operator(
        self, name: str, version: int, places: list[int], out: str, kind: str, options: Any
    ) -> None:
        schema = self.schema
        builtin = getattr(schema.BuiltinOperator, name)
        if builtin not in self.codes:
            code = schema.OperatorCodeT()
            code.builtinCode = code.deprecatedBuiltinCode = builtin
            code.version = version
            self.codes[builtin] = len(self.model.operatorCodes)
            self.model.operatorCodes.append(code)
        operator = schema.OperatorT()
        operator.opcodeIndex = self.codes[builtin]
        operator.inputs, operator.outputs = places, [self.places[out]]
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
        operator.builtinOptions = options
        self.part.operators.append(operator)

    def _quantised(self, name: str, shape: list[int], scale: str, zero: str) -> None:
        """An int8 tensor with the scale and zero point of an unsigned one."""
        step, at = self.arrays[scale].reshape(1), int(self.arrays[zero]) - _SHIFT
        self._tensor(name, shape, np.int8, step, np.array([at], np.int64))

    def _float(self, name: str, shape: list[int]) -> None:
        self._tensor(name, shape, np.float32)

    def _constant(
        self,
        name: str,
        array: NDArray[Any],
        scale: NDArray[np.float32] | None = None,
        axis: int = 0,
    ) -> int:
        buffer = self.schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(array).tobytes(), np.uint8)
        zeros = None if scale is None else np.zeros(len(scale), np.int64)
        self._tensor(name, list(array.shape), array.dtype.type, scale, zeros, axis)
        self.part.tensors[-1].buffer = len(self.model.buffers)
        self.model.buffers.append(buffer)
        return self.places[name]

    def _tensor(
        self,
        name: str,
        shape: list[int],
        element: type[np.generic],
        scale: NDArray[np.float32] | None = None,
        zero: NDArray[np.int64] | None = None,
        axis: int = 0,
    ) -> None:
        schema = self.schema
        types = {np.int8: "INT8", np.int32: "INT32", np.float32: "FLOAT32"}
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.buffer = name, shape, 0
        tensor.type = getattr(schema.TensorType, types[element])
        if scale is not None and zero is not None:
            quantization = schema.QuantizationParametersT()
            quantization.scale = scale.astype(np.float32)
            quantization.zeroPoint = zero
            quantization.quantizedDimension = axis
            tensor.quantization = quantization
        self.places[name], self.shapes[name] = len(self.part.tensors), shape
        self.part.tensors.append(tensor)
