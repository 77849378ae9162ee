"""A backbone of one's own, and the very backbone of another workshop."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cfedge.bundle.files import read
from cfedge.errors import BackboneError
from cfedge_export.architectures.text import fusion
from cfedge_export.make_backbone import same_backbone
from cfedge_export.source import load_source


def test_another_workshops_backbone_is_made_again_bit_for_bit(
    tiny_bundle: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    like = read(tiny_bundle).manifest.backbone
    made = same_backbone(tmp_path / "ws", load_source("local", tiny_folder), like)
    assert made.backbone.digest == like.digest


def test_the_same_files_give_the_same_graph(tiny_folder: Path) -> None:
    """Not the one that `conftest.py` remembers."""
    anew = fusion.fused.__wrapped__(tiny_folder, 4, 32)  # type: ignore[attr-defined]
    assert anew.SerializeToString() == fusion.fused(tiny_folder, 4, 32).SerializeToString()


def test_a_backbone_that_comes_out_otherwise_is_refused_and_nothing_is_written(
    tiny_bundle: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    like = read(tiny_bundle).manifest.backbone
    with pytest.raises(BackboneError, match=r"expected digest .* found .*copy its workspace"):
        same_backbone(
            tmp_path / "ws",
            load_source("local", tiny_folder),
            replace(like, input=replace(like.input, max_tokens=like.input.max_tokens - 1)),
        )
    assert list(tmp_path.iterdir()) == [tmp_path / "bundle"]
