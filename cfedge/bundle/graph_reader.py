"""What stands in the bytes of an ONNX file: its operators and its constants. Pure.

Beside the fields that `cfedge.bundle.onnx_fields` refuses, ONNX Runtime's own file format is
refused, which holds all of these in another encoding. As in every decoder a message given in pieces
is the sum of its pieces, so each piece is read. What operators may be there is for
`cfedge.bundle.operators`.
"""

from __future__ import annotations

import struct
from typing import NamedTuple, TypeAlias

from cfedge.bundle.onnx_fields import LENGTH, LIMITS, VARINT, Messages, refused

__all__ = ["Graph", "Node", "Stored", "Values", "read_graph"]

#: Kinds of a tensor's numbers, in onnx.proto.
_UINT8, _INT64 = 2, 7


#: Whole numbers; None: there are others, or too many to be a shape.
Values: TypeAlias = tuple[int, ...] | None


class Node:
    """One operator: its name, its domain, and the names of what it takes and makes.

    Attributes
    ----------
    attributes
        Their names.
    values
        Of a Constant, its whole numbers; None: they are not known.
    """

    def __init__(self) -> None:
        self.operator = self.domain = ""
        self.inputs: list[str] = []
        self.outputs: list[str] = []
        self.attributes: list[str] = []
        self.values: Values = None

    @property
    def name(self) -> str:
        """As errors and the list of operators spell it: ``MatMul``, ``com.microsoft.Gelu``."""
        return f"{self.domain}.{self.operator}" if self.domain else self.operator


class Stored(NamedTuple):
    """Where in the file a constant's kind of numbers stands, in one byte, and its numbers."""

    kind: int
    start: int
    end: int


class Graph:
    """Inputs, outputs, constants and operators, in the order of the file.

    Attributes
    ----------
    constants
        By name, what of its numbers is known.
    unsigned_bytes
        By name, the constants of uint8 that stand in one piece.
    """

    def __init__(self) -> None:
        self.inputs: list[str] = []
        self.outputs: list[str] = []
        self.constants: dict[str, Values] = {}
        self.unsigned_bytes: dict[str, Stored] = {}
        self.nodes: list[Node] = []


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


class _Reader:
    def __init__(self, data: bytes, what: str) -> None:
        self._data, self._what, self.graph = data, what, Graph()
        self._messages = Messages(data, what)
        self._messages.walk("model", 0, len(data), self._in_model)

    def _in_model(self, number: int, wire: int, value: int, start: int, end: int) -> None:
        if number == 7:
            self._messages.walk("graph", start, end, self._in_graph, wire)

    def _in_graph(self, number: int, wire: int, value: int, start: int, end: int) -> None:
        graph = self.graph
        if number == 1:
            if len(graph.nodes) == LIMITS.nodes:
                raise refused(self._what, f"more than {LIMITS.nodes} of them")
            graph.nodes.append(self._node(start, end, wire))
        elif number == 5:
            name, values, stored = self._tensor(start, end, wire)
            graph.constants[name] = None if name in graph.constants else values
            if stored is not None:
                graph.unsigned_bytes[name] = stored
        elif number == 11:
            graph.inputs.append(self._name_of_value(start, end, wire))
        elif number == 12:
            graph.outputs.append(self._name_of_value(start, end, wire))

    def _node(self, start: int, end: int, wire: int) -> Node:
        node = Node()
        tensors: list[Values] = []

        def take(number: int, wire: int, value: int, start: int, end: int) -> None:
            if number == 1:
                node.inputs.append(self._messages.string(start, end, wire))
            elif number == 2:
                node.outputs.append(self._messages.string(start, end, wire))
            elif number == 4:
                node.operator = self._messages.string(start, end, wire)
            elif number == 7:
                domain = self._messages.string(start, end, wire)
                node.domain = "" if domain == "ai.onnx" else domain
            elif number == 5:
                name, values = self._attribute(start, end, wire)
                node.attributes.append(name)
                tensors.append(values)

        self._messages.walk("node", start, end, take, wire)
        node.values = tensors[0] if node.operator == "Constant" and len(tensors) == 1 else None
        return node

    def _attribute(self, start: int, end: int, wire: int) -> tuple[str, Values]:
        """Its name, and what it is if it is one tensor of whole numbers."""
        name, tensors, numbers = "", list[Values](), list[int]()

        def take(number: int, wire: int, value: int, start: int, end: int) -> None:
            nonlocal name
            numbers.append(number)
            if number == 1:
                name = self._messages.string(start, end, wire)
            elif number in (5, 10):
                tensors.append(self._tensor(start, end, wire)[1])

        self._messages.walk("attribute", start, end, take, wire)
        known = len(tensors) == 1 and set(numbers) <= {1, 5, 13, 20}
        return name, tensors[0] if known else None

    def _tensor(self, start: int, end: int, wire: int) -> tuple[str, Values, Stored | None]:
        """Its name, its whole numbers, and where they stand if they are unsigned bytes."""
        name, kinds, raw, sized = "", [], [], 0
        others, places, spans = False, [], []

        def take(number: int, wire: int, value: int, start: int, end: int) -> None:
            nonlocal name, others, sized
            if number == 8:
                name = self._messages.string(start, end, wire)
            elif number == 14 and (wire != VARINT or value):
                raise refused(self._what, "external data")
            elif number == 2:
                kinds.append(value)
                places.append((start, end - start))
            elif number == 9 and wire == LENGTH:
                spans.append((start, end))
                sized += end - start
                if sized <= 8 * LIMITS.whole_numbers:
                    raw.append(self._data[start:end])
            elif number in (4, 5, 6, 7, 10, 11):
                others = True

        self._messages.walk("tensor", start, end, take, wire)
        if kinds == [_UINT8] and places[0][1] == 1 and not others and len(spans) == 1:
            return name, None, Stored(places[0][0], *spans[0])
        if kinds != [_INT64] or others or len(raw) != 1 or len(raw[0]) % 8:
            return name, None, None
        return name, struct.unpack(f"<{len(raw[0]) // 8}q", raw[0]), None

    def _name_of_value(self, start: int, end: int, wire: int) -> str:
        name = ""

        def take(number: int, wire: int, value: int, start: int, end: int) -> None:
            nonlocal name
            if number == 1:
                name = self._messages.string(start, end, wire)

        self._messages.walk(None, start, end, take, wire)
        return name
