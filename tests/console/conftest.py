"""Consoles on copies of the tiny bundle and workspace; they are stopped at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import desks
import pytest


@pytest.fixture
def opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., desks.Opened]]:
    monkeypatch.setenv("CFEDGE_KEEP_KEY", str(tmp_path / "keep.key"))
    started: list[desks.Opened] = []

    def one(*places: Path | None, **options: Any) -> desks.Opened:
        started.append(desks.start(*places, **options))
        return started[-1]

    yield one
    for console in started:
        console.stop()


@pytest.fixture
def console(
    opened: Callable[..., desks.Opened], tiny_bundle: Path, tiny_workspace: Path, tmp_path: Path
) -> desks.Opened:
    """A console with a bundle, its workspace, and an empty folder to keep in."""
    return opened(tiny_bundle, tiny_workspace, tmp_path / "kept")
