"""DistilBERT: BERT without token types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from onnx import ModelProto

from cfedge_export.architectures.text.encoder import TextEncoder
from cfedge_export.architectures.text.fusion import exported

__all__ = ["DISTILBERT"]


def _fold(model: ModelProto, config: Mapping[str, Any]) -> None:
    """Nothing: the graph has no token types."""


def _positions(config: Mapping[str, Any]) -> int:
    return int(config["max_position_embeddings"])


DISTILBERT = TextEncoder(graph=exported(_fold), positions=_positions)
