"""What MPNet has beside the contract of all families: distances of two tokens in buckets."""

from __future__ import annotations

import numpy as np
import torch

from cfedge_export.architectures.text.mpnet import distances


def test_distances_have_the_librarys_buckets_near_and_far() -> None:
    from transformers.models.mpnet.modeling_mpnet import MPNetEncoder

    apart = torch.arange(1 - 512, 512)
    expected = MPNetEncoder.relative_position_bucket(apart, num_buckets=32)
    assert len(set(expected.tolist())) == 31
    assert np.array_equal(distances(512), expected.numpy())
