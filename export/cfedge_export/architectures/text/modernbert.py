"""ModernBERT: norms before the products, queries and keys turned by their place, most blocks with a
window, a gated MLP.

Turning: with q = [q1, q2] the two halves of a head's query at place p, and angles p f of the
frequencies f = theta^(-2 i / width), it becomes q cos(p f) + [-q2, q1] sin(p f); keys likewise
(rotary positions, arXiv 2104.09864). The minus is folded into the table of sines.

Letters: B batch, S tokens, D width, H heads.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from cfedge.errors import BackboneError
from cfedge_export.architectures.activations import activation
from cfedge_export.architectures.graph_writer import read_weights
from cfedge_export.architectures.text.encoder import TextEncoder
from cfedge_export.architectures.text.graph import FAR, TextWriter
from cfedge_export.names import IDS

__all__ = ["MODERNBERT"]

_WORDS = "embeddings.tok_embeddings.weight"


class _Writer(TextWriter):
    """Writes the graph.

    Attributes
    ----------
    config
        Of the model.
    activation
        The MLP's operator.
    width
        D.
    """

    config: Mapping[str, Any]
    activation: str
    width: int

    def block(self, block: int, stream: str) -> str:
        theirs, name, config = f"layers.{block}", f"b{block}", self.config
        normed = (
            stream if block == 0 else self._norm(stream, f"{theirs}.attn_norm", f"{name}.norm1")
        )
        self.sequence(block, stream)
        local = block % int(config["global_attn_every_n_layers"]) != 0
        mixed = self._attention(block, normed, local=local)
        biased = bool(config["attention_bias"])
        out = self.product(mixed, f"{theirs}.attn.Wo", f"{name}.o", biased=biased)
        between = self.add("Add", [out, stream], f"{name}.between")
        normed = self._norm(between, f"{theirs}.mlp_norm", f"{name}.norm2")
        biased = bool(config["mlp_bias"])
        both = self.product(normed, f"{theirs}.mlp.Wi", f"{name}.fc1", biased=biased)
        wide = self.weight(f"{theirs}.mlp.Wi.weight").shape[0] // 2
        self.split(both, [wide, wide], [f"{name}.wide", f"{name}.gate"], f"{name}.halves")
        active = self.add(
            self.activation, [f"{name}.wide"], f"{name}.active", domain="com.microsoft"
        )
        gated = self.add("Mul", [active, f"{name}.gate"], f"{name}.gated")
        down = self.product(gated, f"{theirs}.mlp.Wo", f"{name}.fc2", biased=biased)
        return self.add("Add", [down, between], f"{name}.out")

    def _norm(self, source: str, name: str, output: str) -> str:
        return self.norm(source, name, output, biased=bool(self.config["norm_bias"]))

    def _attention(self, block: int, normed: str, *, local: bool) -> str:
        name, width = f"b{block}", self.width
        packed = self.product(
            normed,
            f"layers.{block}.attn.Wqkv",
            f"{name}.qkv",
            biased=bool(self.config["attention_bias"]),
        )
        self.split(packed, [2 * width, width], [f"{name}.qk", f"{name}.v"], f"{name}.split")
        turned = self._turned(block, f"{name}.qk", "local" if local else "global")
        self.split(turned, [width, width], [f"{name}.q", f"{name}.k"], f"{name}.turned.split")
        none = self.constant("no.bias", np.zeros(3 * width, np.float32))
        parts = [f"{name}.{part}" for part in "qkv"]
        return self.attention(name, parts, none, self._window(block) if local else "")

    def _turned(self, block: int, pairs: str, kind: str) -> str:
        """Queries and keys side by side, [B, S, 2 D], each turned by its place."""
        name, half = f"b{block}", self.width // self.heads // 2
        apart = self.constant("turn.heads", np.array([0, 0, 2 * self.heads, -1], np.int64))
        together = self.constant("turn.flat", np.array([0, 0, -1], np.int64))
        cosines, sines = (
            self.first(table, f"turn.{kind}.{which}", block)
            for which, table in zip(("cos", "sin"), self._tables(kind), strict=True)
        )
        heads = self.add("Reshape", [pairs, apart], f"{name}.heads")
        halves = [f"{name}.first", f"{name}.second"]
        self.split(heads, [half, half], halves, f"{name}.heads.halves")
        swapped = self.add("Concat", halves[::-1], f"{name}.swapped", axis=-1)
        straight = self.add("Mul", [heads, cosines], f"{name}.straight")
        across = self.add("Mul", [swapped, sines], f"{name}.across")
        turned = self.add("Add", [straight, across], f"{name}.turned.heads")
        return self.add("Reshape", [turned, together], f"{name}.turned")

    def _tables(self, kind: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Cosines and signed sines, float32 [tokens, 1, D / H] each."""
        theta = self.config[f"{kind}_rope_theta"] or self.config["global_rope_theta"]
        size = self.width // self.heads
        steps = np.arange(0, size, 2, dtype=np.float32) / np.float32(size)
        frequencies = 1 / np.float32(theta) ** steps
        angles = np.arange(self.tokens, dtype=np.float32)[:, None] * frequencies
        cosines, sines = np.cos(angles), np.sin(angles)
        return (
            np.concatenate([cosines, cosines], axis=1)[:, None].astype(np.float32),
            np.concatenate([-sines, sines], axis=1)[:, None].astype(np.float32),
        )

    def _window(self, block: int) -> str:
        """What scores get of tokens outside the window: so little that nothing of them is seen."""
        apart = np.abs(np.arange(1 - self.tokens, self.tokens))
        row = np.where(apart <= int(self.config["local_attention"]) // 2, 0, FAR)
        table = np.repeat(row[None], self.heads, axis=0).astype(np.float32)
        return self.by_distance(table, "window", block)


def _graph(folder: Path, config: Mapping[str, Any], tokens: int) -> ModelProto:
    """See `TextEncoder`."""
    if config.get("rope_scaling"):
        raise BackboneError(
            f"{folder}: expected positions that are not scaled, found rope_scaling; use another"
            " encoder"
        )
    writer = _Writer(
        read_weights(folder, ("model.",), _WORDS),
        float(config["norm_eps"]),
        str(folder),
        tokens=tokens,
        heads=int(config["num_attention_heads"]),
    )
    writer.config, writer.width = config, int(config["hidden_size"])
    writer.activation = activation(str(config["hidden_activation"]), folder)
    writer.constant("words", writer.weight(_WORDS).astype(np.float32))
    writer.lengths()
    writer.add("Gather", ["words", IDS], "words.rows")
    biased = bool(config["norm_bias"])
    stream = writer.norm("words.rows", "embeddings.norm", "embedded", biased=biased)
    for block in range(int(config["num_hidden_layers"])):
        stream = writer.block(block, stream)
    last = writer.norm(stream, "final_norm", "last.norm", biased=biased)
    return writer.model(last, writer.width)


def _positions(config: Mapping[str, Any]) -> int:
    return int(config["max_position_embeddings"])


#: Which tokens a text has is part of what attention sees: none may be left out while training.
MODERNBERT = TextEncoder(graph=_graph, positions=_positions, keep_positions=None)
