"""SigLIP's vision tower (Zhai et al. 2023, arXiv 2303.15343): nothing stands before the patches.

Its own pooling, an attention of one query, is left out: features are the mean over them.
"""

from __future__ import annotations

from cfedge_export.architectures.vision.encoder import VisionEncoder
from cfedge_export.architectures.vision.graph import Layout

__all__ = ["SIGLIP"]

SIGLIP = VisionEncoder(
    Layout(
        patches="embeddings.patch_embedding",
        positions="embeddings.position_embedding.weight",
        before=(),
        blocks="encoder.layers.{}",
        norms=("layer_norm1", "layer_norm2"),
        query="self_attn.q_proj",
        key="self_attn.k_proj",
        value="self_attn.v_proj",
        out="self_attn.out_proj",
        up="mlp.fc1",
        down="mlp.fc2",
        last_norm="post_layernorm",
        reads_class=False,
    ),
    prefixes=("vision_model.",),
)
