"""One job as its folder holds it: what was asked for, what became of it, and the examples that go to
its process.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import filelock

from cfedge.bundle.arrays import dump_arrays
from cfedge.console.wording import in_console
from cfedge.inputs.modality import Input, Stored
from cfedge.plain_files import read_plain

__all__ = ["Job", "Labelled", "dumped", "is_alive", "read_note", "why_died"]

#: After which a process that has not begun is taken for dead, in seconds.
_BEGIN_S = 30.0


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


def is_alive(
    folder: Path,
    request: Mapping[str, Any],
    progress: Mapping[str, Any],
    process: subprocess.Popen[bytes] | None,
) -> bool:
    """Whether a job is at work, or may still begin; its process is known where this console began
    it.
    """
    lock = filelock.FileLock(folder / "alive.lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        return True
    except OSError:
        return False
    lock.release()
    if process is not None and process.poll() is not None:
        return False
    begun = float(request.get("begun", 0.0))
    return not progress and time.time() - begun < _BEGIN_S


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
