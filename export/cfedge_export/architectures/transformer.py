"""The structure of a transformer's graph, found from its fused attention nodes.

It holds for every family whose blocks are attention, product, and two more products around an
activation, whether a norm comes before them or behind them. The names of the library that made
the graph are not looked at.

Letters: D width.
"""

from __future__ import annotations

from onnx import ModelProto, NodeProto

from cfedge.errors import BackboneError
from cfedge_export.architectures.architecture import TargetModule

__all__ = ["GROUPS", "PARTS", "attention", "first_block", "residual_streams", "target_modules"]

#: The products of one block, in order of execution: query, key and value packed into one; the
#: attention's output; the two of the MLP.
PARTS = ("qkv", "o", "fc1", "fc2")
#: How a table of sizes calls them.
GROUPS = {"qkv": "attention", "o": "attention", "fc1": "MLP", "fc2": "MLP"}
#: Key of the metadata of a tail: the number of its first block.
FIRST_BLOCK = "cfedge.first_block"


def attention(model: ModelProto) -> list[NodeProto]:
    """Return the fused attention nodes, one a block."""
    return [node for node in model.graph.node if node.op_type == "MultiHeadAttention"]


def residual_streams(model: ModelProto) -> list[str]:
    """Return, per block, the tensor that enters it: what the packed product reads, or, where a norm
    comes before that product, what the norm reads.

    That tensor is added again behind the attention; a norm's output before the product is not.
    """
    producers = _producers(model)
    added = {name for node in model.graph.node if node.op_type == "Add" for name in node.input}
    streams = []
    for node in attention(model):
        stream = _packed(producers, node).input[0]
        if stream not in added:
            stream = producers[stream].input[0]
        streams.append(stream)
    return streams


def target_modules(model: ModelProto) -> list[TargetModule]:
    """Return the four products of every block, in order of execution.

    Raises
    ------
    BackboneError
        A block has others.
    """
    arrays = {tensor.name: tensor for tensor in model.graph.initializer}
    producers = _producers(model)
    products = [
        node for node in model.graph.node if node.op_type == "MatMul" and node.input[1] in arrays
    ]
    order = {node.name: position for position, node in enumerate(products)}
    modules: list[TargetModule] = []
    for block, node in enumerate(attention(model), start=first_block(model)):
        start = order[_packed(producers, node).name]
        nodes = products[start : start + len(PARTS)]
        if len(nodes) != len(PARTS):
            raise BackboneError(
                f"block {block}: expected {len(PARTS)} products ({', '.join(PARTS)}), found"
                f" {len(nodes)}; this encoder needs an architecture of its own"
            )
        for part, product in zip(PARTS, nodes, strict=True):
            rows, columns = arrays[product.input[1]].dims
            modules.append(TargetModule(f"l{block}.{part}", product.name, rows, columns))
    return modules


def first_block(model: ModelProto) -> int:
    """Return the number of a graph's first block: 0, or what a tail states."""
    return int(
        next((entry.value for entry in model.metadata_props if entry.key == FIRST_BLOCK), "0")
    )


def _producers(model: ModelProto) -> dict[str, NodeProto]:
    return {name: node for node in model.graph.node for name in node.output}


def _packed(producers: dict[str, NodeProto], node: NodeProto) -> NodeProto:
    """The product of query, key and value of an attention node. Its values come out of a Split of
    that product's result, between which there may be a bias and, in a tail, a low-rank branch.
    """
    product = producers[producers[node.input[2]].input[0]]
    while product.op_type == "Add":
        product = producers[product.input[0]]
    return product
