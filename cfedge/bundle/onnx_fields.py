"""The fields of an ONNX file, one after the other, as Protocol Buffers writes them: read and written.
Pure.

The encoding is that of protobuf.dev/programming-guides/encoding, the fields are those of
onnx.proto. Fields that a bundle never needs are refused, so that nothing is left of which nobody
knows what it means: subgraphs (the bodies of loops and branches), functions, external data, sparse
initialisers. What the others mean is for `cfedge.bundle.graph_reader`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from cfedge.errors import IncompatibleError

__all__ = [
    "LENGTH",
    "LIMITS",
    "Limits",
    "Messages",
    "Take",
    "VARINT",
    "bytes_field",
    "number_field",
    "refused",
]


class Limits(NamedTuple):
    """Bounds on a graph; BERT with 24 blocks has 1,000 operators."""

    nodes: int = 1 << 14
    fields: int = 1 << 20  # of all messages; a tensor's numbers are one, as exporters write them
    whole_numbers: int = 64  # a constant of more is no shape


LIMITS = Limits()


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
VARINT, _EIGHT_BYTES, LENGTH, _FOUR_BYTES = 0, 1, 2, 5
_VARINT_BYTES = 10

#: What is done with a field: its number, its wire type, its value where it is a number, and where
#: its bytes begin and end.
Take = Callable[[int, int, int, int, int], None]


def refused(what: str, found: str) -> IncompatibleError:
    """Say that a graph holds what a bundle's must not."""
    return IncompatibleError(
        f"{what}: expected a graph of plain operators, found {found}; export the bundle again"
    )


class Messages:
    """The messages in some bytes.

    Parameters
    ----------
    data
        Of an ONNX file.
    what
        Its name in errors.

    Attributes
    ----------
    fields
        How many were read so far, of all messages together.
    """

    def __init__(self, data: bytes, what: str) -> None:
        self._data, self._what, self.fields = data, what, 0

    def string(self, start: int, end: int, wire: int) -> str:
        """Return a field's string.

        Raises
        ------
        IncompatibleError
            It is none.
        """
        if wire != LENGTH:
            raise self._malformed()
        try:
            return self._data[start:end].decode("utf-8")
        except UnicodeDecodeError as error:
            raise self._malformed() from error

    def walk(self, kind: str | None, at: int, end: int, take: Take, outer: int = LENGTH) -> None:
        """Hand on each field of a message; any field where `kind` is None.

        Raises
        ------
        IncompatibleError
            One is not accepted, there are too many, or the bytes are no message.
        """
        if outer != LENGTH:
            raise self._malformed()
        known = None if kind is None else _FIELDS[kind]
        data = self._data
        while at < end:
            self.fields += 1
            if self.fields > LIMITS.fields:
                raise refused(self._what, f"more than {LIMITS.fields} fields")
            # most have one byte, and calls take most of the time
            tag, at = (first, at + 1) if (first := data[at]) < 0x80 else self._varint(at, end)
            number, wire = tag >> 3, tag & 7
            start, value = at, 0
            if wire == LENGTH:
                if at < end and (size := data[at]) < 0x80:
                    start = at + 1
                else:
                    size, start = self._varint(at, end)
                at = start + size
            elif wire == VARINT:
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


def number_field(number: int, value: int) -> bytes:
    """Return a field of a whole number >= 0."""
    return _spelled(number << 3 | VARINT) + _spelled(value)


def bytes_field(number: int, content: bytes) -> bytes:
    """Return a field of bytes: a string, a message, packed numbers."""
    return _spelled(number << 3 | LENGTH) + _spelled(len(content)) + content


def _spelled(value: int) -> bytes:
    """A varint."""
    digits = bytearray()
    while value > 0x7F:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    digits.append(value)
    return bytes(digits)
