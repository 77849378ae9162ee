"""BERT and what is shaped like it: token types, learned positions counted from 0."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from onnx import ModelProto, numpy_helper

from cfedge_export.architectures.text.encoder import TextEncoder, arrays_of
from cfedge_export.architectures.text.fusion import exported
from cfedge_export.names import IDS

__all__ = ["BERT"]

_SEGMENTS = "token_type_ids"


def _fold(model: ModelProto, config: Mapping[str, Any]) -> None:
    """One segment only: its embedding row is a constant, added to the positions once, here."""
    arrays = arrays_of(model)
    if _SEGMENTS not in [value.name for value in model.graph.input]:
        return
    lookup = next(node for node in model.graph.node if _SEGMENTS in node.input)
    row = numpy_helper.to_array(arrays[lookup.input[0]])[0]
    add = next(node for node in model.graph.node if lookup.output[0] in node.input)
    words = next(name for name in add.input if name != lookup.output[0])
    for node in model.graph.node:
        node.input[:] = [words if name == add.output[0] else name for name in node.input]
    position = next(
        node
        for node in model.graph.node
        if node.op_type == "Gather"
        and node.input[0] in arrays
        and IDS not in node.input
        and node is not lookup
    )
    table = arrays[position.input[0]]
    table.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(table) + row, table.name))
    for node in (add, lookup):
        model.graph.node.remove(node)
    model.graph.input.remove(next(value for value in model.graph.input if value.name == _SEGMENTS))


def _positions(config: Mapping[str, Any]) -> int:
    return int(config["max_position_embeddings"])


BERT = TextEncoder(graph=exported(_fold), positions=_positions)
