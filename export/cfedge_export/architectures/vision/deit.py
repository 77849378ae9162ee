"""DeiT (Touvron et al. 2020, arXiv 2012.12877): ViT with a row of its teacher's beside the class."""

from __future__ import annotations

import dataclasses

from cfedge_export.architectures.vision.encoder import VisionEncoder
from cfedge_export.architectures.vision.vit import VIT_LAYOUT

__all__ = ["DEIT"]

DEIT = VisionEncoder(
    dataclasses.replace(
        VIT_LAYOUT, before=("embeddings.cls_token", "embeddings.distillation_token")
    ),
    prefixes=("deit.",),
)
