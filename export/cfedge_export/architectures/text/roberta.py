"""RoBERTa and XLM-RoBERTa, the multilingual one: positions counted from behind the padding's id,
one token type.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, helper, numpy_helper

from cfedge_export.architectures.text.encoder import TextEncoder, arrays_of
from cfedge_export.architectures.text.fusion import exported
from cfedge_export.names import IDS

__all__ = ["ROBERTA"]


def _fold(model: ModelProto, config: Mapping[str, Any]) -> None:
    """Take positions from 0 up off the length alone, and add the token type's row to them.

    Padding stands on the right, so the tokens that count have the positions that the library gives
    them; what padding gets, the mask hides. The nodes that counted are dropped with what else
    nothing reads.
    """
    graph, arrays = model.graph, arrays_of(model)
    producers = {name: node for node in graph.node for name in node.output}
    words = next(n for n in graph.node if n.op_type == "Gather" and n.input[1] == IDS)
    with_type = _reader(model, words.output[0])
    types = producers[_other(with_type, words.output[0])]
    with_position = _reader(model, with_type.output[0])
    positions = producers[_other(with_position, with_type.output[0])]
    row = numpy_helper.to_array(arrays[types.input[0]])[0]
    table = arrays[positions.input[0]]
    kept = numpy_helper.to_array(table)[int(config["pad_token_id"]) + 1 :]
    table.CopyFrom(numpy_helper.from_array(kept + row, table.name))
    counted = numpy_helper.from_array(np.arange(len(kept), dtype=np.int64), "positions.all")
    start = numpy_helper.from_array(np.zeros(1, np.int64), "positions.start")
    graph.initializer.extend([counted, start])
    nodes = [
        helper.make_node("Shape", [IDS], ["positions.end"], "positions.end", start=1, end=2),
        helper.make_node(
            "Slice", ["positions.all", "positions.start", "positions.end"], ["positions"],
            "positions",
        ),
    ]  # fmt: skip
    at = list(graph.node).index(positions)
    positions.input[1] = "positions"
    with_position.input[:] = [words.output[0], positions.output[0]]
    for offset, node in enumerate(nodes):
        graph.node.insert(at + offset, node)


def _reader(model: ModelProto, name: str) -> NodeProto:
    node: NodeProto = next(node for node in model.graph.node if name in node.input)
    return node


def _other(node: NodeProto, name: str) -> str:
    return next(str(entry) for entry in node.input if entry != name)


def _positions(config: Mapping[str, Any]) -> int:
    return int(config["max_position_embeddings"]) - int(config["pad_token_id"]) - 1


ROBERTA = TextEncoder(graph=exported(_fold), positions=_positions)
