"""Time and memory of answering, in processes of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cfedge.bundle.files import read
from cfedge.errors import CfedgeError
from cfedge.footprint import child, golden, of_backbone, of_bundle
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge.train.workspace.index import file_name


def test_a_bundle_is_measured_in_a_process_that_holds_nothing_of_the_parents(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CFEDGE_CACHE", str(tmp_path / "cache"))
    held = np.ones(60_000_000)
    found = of_bundle(tiny_bundle, runs=30, threads=2)
    assert found.threads == 2
    assert found.latency_ms.n == 30
    assert 0 < found.latency_ms.p50 <= found.latency_ms.p90 <= found.latency_ms.p99
    assert 20_000_000 < found.peak_rss_bytes < held.nbytes
    assert not (
        tmp_path / "cache"
    ).exists()  # the golden vectors are answered each time, as on a device that first opens it


def test_a_backbone_is_measured_without_any_task(tiny_workspace: Path, tiny_bundle: Path) -> None:
    workspace = WorkspaceFolder(tiny_workspace)
    files = {role: workspace.backbone_file(file_name(role)) for role in workspace.backbone.files()}
    found = of_backbone(workspace.backbone, files, golden(read(tiny_bundle))[1][:3], runs=10)
    assert found.latency_ms.n == 10
    assert found.peak_rss_bytes > 20_000_000


def test_a_child_that_fails_is_one_line_with_its_last_words(tiny_bundle: Path) -> None:
    with pytest.raises(
        CfedgeError, match="expected a process that answers, found exit 1: SystemError: lost"
    ):
        child("raise SystemError('lost')", [])
    (tiny_bundle / "objects").rename(tiny_bundle / "gone")
    with pytest.raises(CfedgeError):
        of_bundle(tiny_bundle, runs=10)
