"""What one stream of tasks is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Stream", "Unknown"]


@dataclass(frozen=True)
class Unknown:
    """Inputs of no task: each with its kind, the `file` that lists them, and what the kinds are in
    `words`.
    """

    inputs: tuple[tuple[str, str], ...]
    file: Path
    words: Mapping[str, str]


@dataclass(frozen=True)
class Stream:
    """What is learned one after another: folders of `data` by task, in order.

    `method` is how each task is learned
    (`cfedge.train.settings.Settings`). `live` are inputs whose answers are shown one by one. Inputs
    are sentences, or paths of files.
    """

    title: str
    backbone: str
    data: Mapping[str, Path]
    method: str
    unknown: Unknown
    live: tuple[str, ...]
