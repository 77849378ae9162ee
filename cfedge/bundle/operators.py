"""Which operators a bundle's graph may have, and where its sizes may come from. Pure.

The rule: what a graph takes, in time and memory, follows from the sizes of its inputs alone, and
never falls as these grow. So the longest input, which is answered before a bundle is trusted
(`cfedge.runtime.verification`), takes the most that any will. It holds because

- every operator of the list makes results whose sizes follow from those of its inputs, and grow
  with them, but for the places of `_SIZED`, which say a size by value, and `_check_cut`;
- what stands in such a place is a constant or a *size*: made of ``Shape`` by choosing and joining,
  with no constant below zero. There is no arithmetic on sizes, which could fall or overflow;
- nothing of the list is random, loops, or calls what is not here.

An adapter is a list of constants: it may only copy and dequantise them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from cfedge.bundle.graph_reader import Graph, Node, Values
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

#: From here on the end of a cut is the end of everything, as exporters say it.
_ALL = (1 << 31) - 1

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
    values = dict(graph.constants)
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
        if node.inputs and kinds[node.inputs[0]] == "data":
            _check_cut(node, {name: values.get(name) for name in node.inputs}, what)
        kind = _kind(node, kinds, values)
        for name in filter(None, node.outputs):
            if name in kinds:
                raise refused(what, f"{name[:60]!r} made twice")
            kinds[name] = kind
            if kind == "constant":
                values[name] = _values(node, values)


_SIZE_WORDS: dict[_Kind, str] = {
    "data": "size that follows from data",
    "size": "size that is no constant",
    "constant": "constant",
}


def _check_cut(node: Node, values: Mapping[str, Values], what: str) -> None:
    """Refuse to cut data into a part that is smaller of more: from a place counted from its end to
    one counted from its beginning, or by a number of parts.

    Raises
    ------
    IncompatibleError
    """
    if node.name == "Split" and "num_outputs" in node.attributes and len(node.outputs) > 2:
        raise refused(what, f"Split into {len(node.outputs)} parts without their sizes")
    if node.name != "Slice":
        return
    starts, ends = (
        (values[name] for name in node.inputs[1:3]) if len(node.inputs) > 2 else (None, None)
    )
    steps = values[node.inputs[4]] if len(node.inputs) > 4 else (1,) * len(starts or ends or ())
    if not _grows(starts, ends, steps):
        raise refused(what, "Slice to a part that may be smaller of more")


def _grows(starts: Values, ends: Values, steps: Values) -> bool:
    """Whether a cut of more is no smaller; what is not known is a size as an end, else anything."""
    if steps is None or (starts is None and ends is None):
        return False
    if ends is None:
        return min(starts or (-1,)) >= 0 < min(steps)
    if starts is None:  # as bad as can be
        starts = tuple(-1 if step > 0 else 0 for step in steps)
    return len(starts) == len(ends) == len(steps) and all(
        _span_grows(*one) for one in zip(starts, ends, steps, strict=True)
    )


def _span_grows(start: int, end: int, step: int) -> bool:
    if step > 0:
        return start >= 0 or end < 0 or end >= _ALL
    return end >= 0 or end <= -_ALL or start < 0


def _values(node: Node, values: Mapping[str, Values]) -> Values:
    """What is known of the numbers of an operator's result, which is a constant."""
    if node.name == "Constant":
        return node.values
    if node.name in ("Identity", "Squeeze", "Unsqueeze"):
        return values.get(node.inputs[0])
    return None


def _kind(node: Node, kinds: dict[str, _Kind], values: Mapping[str, Values]) -> _Kind:
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
        kinds[name] == "size" or min(values.get(name) or (-1,)) >= 0 for name in names
    ):
        return "size"
    if node.name in _CHOOSING and found[0] == "size" and set(found[1:]) <= {"constant"}:
        return "size"
    return "data"
