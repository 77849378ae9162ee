"""One job as its folder holds it: what was asked for, what became of it, and the examples that go to
its process.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cfedge.bundle.arrays import dump_arrays
from cfedge.console.wording import in_console
from cfedge.inputs.modality import Input, Stored
from cfedge.plain_files import read_plain

__all__ = ["Job", "Labelled", "dumped", "read_note", "why_died"]


@dataclass(frozen=True)
class Labelled:
    """Examples for a change: inputs, a label for each, and the numbers that they are kept under."""

    inputs: tuple[Input, ...]
    labels: tuple[str, ...]
    numbers: tuple[int, ...]


@dataclass(frozen=True)
class Job:
    """One change and what became of it.

    Attributes
    ----------
    state
        ``working``, ``ready``, ``failed``, ``answers``, ``taken back`` or ``dropped``.
    request, progress, result
        What its files say; empty where there is none.
    """

    name: str
    state: str
    request: dict[str, Any]
    progress: dict[str, Any]
    result: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON types, what the library says of it in the console's words."""
        told = dict(self.result)
        if "error" in told:
            told["error"] = in_console(str(told["error"]))
        told["advice"] = [in_console(str(line)) for line in told.get("advice") or ()]
        return {**asdict(self), "result": told}


def dumped(examples: Labelled | None, stored: Stored) -> bytes:
    """Return examples as a job's process reads them."""
    if examples is None:
        return b""
    dumped = stored.dump(examples.inputs)
    note = {"inputs": dumped.notes, "labels": list(examples.labels)}
    return dump_arrays(dumped.arrays, note)


def read_note(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file; empty where there is none."""
    try:
        found = json.loads(read_plain(path))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def why_died(folder: Path) -> str:
    """Say why a process left no result, as far as can be known."""
    lines: Sequence[str] = []
    try:
        lines = read_plain(folder / "log.txt").decode("utf-8", "replace").strip().splitlines()
        free = shutil.disk_usage(folder).free
    except OSError:
        free = -1
    said = f"; it said: {lines[-1][:300]}" if lines else ""
    return (
        "could not finish: its process ended without a result, perhaps for want of memory or disk"
        f" ({free} bytes are free){said}; nothing was changed: make room and teach again"
    )
