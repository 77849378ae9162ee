"""Which operators a bundle's graph may have, and where its sizes may come from. Pure.

The rule: what a graph takes, in time and memory, follows from the sizes of its inputs alone, and
never falls as these grow. So the longest input, which is answered before a bundle is trusted
(`cfedge.runtime.verification`), takes the most that any will. It holds because

- every operator of the list makes results whose sizes follow from those of its inputs, but for the
  places of `_SIZED`, which say a size by value;
- what stands in such a place is a constant or a *size*: made of ``Shape`` by choosing and joining,
  with no constant below zero. There is no arithmetic on sizes, which could fall or overflow;
- nothing of the list is random, loops, or calls what is not here.

An adapter is a list of constants: it may only copy and dequantise them.
"""

from __future__ import annotations

from typing import Literal

from cfedge.bundle.graph_reader import Graph, Node
from cfedge.bundle.onnx_fields import refused

__all__ = ["ADAPTER", "ENCODER", "check_operators"]

#: What an adapter's graph may do.
ADAPTER = frozenset({"DequantizeLinear", "Identity"})

#: Written by the exporter, or by it from encoders of the families that it knows; then what ONNX
#: Runtime's fusions make of these. Sizes of results follow from sizes of inputs.
_PLAIN = frozenset(
    {
        "Abs", "Add", "AveragePool", "BatchNormalization", "Cast", "Clip", "Concat", "Constant",
        "DequantizeLinear", "Div", "DynamicQuantizeLinear", "Elu", "Erf", "Exp", "Flatten",
        "Gather", "Gelu", "Gemm", "GlobalAveragePool", "GlobalMaxPool", "GreaterOrEqual",
        "GroupNormalization", "HardSigmoid", "HardSwish", "Identity", "InstanceNormalization",
        "LayerNormalization", "LeakyRelu", "Log", "LpNormalization", "MatMul", "MatMulInteger",
        "Max", "MaxPool", "Min", "Mul", "Neg", "Pow", "QLinearMatMul", "QuantizeLinear",
        "Reciprocal", "Relu", "Shape", "Sigmoid", "Softmax", "Softplus", "Sqrt", "Sub", "Tanh",
        "Transpose", "Where", "com.microsoft.BiasGelu", "com.microsoft.DynamicQuantizeMatMul",
        "com.microsoft.FastGelu", "com.microsoft.FusedMatMul", "com.microsoft.Gelu",
        "com.microsoft.MatMulIntegerToFloat", "com.microsoft.MatMulNBits",
        "com.microsoft.MultiHeadAttention", "com.microsoft.QuickGelu",
    }
)  # fmt: skip

_Kind = Literal["constant", "size", "data"]
_CONSTANT: tuple[_Kind, ...] = ("constant",)
_SIZE: tuple[_Kind, ...] = ("constant", "size")

#: Inputs that say a size, by their place, and what may stand there.
_SIZED: dict[str, dict[int, tuple[_Kind, ...]]] = {
    "ConstantOfShape": {0: _SIZE},
    "Conv": {1: _CONSTANT},
    "ConvInteger": {1: _CONSTANT},
    "Expand": {1: _SIZE},
    "Pad": {1: _CONSTANT, 3: _CONSTANT},
    "QLinearConv": {3: _CONSTANT},
    "ReduceMax": {1: _CONSTANT},
    "ReduceMean": {1: _CONSTANT},
    "ReduceMin": {1: _CONSTANT},
    "ReduceSum": {1: _CONSTANT},
    "Reshape": {1: _SIZE},
    "Slice": {1: _CONSTANT, 2: _SIZE, 3: _CONSTANT, 4: _CONSTANT},
    "Split": {1: _CONSTANT},
    "Squeeze": {1: _CONSTANT},
    "TopK": {1: _CONSTANT},
    "Unsqueeze": {1: _CONSTANT},
}

#: What an encoder's graphs may do.
ENCODER = _PLAIN | _SIZED.keys()

#: Operators that choose from the sizes in their first place, by constants.
_CHOOSING = frozenset({"Gather", "Identity", "Slice", "Squeeze", "Unsqueeze"})


def check_operators(graph: Graph, what: str, allowed: frozenset[str]) -> None:
    """Refuse a graph with an operator that is not `allowed`, or with a size that follows from data.

    Parameters
    ----------
    what
        Its name in errors.

    Raises
    ------
    IncompatibleError
        Naming the operator.
    """
    kinds: dict[str, _Kind] = dict.fromkeys(graph.constants, "constant")
    not_negative = {name for name, known in graph.constants.items() if known}
    kinds |= dict.fromkeys(graph.inputs, "data")  # a constant with an input's name can be fed
    for node in graph.nodes:
        if node.name not in allowed:
            raise refused(what, f"the operator {node.name[:60]!r}")
        for name in node.inputs:
            if name and name not in kinds:
                raise refused(what, f"{node.name} of {name[:60]!r}, which nothing before it makes")
        for place, fit in _SIZED.get(node.name, {}).items():
            name = node.inputs[place] if place < len(node.inputs) else ""
            if name and kinds[name] not in fit:
                raise refused(
                    what, f"{node.name} with a {_SIZE_WORDS[kinds[name]]} in place {place}"
                )
        kind = _kind(node, kinds, not_negative)
        for name in filter(None, node.outputs):
            if name in kinds:
                raise refused(what, f"{name[:60]!r} made twice")
            kinds[name] = kind
            if kind == "constant" and node.at_least_zero:
                not_negative.add(name)


_SIZE_WORDS: dict[_Kind, str] = {
    "data": "size that follows from data",
    "size": "size that is no constant",
    "constant": "constant",
}


def _kind(node: Node, kinds: dict[str, _Kind], not_negative: set[str]) -> _Kind:
    """What an operator's results are."""
    if node.name == "Shape":
        return "size"
    names = [name for name in node.inputs if name]
    found = [kinds[name] for name in names]
    if "data" in found:
        return "data"
    if "size" not in found:
        return "constant"
    if node.name == "Concat" and all(
        kinds[name] == "size" or name in not_negative for name in names
    ):
        return "size"
    if node.name in _CHOOSING and found[0] == "size" and set(found[1:]) <= {"constant"}:
        return "size"
    return "data"
