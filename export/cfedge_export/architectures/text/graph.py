"""A text encoder's graph, written node after node from its weights, where attention takes more than
query, key and value: a bias by the distance of two tokens, or turned queries and keys.

What follows from the length alone is made anew in every block, of the tensor that enters it, since a
graph may be cut before any block. `with_shared_positions` leaves one of each in a graph that answers.

Letters: B batch, S tokens, D width, H heads.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper

from cfedge_export.architectures.graph_writer import GraphWriter, Weights
from cfedge_export.names import IDS, MASK
from cfedge_export.pooling import drop_unread

__all__ = ["FAR", "TextWriter", "with_shared_positions"]

#: Added to the score of a token that may not be seen; what ONNX Runtime adds for padding.
FAR = -10_000.0
#: Between the name of what follows from the length alone and the block that it is made in.
_AT = " at "


class TextWriter(GraphWriter):
    """Writes a graph of texts of at most `tokens` tokens."""

    def __init__(
        self, weights: Weights, epsilon: float, where: str, *, tokens: int, heads: int
    ) -> None:
        super().__init__(weights, epsilon, where)
        self.tokens, self.heads = tokens, heads

    def sequence(self, block: int, stream: str) -> None:
        """Count the tokens of the tensor that enters a block: ``count``, int64 [1]."""
        self.add("Shape", [stream], f"count{_AT}{block}", start=1, end=2)

    def first(self, table: NDArray[np.generic], name: str, block: int) -> str:
        """Append the first S rows of a constant."""
        self.constant(name, table)
        start = self.constant("zero", np.zeros(1, np.int64))
        return self.add("Slice", [name, start, f"count{_AT}{block}"], f"{name}.first{_AT}{block}")

    def by_distance(self, table: NDArray[np.float32], name: str, block: int) -> str:
        """Append what attention's scores get by the distance of two tokens: float32 [1, H, S, S].

        Parameters
        ----------
        table
            [H, 2 tokens - 1], of the distances 1 - tokens to tokens - 1, the key's place less the
            query's.
        """
        places = np.arange(self.tokens, dtype=np.int64)
        keys = self.first(places, "places", block)
        queries = self.first((self.tokens - 1 - places)[:, None], "places.back", block)
        apart = self.add("Add", [keys, queries], f"apart{_AT}{block}")
        self.constant(name, table)
        rows = self.add("Gather", [name, apart], f"{name}.rows{_AT}{block}", axis=1)
        one = self.constant("zero", np.zeros(1, np.int64))
        return self.add("Unsqueeze", [rows, one], f"{name}.all{_AT}{block}")

    def lengths(self) -> str:
        """Append how many tokens of each text count, int32 [B]."""
        self.add("Cast", [MASK], "mask.int", to=TensorProto.INT32)
        axis = self.constant("mask.axis", np.array([1], np.int64))
        return self.add("ReduceSum", ["mask.int", axis], "lengths", keepdims=0)

    def attention(self, name: str, parts: list[str], bias: str, apart: str) -> str:
        """Append attention of query, key and value."""
        return self.add(
            "MultiHeadAttention", [*parts, bias, "lengths", apart], f"{name}.mixed",
            domain="com.microsoft", num_heads=self.heads,
        )  # fmt: skip

    def model(self, states: str, width: int) -> ModelProto:
        """Return the graph: ``input_ids``, ``attention_mask`` int64 [B, S] -> hidden states."""
        return self.built(
            [
                helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"])
                for name in (IDS, MASK)
            ],
            [
                helper.make_tensor_value_info(
                    states, TensorProto.FLOAT, ["batch", "sequence", width]
                )
            ],
        )


def with_shared_positions(model: ModelProto) -> ModelProto:
    """Return a copy in which what follows from the length alone is made once."""
    shared = ModelProto()
    shared.CopyFrom(model)
    first: dict[str, str] = {}
    for node in shared.graph.node:
        node.input[:] = [
            first.get(name.partition(_AT)[0], name) if _AT in name else name for name in node.input
        ]
        for name in node.output:
            if _AT in name:
                first.setdefault(name.partition(_AT)[0], name)
    drop_unread(shared)
    return shared
