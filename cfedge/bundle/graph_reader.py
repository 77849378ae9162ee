"""What stands in the bytes of an ONNX file: its operators and its constants. Pure.

The encoding is Protocol Buffers' (protobuf.dev/programming-guides/encoding), the fields are those
of onnx.proto. Refused are fields that a bundle never needs, so that nothing is left of which this
reader does not know what it means: subgraphs (the bodies of loops and branches), functions,
external data, sparse initialisers, and ONNX Runtime's own file format, which holds all of these in
another encoding. As in every decoder a message given in pieces is the sum of its pieces, so each
piece is read. What operators may be there is for `cfedge.bundle.operators`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from cfedge.errors import IncompatibleError

__all__ = ["Graph", "LIMITS", "Limits", "Node", "read_graph", "refused"]


@dataclass(frozen=True)
class Limits:
    """Bounds on a graph; BERT with 24 blocks has 1,000 operators."""

    nodes: int = 1 << 14
    fields: int = 1 << 20  # of all messages; a tensor's numbers are one, as exporters write them
    whole_numbers: int = 64  # a constant of more is no shape


LIMITS = Limits()


@dataclass
class Node:
    """One operator: its name, its domain, and the names of what it takes and makes."""

    operator: str = ""
    domain: str = ""
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    #: Whether it is a Constant of whole numbers that are known to be >= 0.
    at_least_zero: bool = False

    @property
    def name(self) -> str:
        """As errors and the list of operators spell it: ``MatMul``, ``com.microsoft.Gelu``."""
        return f"{self.domain}.{self.operator}" if self.domain else self.operator


@dataclass
class Graph:
    """Inputs, constants and operators, in the order of the file.

    Attributes
    ----------
    constants
        By name, whether all numbers of it are known to be whole and >= 0.
    """

    inputs: list[str] = field(default_factory=list)
    constants: dict[str, bool] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    fields: int = 0


#: Of each message the fields that are accepted.
_FIELDS = {
    "model": frozenset({1, 2, 3, 4, 5, 6, 7, 8, 14}),
    "graph": frozenset({1, 2, 5, 10, 11, 12, 13, 14, 16}),
    "node": frozenset({1, 2, 3, 4, 5, 6, 7, 9}),
    "attribute": frozenset({1, 2, 3, 4, 5, 7, 8, 9, 10, 13, 20}),
    "tensor": frozenset({1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16}),
}
_NAMES = {
    ("model", 20): "training information",
    ("model", 25): "functions of its own",
    ("graph", 15): "sparse initialisers",
    ("attribute", 6): "a subgraph, as loops and branches have",
    ("attribute", 11): "subgraphs, as loops and branches have",
    ("attribute", 22): "a sparse tensor",
    ("attribute", 23): "sparse tensors",
    ("tensor", 13): "external data",
}
_VARINT, _EIGHT_BYTES, _LENGTH, _FOUR_BYTES = 0, 1, 2, 5
_VARINT_BYTES = 10
_INT64 = 7

#: What is done with a field: its number, its wire type, its value where it is a number, and where
#: its bytes begin and end.
_Take = Callable[[int, int, int, int, int], None]


def read_graph(model: bytes, what: str) -> Graph:
    """Read an ONNX file.

    Parameters
    ----------
    what
        Its name in errors.

    Raises
    ------
    IncompatibleError
        Naming what it holds that a bundle's graph must not.
    """
    if model[4:8] == b"ORTM":
        raise refused(what, "ONNX Runtime's own file format")
    return _Reader(model, what).graph


def refused(what: str, found: str) -> IncompatibleError:
    """Say that a graph holds what a bundle's must not."""
    return IncompatibleError(
        f"{what}: expected a graph of plain operators, found {found}; export the bundle again"
    )


