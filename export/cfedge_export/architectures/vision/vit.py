"""ViT (Dosovitskiy et al. 2020, arXiv 2010.11929)."""

from __future__ import annotations

from cfedge_export.architectures.vision.encoder import VisionEncoder
from cfedge_export.architectures.vision.graph import Layout

__all__ = ["VIT", "VIT_LAYOUT"]

VIT_LAYOUT = Layout(
    patches="embeddings.patch_embeddings.projection",
    positions="embeddings.position_embeddings",
    before=("embeddings.cls_token",),
    blocks="encoder.layer.{}",
    norms=("layernorm_before", "layernorm_after"),
    query="attention.attention.query",
    key="attention.attention.key",
    value="attention.attention.value",
    out="attention.output.dense",
    up="intermediate.dense",
    down="output.dense",
    last_norm="layernorm",
)
VIT = VisionEncoder(VIT_LAYOUT, prefixes=("vit.",))
