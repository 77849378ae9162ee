"""DeiT (Touvron et al. 2020, arXiv 2012.12877): ViT with a second token, that of the teacher."""

from __future__ import annotations

import dataclasses

from cfedge_export.architectures.vision import VisionEncoder
from cfedge_export.architectures.vit import VIT_LAYOUT

__all__ = ["DEIT"]

DEIT = VisionEncoder(
    dataclasses.replace(
        VIT_LAYOUT, tokens=("embeddings.cls_token", "embeddings.distillation_token")
    ),
    prefixes=("deit.",),
)
