"""What an ONNX file of a bundle may hold, checked on its bytes before ONNX Runtime sees them. Pure.

Refused are what a bundle never needs and a reader should not run: subgraphs (the bodies of loops
and branches), functions, external data, sparse initialisers, operators of other domains than ONNX's
own and ``com.microsoft``, fields that this reader does not know, and ONNX Runtime's own file
format, which holds all of these in another encoding. What is left is a finite list of operators;
that they take too long or too much memory is for `cfedge.runtime.verification`, whether they fit, for ONNX
Runtime.

The encoding is Protocol Buffers' (protobuf.dev/programming-guides/encoding), the fields are those
of onnx.proto. As in every decoder a message given in pieces is the sum of its pieces, so each piece
is checked.
"""

from __future__ import annotations

from cfedge.bundle.files import Bundle
from cfedge.errors import IncompatibleError

__all__ = ["DOMAINS", "check_graph", "check_graphs"]

#: Of operators: ONNX's own, by both of its names, and those that ONNX Runtime's fusions use.
DOMAINS = frozenset({b"", b"ai.onnx", b"com.microsoft"})

#: Of each message the fields that are accepted, with the message that they hold where it is looked
#: into.
_FIELDS: dict[str, dict[int, str | None]] = {
    "model": {1: None, 2: None, 3: None, 4: None, 5: None, 6: None, 7: "graph", 8: None, 14: None},
    "graph": {
        1: "node",
        2: None,
        5: "tensor",
        10: None,
        11: None,
        12: None,
        13: None,
        14: None,
        16: None,
    },
    "node": {1: None, 2: None, 3: None, 4: None, 5: "attribute", 6: None, 7: None, 9: None},
    "attribute": {
        1: None,
        2: None,
        3: None,
        4: None,
        5: "tensor",
        7: None,
        8: None,
        9: None,
        10: "tensor",
        13: None,
        20: None,
    },
    "tensor": dict.fromkeys((1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16)),
}
_DOMAIN, _DATA_LOCATION = ("node", 7), ("tensor", 14)
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


def check_graphs(bundle: Bundle) -> None:
    """Check all graphs of a bundle.

    Raises
    ------
    IncompatibleError
        See `check_graph`.
    """
    backbone = bundle.manifest.backbone
    graphs = {"trunk": backbone.trunk, "tail": backbone.tail}
    graphs |= {f"adapter of task {task.name!r}": task.adapter for task in bundle.manifest.tasks}
    for what, ref in graphs.items():
        check_graph(bundle[ref], what)


def check_graph(model: bytes, what: str) -> None:
    """Refuse a model that holds what a bundle's graph must not.

    Parameters
    ----------
    model
        Bytes of an ONNX file.
    what
        Its name in errors.

    Raises
    ------
    IncompatibleError
        Naming what it holds.
    """
    if model[4:8] == b"ORTM":
        raise _refused(what, "ONNX Runtime's own file format")
    _walk(model, 0, len(model), "model", what)


def _walk(data: bytes, at: int, end: int, kind: str, what: str) -> None:
    fields = _FIELDS[kind]
    while at < end:
        tag, at = _varint(data, at, end, what)
        number, wire = tag >> 3, tag & 7
        start, value = at, 0
        if wire == _LENGTH:
            size, start = _varint(data, at, end, what)
            at = start + size
        elif wire == _VARINT:
            value, at = _varint(data, at, end, what)
        elif wire in (_EIGHT_BYTES, _FOUR_BYTES):
            at += 8 if wire == _EIGHT_BYTES else 4
        else:
            raise _malformed(what)
        if at > end:
            raise _malformed(what)
        if number not in fields:
            raise _refused(what, _NAMES.get((kind, number), f"field {number} in a {kind}"))
        inner = fields[number]
        if inner is not None:
            if wire != _LENGTH:
                raise _malformed(what)
            _walk(data, start, at, inner, what)
        elif (kind, number) == _DOMAIN and data[start:at] not in DOMAINS:
            raise _refused(
                what,
                f"an operator of the domain {data[start:at][:40].decode('utf-8', 'replace')!r}",
            )
        elif (kind, number) == _DATA_LOCATION and (wire != _VARINT or value):
            raise _refused(what, "external data")


def _varint(data: bytes, at: int, end: int, what: str) -> tuple[int, int]:
    """The number at `at`, and where it ends."""
    value = shift = 0
    for place in range(at, min(end, at + _VARINT_BYTES)):
        byte = data[place]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place + 1
        shift += 7
    raise _malformed(what)


def _refused(what: str, found: str) -> IncompatibleError:
    return IncompatibleError(
        f"{what}: expected a graph of plain operators, found {found}; export the bundle again"
    )


def _malformed(what: str) -> IncompatibleError:
    return IncompatibleError(
        f"{what}: expected a graph in ONNX, found bytes that are none; export the bundle again"
    )
