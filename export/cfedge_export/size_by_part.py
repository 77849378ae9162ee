"""Where a backbone's bytes are: word embeddings, positions, attention, MLP, tokenizer and the rest."""

from __future__ import annotations

from itertools import cycle

import onnx
from onnx import ModelProto

from cfedge.train.workspace import Workspace

__all__ = ["PARTS", "bytes_by_part", "shipped_bytes"]

PARTS = ("word embeddings", "positions", "attention", "MLP", "rest")
#: Of the products with constants, which come in this order in every block.
_OF_BLOCK = {"qkv": "attention", "o": "attention", "fc1": "MLP", "fc2": "MLP"}


def bytes_by_part(shipped: ModelProto, exact: ModelProto) -> dict[str, int]:
    """Return the bytes of `shipped` by `PARTS`; their sum is the file's size.

    Parameters
    ----------
    shipped
        A graph that a scheme made of `exact`: scales, shifts and zero points count with the weight
        that they belong to.
    exact
        The float32 graph. Its biases, norms and the graph itself are the rest.
    """
    tables = {tensor.name for tensor in exact.graph.initializer if len(tensor.dims) == 2}
    weights = [
        node.input[1]
        for node in exact.graph.node
        if node.op_type == "MatMul" and node.input[1] in tables
    ]
    owner = dict(zip(weights, cycle(_OF_BLOCK.values())))
    for node in exact.graph.node:
        if node.op_type == "Gather" and node.input[0] in tables:
            owner[node.input[0]] = (
                "word embeddings" if node.input[1] == "input_ids" else "positions"
            )
    found = dict.fromkeys(PARTS, 0)
    for tensor in shipped.graph.initializer:
        stem = next(
            (
                tensor.name[: -len(end)]
                for end in (".q", ".scale", ".shift", ".zero")
                if tensor.name.endswith(end)
            ),
            tensor.name,
        )
        found[owner.get(stem, "rest")] += len(tensor.raw_data)
    found["rest"] += shipped.ByteSize() - sum(found.values())
    return found


def shipped_bytes(workspace: Workspace) -> dict[str, int]:
    """Return the bytes of a workspace's trunk and tail by part, and of what its inputs need."""
    total = dict.fromkeys(PARTS, 0)
    for name in ("trunk.onnx", "tail.onnx"):
        graphs = [
            onnx.load_from_string(workspace.backbone_file(file)) for file in (name, f"float_{name}")
        ]
        for part, size in bytes_by_part(*graphs).items():
            total[part] += size
    return {**total, **{role: ref.size for role, ref in workspace.backbone.input.files().items()}}
