"""Open a bundle in a child process under limits, and answer its golden vectors there, before it is
opened here.

A graph may run for ever, fill the memory or kill the process that opens it, already while ONNX
Runtime loads it. It does so to nobody but the child. Done once on a machine: that a bundle passed
is noted (`cfedge.runtime.verified`). The child runs
`cfedge.runtime.verify_here`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cfedge.errors
from cfedge.bundle.manifest import Manifest
from cfedge.errors import IncompatibleError, MachineError
from cfedge.runtime.verified import is_verified, note_verified

__all__ = ["LIMITS", "Limits", "MARK", "stopped", "verify", "verify_once"]


@dataclass(frozen=True)
class Limits:
    """What a child may take. An honest one takes a small part of it: some 3 s and 200 MB for MiniLM
    with ten tasks (x86-64).
    """

    start_s: float = 300.0  # imports from a slow card, and the first task's vectors
    task_s: float = 10.0  # 16 vectors, three times each, on the slowest board
    room_bytes: int = (
        1 << 30
    )  # beyond what Python, NumPy and ONNX Runtime have once they are imported
    copies: int = 8  # of the bundle's files: read, decoded, packed for the CPU, in use; never more than the machine's memory


LIMITS = Limits()

#: Begins the line that the child says; packages may print others.
MARK = "cfedge-verification "
#: The path is the parent's, so that it is the same cfedge, and nothing of the current folder that
#: the parent would not import.
_PROGRAM = (
    "import sys; sys.path[:] = sys.argv[1:]; from cfedge.runtime.verify_here import main; main()"
)


def verify_once(
    folder: Path, manifest: Manifest, *, threads: int, generation: int | None = None
) -> None:
    """`verify` a bundle unless this machine has verified it before.

    Raises
    ------
    BundleError, StorageError, MachineError
        See `verify`.
    """
    if not is_verified(manifest, threads):
        verify(folder, manifest, threads=threads, generation=generation)
        note_verified(manifest, threads)


def verify(
    folder: Path,
    manifest: Manifest,
    *,
    threads: int = 1,
    generation: int | None = None,
    vectors: Mapping[str, int] | None = None,
    limits: Limits | None = None,
) -> None:
    """Open a bundle and answer its golden vectors in a child process.

    Parameters
    ----------
    folder
        Of the bundle, or of the store that `generation` is of.
    manifest
        Of the bundle; the child must find the same.
    threads
        Of ONNX Runtime.
    vectors
        How many to answer of each task, by name; otherwise all.

    Raises
    ------
    BundleError, StorageError
        What the child was refused with; or it died, or took longer or more memory than it may
        (IncompatibleError).
    MachineError
        No child could be started.
    """
    from cfedge.device import probe  # as with subprocess, below

    limits = limits or LIMITS
    limit_s = limits.start_s + limits.task_s * len(manifest.tasks)
    size = sum({ref.sha256: ref.size for ref in manifest.files().values()}.values())
    room = min(limits.copies * size, probe().memory_bytes or sys.maxsize)
    asked = {
        "folder": str(folder), "digest": manifest.digest, "threads": threads, "generation": generation, "vectors": vectors,
        "limit_s": limit_s, "limit_bytes": limits.room_bytes + room,
    }  # fmt: skip
    found = _child(folder, asked, limit_s)
    if "refused" in found:
        raise getattr(cfedge.errors, found["refused"])(found["message"])


def _child(folder: Path, asked: dict[str, object], limit_s: float) -> dict[str, Any]:
    import subprocess  # some milliseconds, which a bundle that has passed need not wait for

    if not sys.executable or getattr(
        sys, "frozen", False
    ):  # a program that is no Python would start itself
        raise MachineError(
            f"{folder}: expected a Python to try it with in a child process, found none here; open"
            f" it once on this machine with: cfedge predict {folder} TEXT"
        )
    command = [sys.executable, "-c", _PROGRAM, *sys.path]
    try:
        done = subprocess.run(
            command, input=json.dumps(asked), capture_output=True, text=True, encoding="utf-8", errors="replace", timeout=limit_s,
            check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise stopped(folder, f"no answer in {limit_s:g} s") from error
    except OSError as error:
        raise MachineError(
            f"could not try {folder} in a child process: {error.strerror or error}; make room"
            " and try again"
        ) from error
    said = [line.removeprefix(MARK) for line in done.stdout.splitlines() if line.startswith(MARK)]
    if done.returncode < 0:
        raise stopped(folder, f"death by {_named(-done.returncode)}")
    if done.returncode or not said:
        raise stopped(folder, (done.stderr.strip() or "no message").splitlines()[-1][:200])
    found: dict[str, Any] = json.loads(said[-1])
    return found


def stopped(folder: Path, found: str) -> IncompatibleError:
    """Return the refusal of a bundle whose child did not come to an end, with what became of it."""
    return IncompatibleError(
        f"could not answer the golden vectors of {folder} in a child process: {found}; get"
        " the bundle again"
    )


def _named(number: int) -> str:
    import signal

    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
