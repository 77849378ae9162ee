"""DINOv2 (Oquab et al. 2023, arXiv 2304.07193): layer scales, positions that are interpolated."""

from __future__ import annotations

import dataclasses

from cfedge_export.architectures.vision.encoder import VisionEncoder
from cfedge_export.architectures.vision.vit import VIT_LAYOUT

__all__ = ["DINOV2"]

DINOV2 = VisionEncoder(
    dataclasses.replace(
        VIT_LAYOUT,
        norms=("norm1", "norm2"),
        up="mlp.fc1",
        down="mlp.fc2",
        scales=("layer_scale1.lambda1", "layer_scale2.lambda1"),
    ),
    prefixes=("dinov2.",),
)
