"""What an ONNX file of a bundle may hold, checked on its bytes before ONNX Runtime sees them. Pure.

Refused are files with parts that a bundle never needs (`cfedge.bundle.onnx_fields`), operators
that are not listed, and sizes that follow from data (`cfedge.bundle.operators`). What is left is a
finite list of operators that takes the most for the longest input; how much that is, is for
`cfedge.runtime.verification`, whether its parts fit, for ONNX Runtime.
"""

from __future__ import annotations

from cfedge.bundle.files import Bundle
from cfedge.bundle.graph_reader import read_graph
from cfedge.bundle.operators import ADAPTER, ENCODER, check_operators

__all__ = ["check_graph", "check_graphs"]


def check_graphs(bundle: Bundle) -> None:
    """Check all graphs of a bundle.

    Raises
    ------
    IncompatibleError
        See `check_graph`.
    """
    backbone = bundle.manifest.backbone
    check_graph(bundle[backbone.trunk], "trunk")
    check_graph(bundle[backbone.tail], "tail")
    for task in bundle.manifest.tasks:
        check_graph(bundle[task.adapter], f"adapter of task {task.name!r}", ADAPTER)


def check_graph(model: bytes, what: str, allowed: frozenset[str] = ENCODER) -> None:
    """Refuse a model that holds what a bundle's graph must not.

    Parameters
    ----------
    model
        Bytes of an ONNX file.
    what
        Its name in errors.
    allowed
        Its operators.

    Raises
    ------
    IncompatibleError
        Naming what it holds.
    """
    check_operators(read_graph(model, what), what, allowed)
