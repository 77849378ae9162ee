"""The names and the operator set that all graphs of cfedge share."""

from __future__ import annotations

__all__ = ["FEATURES", "HIDDEN", "IDS", "MASK", "OPSET"]

#: Operator set of every graph that cfedge writes: ONNX Runtime >= 1.14 reads it, and optimum
#: exports it.
OPSET = 18
#: What an encoder of sequences reads: numbers of pieces, and which of them count.
IDS, MASK = "input_ids", "attention_mask"
#: What a trunk hands to a tail, and what a trunk, a tail and a whole encoder end in.
HIDDEN, FEATURES = "hidden", "features"
