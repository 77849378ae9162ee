"""Weights that ship unsigned, signed again where the processor multiplies those faster.

A bundle's integer products have unsigned weights around 128, which every processor adds exactly
(docs/decisions/0052-unsigned-weights.md). A processor with VNNI adds signed ones exactly too, and
ONNX Runtime's kernels for it take two thirds of the time with them. A weight w + 128 as uint8 and w
as int8 differ in one bit of each byte, and so do their zero points, 128 and 0: what is computed is
the same numbers. The file on the disk stays as it is.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from operator import itemgetter

import numpy as np

from cfedge.device.cpu import VNNI, X86
from cfedge.device.fingerprint import this_cpu

__all__ = ["with_signed_weights"]

#: Where an operator takes weights and their zero point.
_PLACES = {"MatMulIntegerToFloat": (1, 5), "MatMulInteger": (1, 3), "DequantizeLinear": (0, 2)}
#: The kind of a tensor's numbers, in onnx.proto.
_INT8 = memoryview(b"\x03")
_TOP_BIT, _MIDDLE = 0x80, 128


def with_signed_weights(model: bytes, what: str) -> bytes:
    """Return a graph that computes the same numbers, in the form that is fastest here.

    Parameters
    ----------
    model
        ONNX bytes of a bundle, which were checked.
    what
        Its name in errors.

    Raises
    ------
    IncompatibleError
        It is no graph as bundles have them.
    """
    return _turned(model, what) if _is_faster() else model


@cache
def _is_faster() -> bool:
    cpu = this_cpu()
    return cpu.machine in X86 and bool(set(VNNI) & set(cpu.flags))


def _turned(model: bytes, what: str) -> bytes:
    """The same graph with signed weights, wherever nothing but products takes them."""
    from cfedge.bundle.graph_reader import read_graph  # which other processors do without

    graph = read_graph(model, what)
    places: Counter[str] = Counter()
    pairs = []
    for node in graph.nodes:
        weight, zero = _PLACES.get(node.operator, (0, len(node.inputs)))
        if zero < len(node.inputs):
            pairs.append((node.inputs[weight], node.inputs[zero]))
            places.update(pairs[-1])
    uses = Counter(name for node in graph.nodes for name in node.inputs)
    uses.update(graph.outputs)
    data = np.frombuffer(model, np.uint8)

    def fits(name: str) -> bool:
        return name in graph.unsigned_bytes and uses[name] == places[name]

    def is_middle(name: str) -> bool:
        _, start, end = graph.unsigned_bytes[name]
        return bool((data[start:end] == _MIDDLE).all())

    good = {pair for pair in pairs if all(map(fits, pair)) and is_middle(pair[1])}
    while spoiled := {name for pair in set(pairs) - good for name in pair} & set().union(*good):
        good = {pair for pair in good if not spoiled & set(pair)}
    changed: list[tuple[int, int, memoryview]] = []
    for name in set().union(*good):
        kind, start, end = graph.unsigned_bytes[name]
        changed += [(kind, kind + 1, _INT8), (start, end, (data[start:end] ^ _TOP_BIT).data)]
    return _with(model, sorted(changed, key=itemgetter(0)))


def _with(model: bytes, changed: list[tuple[int, int, memoryview]]) -> bytes:
    """Bytes with others in some places, ascending; copied once."""
    whole, pieces, at = memoryview(model), [], 0
    for start, end, new in changed:
        pieces += [whole[at:start], new]
        at = end
    return b"".join([*pieces, whole[at:]])
