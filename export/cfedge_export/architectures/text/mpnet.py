"""MPNet: BERT whose attention adds a bias by the distance of two tokens, the same in every block, and
whose positions are counted as RoBERTa counts them.

Letters: S tokens, H heads.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from cfedge_export.architectures.activations import activation
from cfedge_export.architectures.graph_writer import read_weights
from cfedge_export.architectures.text.encoder import TextEncoder
from cfedge_export.architectures.text.graph import TextWriter
from cfedge_export.names import IDS

__all__ = ["MPNET", "distances"]

_WORDS, _BIAS = "embeddings.word_embeddings.weight", "encoder.relative_attention_bias.weight"
#: Row of the first token's position: the rows before are of padding, whatever its id.
_FIRST = 2
#: The library's, whatever the configuration says.
_BUCKETS, _FARTHEST = 32, 128


def distances(tokens: int) -> NDArray[np.int64]:
    """Return the bucket of each distance from 1 - `tokens` to `tokens` - 1, int64 [2 tokens - 1].

    Half of the buckets are for keys behind the query. Of each half, one half stands for a distance
    each, and the others for distances that grow by a constant factor up to `_FARTHEST`
    (``MPNetEncoder.relative_position_bucket`` of transformers).
    """
    apart = np.arange(1 - tokens, tokens)
    half, exact = _BUCKETS // 2, _BUCKETS // 4
    far = np.abs(apart)
    logs = np.log(np.maximum(far, 1).astype(np.float32) / np.float32(exact))
    steps = logs / np.float32(np.log(_FARTHEST / exact)) * np.float32(half - exact)
    wide = np.minimum(exact + steps.astype(np.int64), half - 1)
    return (apart > 0) * half + np.where(far < exact, far, wide)


class _Writer(TextWriter):
    """Writes the graph; `activation` is the MLP's operator."""

    activation: str

    def block(self, block: int, stream: str) -> str:
        theirs, name = f"encoder.layer.{block}", f"b{block}"
        self.sequence(block, stream)
        table = self.weight(_BIAS)[distances(self.tokens)].T
        apart = self.by_distance(np.ascontiguousarray(table, np.float32), "distance", block)
        parts = [f"{theirs}.attention.attn.{part}" for part in "qkv"]
        weights = [self.weight(f"{part}.weight").T for part in parts]
        biases = [self.weight(f"{part}.bias") for part in parts]
        width = weights[0].shape[1]
        packed = self.constant(
            f"{name}.qkv.weight", np.concatenate(weights, axis=1).astype(np.float32)
        )
        bias = self.constant(f"{name}.qkv.bias", np.concatenate(biases).astype(np.float32))
        self.add("MatMul", [stream, packed], f"{name}.qkv")
        names = [f"{name}.{part}" for part in "qkv"]
        self.split(f"{name}.qkv", 3 * [width], names, f"{name}.split")
        mixed = self.attention(name, names, bias, apart)
        out = self.product(mixed, f"{theirs}.attention.attn.o", f"{name}.o")
        between = self.add("Add", [out, stream], f"{name}.between")
        between = self.norm(between, f"{theirs}.attention.LayerNorm", f"{name}.norm1")
        wide = self.product(between, f"{theirs}.intermediate.dense", f"{name}.fc1")
        active = self.add(self.activation, [wide], f"{name}.active", domain="com.microsoft")
        down = self.product(active, f"{theirs}.output.dense", f"{name}.fc2")
        total = self.add("Add", [down, between], f"{name}.total")
        return self.norm(total, f"{theirs}.output.LayerNorm", f"{name}.norm2")


def _graph(folder: Path, config: Mapping[str, Any], tokens: int) -> ModelProto:
    """See `TextEncoder`."""
    writer = _Writer(
        read_weights(folder, ("mpnet.",), _WORDS),
        float(config["layer_norm_eps"]),
        str(folder),
        tokens=tokens,
        heads=int(config["num_attention_heads"]),
    )
    writer.activation = activation(str(config["hidden_act"]), folder)
    words = writer.weight(_WORDS)
    places = writer.weight("embeddings.position_embeddings.weight")[_FIRST : _FIRST + tokens]
    writer.constant("words", words.astype(np.float32))
    writer.lengths()
    writer.add("Gather", ["words", IDS], "words.rows")
    writer.sequence(-1, IDS)
    rows = writer.first(places.astype(np.float32), "positions", -1)
    writer.add("Add", ["words.rows", rows], "embedded")
    stream = writer.norm("embedded", "embeddings.LayerNorm", "embedded.norm")
    for block in range(int(config["num_hidden_layers"])):
        stream = writer.block(block, stream)
    return writer.model(stream, words.shape[1])


def _positions(config: Mapping[str, Any]) -> int:
    return int(config["max_position_embeddings"]) - _FIRST


#: Which tokens a text has is part of what attention sees: none may be left out while training.
MPNET = TextEncoder(graph=_graph, positions=_positions, keep_positions=None)
