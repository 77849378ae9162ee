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
from typing import NamedTuple

import numpy as np

from cfedge.bundle.onnx_fields import LENGTH, VARINT, Messages
from cfedge.device.fingerprint import this_cpu

__all__ = ["with_signed_weights"]

#: Where an operator takes weights and their zero point.
_PLACES = {"MatMulIntegerToFloat": (1, 5), "MatMulInteger": (1, 3), "DequantizeLinear": (0, 2)}
_X86 = ("x86_64", "AMD64", "amd64")
#: Any of them multiplies unsigned with signed bytes and adds four products in 32 bits.
_VNNI = frozenset({"avx512_vnni", "avx_vnni", "amx_int8"})
#: Kinds of a tensor's numbers, in onnx.proto.
_UINT8, _INT8 = 2, memoryview(b"\x03")
_TOP_BIT, _MIDDLE = 0x80, 128


class _Constant(NamedTuple):
    """Where in the file the kind of its numbers stands, and the numbers."""

    kind: int
    start: int
    end: int


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
    return cpu.machine in _X86 and bool(_VNNI & set(cpu.flags))


def _turned(model: bytes, what: str) -> bytes:
    """The same graph with signed weights, wherever nothing but products takes them."""
    found = _Reader(model, what)
    places: Counter[str] = Counter()
    pairs = []
    for operator, inputs in found.nodes:
        weight, zero = _PLACES.get(operator, (0, len(inputs)))
        if zero < len(inputs):
            pairs.append((inputs[weight], inputs[zero]))
            places.update(pairs[-1])
    uses = Counter(name for _, inputs in found.nodes for name in inputs)
    data = np.frombuffer(model, np.uint8)

    def fits(name: str) -> bool:
        return name in found.constants and uses[name] == places[name]

    def is_middle(name: str) -> bool:
        _, start, end = found.constants[name]
        return bool((data[start:end] == _MIDDLE).all())

    good = {pair for pair in pairs if all(map(fits, pair)) and is_middle(pair[1])}
    while spoiled := {name for pair in set(pairs) - good for name in pair} & set().union(*good):
        good = {pair for pair in good if not spoiled & set(pair)}
    changed: list[tuple[int, int, memoryview]] = []
    for name in set().union(*good):
        kind, start, end = found.constants[name]
        changed += [(kind, kind + 1, _INT8), (start, end, (data[start:end] ^ _TOP_BIT).data)]
    return _with(model, sorted(changed, key=itemgetter(0)))


def _with(model: bytes, changed: list[tuple[int, int, memoryview]]) -> bytes:
    """Bytes with others in some places, ascending; copied once."""
    whole, pieces, at = memoryview(model), [], 0
    for start, end, new in changed:
        pieces += [whole[at:start], new]
        at = end
    return b"".join([*pieces, whole[at:]])


class _Reader:
    """Operators with what they take, and the constants of unsigned bytes by name."""

    def __init__(self, data: bytes, what: str) -> None:
        self._data = data
        self.nodes: list[tuple[str, list[str]]] = []
        self.constants: dict[str, _Constant] = {}
        self._messages = Messages(data, what)
        self._messages.walk("model", 0, len(data), self._in_model)

    def _in_model(self, number: int, wire: int, value: int, start: int, end: int) -> None:
        if number == 7:
            self._messages.walk("graph", start, end, self._in_graph, wire)

    def _in_graph(self, number: int, wire: int, value: int, start: int, end: int) -> None:
        if number == 1:
            self._node(start, end, wire)
        elif number == 5:
            self._constant(start, end, wire)
        elif number == 12:  # an output that is a constant is used besides
            self.nodes.append(("", [self._name(start, end, wire)]))

    def _node(self, start: int, end: int, wire: int) -> None:
        operator, inputs = "", []

        def take(number: int, wire: int, value: int, start: int, end: int) -> None:
            nonlocal operator
            if number == 1:
                inputs.append(self._messages.string(start, end, wire))
            elif number == 4:
                operator = self._messages.string(start, end, wire)

        self._messages.walk("node", start, end, take, wire)
        self.nodes.append((operator, inputs))

    def _name(self, start: int, end: int, wire: int) -> str:
        names: list[str] = []

        def take(number: int, wire: int, value: int, start: int, end: int) -> None:
            if number == 1:
                names.append(self._messages.string(start, end, wire))

        self._messages.walk(None, start, end, take, wire)
        return names[-1] if names else ""

    def _constant(self, start: int, end: int, wire: int) -> None:
        name, kinds, spans = "", [], []

        def take(number: int, wire: int, value: int, start: int, end: int) -> None:
            nonlocal name
            if number == 8:
                name = self._messages.string(start, end, wire)
            elif number == 2 and wire == VARINT:
                kinds.append((value, start))
            elif number == 9 and wire == LENGTH:
                spans.append((start, end))

        self._messages.walk("tensor", start, end, take, wire)
        if len(kinds) == len(spans) == 1 and kinds[0][0] == _UINT8:
            self.constants[name] = _Constant(kinds[0][1], *spans[0])
