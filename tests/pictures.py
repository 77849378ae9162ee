"""Digits as pictures, and what lite0 learned from them, made once in a run."""

from __future__ import annotations

import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from once import initialised, made_once

from cfedge import Workspace
from cfedge.errors import BackboneError, MissingExtraError
from cfedge.train.workspace.backbones import find

__all__ = ["taught"]


def taught(factory: pytest.TempPathFactory) -> Path:
    """Return a folder with ``data``, a ``ws`` of two tasks and its ``bundle``; whoever changes what
    is in it copies it first. Skip where the weights are not there.
    """
    try:
        find("lite0")
    except (BackboneError, MissingExtraError) as error:
        pytest.skip(f"lite0's weights are not here: {error}")

    def make(folder: Path) -> None:
        _draw(folder / "data")
        shutil.copytree(initialised(factory, "--backbone", "lite0")[0], folder / "ws")
        workspace = Workspace(folder / "ws")
        for task in ("low", "high"):
            workspace.add(task, folder / "data" / task, method="closed-form")
        workspace.export(folder / "bundle")

    return made_once(factory, "taught-pictures", make)


def _draw(folder: Path) -> None:
    """scikit-learn's digits as pictures, one folder a label, two tasks."""
    from sklearn.datasets import load_digits

    data = load_digits()
    for task, labels in (("low", (0, 1, 2)), ("high", (7, 8, 9))):
        for label in labels:
            target = folder / task / f"n{label}"
            target.mkdir(parents=True)
            for number, row in enumerate(np.flatnonzero(data.target == label)[:30]):
                pixels = (data.images[row] * 15.9).astype(np.uint8)
                PIL.Image.fromarray(pixels).resize((64, 64)).save(target / f"{number:02}.png")


def bomb() -> bytes:
    """A PNG of a few kilobytes that says it has 40,000 x 40,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        whole = kind + data
        return struct.pack(">I", len(data)) + whole + struct.pack(">I", zlib.crc32(whole))

    head = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 0, 0, 0, 0)
    body = zlib.compress(b"\0" * 4_000_000, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