class _Reader:
    def __init__(self, data: bytes, what: str) -> None:
        self._data, self._what, self.graph = data, what, Graph()
        self._walk("model", 0, len(data), self._in_model)

    def _in_model(self, number: int, wire: int, value: int, start: int, end: int) -> None:
        if number == 7:
            self._walk("graph", start, end, self._in_graph, wire)

    def _in_graph(self, number: int, wire: int, value: int, start: int, end: int) -> None:
        graph = self.graph
        if number == 1:
            if len(graph.nodes) == LIMITS.nodes:
                raise refused(self._what, f"more than {LIMITS.nodes} of them")
            graph.nodes.append(self._node(start, end, wire))
        elif number == 5:
            name, at_least_zero = self._tensor(start, end, wire)
            graph.constants[name] = at_least_zero and name not in graph.constants
        elif number == 11:
            graph.inputs.append(self._name_of_value(start, end, wire))

    def _node(self, start: int, end: int, wire: int) -> Node:
        node = Node()
        tensors: list[bool] = []

        def take(number: int, wire: int, value: int, start: int, end: int) -> None:
            if number == 1:
                node.inputs.append(self._text(start, end, wire))
            elif number == 2:
                node.outputs.append(self._text(start, end, wire))
            elif number == 4:
                node.operator = self._text(start, end, wire)
            elif number == 7:
                domain = self._text(start, end, wire)
                node.domain = "" if domain == "ai.onnx" else domain
            elif number == 5:
                tensors.append(self._attribute(start, end, wire))

        self._walk("node", start, end, take, wire)
        node.at_least_zero = node.operator == "Constant" and tensors == [True]
        return node

    def _attribute(self, start: int, end: int, wire: int) -> bool:
        """Whether it is one tensor of whole numbers >= 0."""
        tensors: list[bool] = []
        numbers: list[int] = []

        def take(number: int, wire: int, value: int, start: int, end: int) -> None:
            numbers.append(number)
            if number in (5, 10):
                tensors.append(self._tensor(start, end, wire)[1])

        self._walk("attribute", start, end, take, wire)
        return tensors == [True] and set(numbers) <= {1, 5, 13, 20}

    def _tensor(self, start: int, end: int, wire: int) -> tuple[str, bool]:
        """Its name, and whether all its numbers are known to be whole and >= 0."""
        name, kinds, raw, sized = "", [], [], 0
        others = False

        def take(number: int, wire: int, value: int, start: int, end: int) -> None:
            nonlocal name, others, sized
            if number == 8:
                name = self._text(start, end, wire)
            elif number == 14 and (wire != _VARINT or value):
                raise refused(self._what, "external data")
            elif number == 2:
                kinds.append(value)
            elif number == 9 and wire == _LENGTH:
                sized += end - start
                if sized <= 8 * LIMITS.whole_numbers:
                    raw.append(self._data[start:end])
            elif number in (4, 5, 6, 7, 10, 11):
                others = True

        self._walk("tensor", start, end, take, wire)
        if kinds != [_INT64] or others or len(raw) != 1 or len(raw[0]) % 8:
            return name, False
        values = struct.unpack(f"<{len(raw[0]) // 8}q", raw[0])
        return name, min(values, default=0) >= 0

    def _name_of_value(self, start: int, end: int, wire: int) -> str:
        name = ""

        def take(number: int, wire: int, value: int, start: int, end: int) -> None:
            nonlocal name
            if number == 1:
                name = self._text(start, end, wire)

        self._walk(None, start, end, take, wire)
        return name

    def _text(self, start: int, end: int, wire: int) -> str:
        if wire != _LENGTH:
            raise self._malformed()
        try:
            return self._data[start:end].decode("utf-8")
        except UnicodeDecodeError as error:
            raise self._malformed() from error

    def _walk(self, kind: str | None, at: int, end: int, take: _Take, outer: int = _LENGTH) -> None:
        """Hand on each field of a message; any field where `kind` is None."""
        if outer != _LENGTH:
            raise self._malformed()
        known = None if kind is None else _FIELDS[kind]
        while at < end:
            self.graph.fields += 1
            if self.graph.fields > LIMITS.fields:
                raise refused(self._what, f"more than {LIMITS.fields} fields")
            tag, at = self._varint(at, end)
            number, wire = tag >> 3, tag & 7
            start, value = at, 0
            if wire == _LENGTH:
                size, start = self._varint(at, end)
                at = start + size
            elif wire == _VARINT:
                value, at = self._varint(at, end)
            elif wire in (_EIGHT_BYTES, _FOUR_BYTES):
                at += 8 if wire == _EIGHT_BYTES else 4
            else:
                raise self._malformed()
            if at > end:
                raise self._malformed()
            if known is not None and number not in known:
                named = _NAMES.get((kind or "", number), f"field {number} in a {kind}")
                raise refused(self._what, named)
            take(number, wire, value, start, at)

    def _varint(self, at: int, end: int) -> tuple[int, int]:
        """The number at `at`, and where it ends."""
        value = shift = 0
        for place in range(at, min(end, at + _VARINT_BYTES)):
            byte = self._data[place]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value, place + 1
            shift += 7
        raise self._malformed()

    def _malformed(self) -> IncompatibleError:
        return IncompatibleError(
            f"{self._what}: expected a graph in ONNX, found bytes that are none; export the bundle"
            " again"
        )
