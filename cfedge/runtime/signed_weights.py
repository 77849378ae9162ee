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
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

from cfedge.device.cpu import VNNI, X86
from cfedge.device.fingerprint import this_cpu

if TYPE_CHECKING:
    from cfedge.bundle.graph_reader import Stored

__all__ = ["with_signed_weights"]

#: Where an operator takes weights and their zero point.
_PLACES = {"MatMulIntegerToFloat": (1, 5), "MatMulInteger": (1, 3), "DequantizeLinear": (0, 2)}
#: The kind of a tensor's numbers, in onnx.proto.
_INT8 = b"\x03"
_TOP_BIT, _MIDDLE = 0x80, 128


def with_signed_weights(model: BytesIO, what: str) -> bytes:
    """Return a graph that computes the same numbers, in the form that is fastest here.

    A graph is most of what opening a bundle has in memory, so its bytes are changed where they are.
    Only if somebody else holds them too are they copied first.

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
    if _is_faster():
        # What reads the bytes has let go of them here: a buffer of shared bytes would be a copy.
        weights = _to_turn(model.getvalue(), what)
        with model.getbuffer() as bytes_of:
            for kind, start, end in weights:
                bytes_of[kind : kind + 1] = _INT8
                numbers = np.frombuffer(bytes_of, np.uint8, end - start, start)
                np.bitwise_xor(numbers, _TOP_BIT, out=numbers)
                del numbers
    return model.getvalue()


@cache
def _is_faster() -> bool:
    cpu = this_cpu()
    return cpu.machine in X86 and bool(set(VNNI) & set(cpu.flags))


def _to_turn(model: bytes, what: str) -> list[Stored]:
    """Where the weights and zero points are that nothing but products takes."""
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
    stored = graph.unsigned_bytes

    def fits(name: str) -> bool:
        return name in stored and uses[name] == places[name]

    def is_middle(name: str) -> bool:
        _, start, end = stored[name]
        return model.count(_MIDDLE, start, end) == end - start

    good = {pair for pair in pairs if all(map(fits, pair)) and is_middle(pair[1])}
    while spoiled := {name for pair in set(pairs) - good for name in pair} & set().union(*good):
        good = {pair for pair in good if not spoiled & set(pair)}
    return [stored[name] for name in set().union(*good)]
