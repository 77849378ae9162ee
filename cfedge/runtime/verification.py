"""Open a bundle in a child process under limits, and answer its golden vectors there, before it is
opened here.

A graph may run for ever, fill the memory or kill the process that opens it, already while ONNX
Runtime loads it. It does so to nobody but the child. Done once on a machine: that a bundle passed
is noted (`cfedge.runtime.golden`).
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cfedge.errors
from cfedge.bundle.files import Bundle, read
from cfedge.bundle.graph import check_graphs
from cfedge.bundle.manifest import Manifest
from cfedge.errors import CfedgeError, IncompatibleError, InputError, MachineError
from cfedge.runtime.golden import (
    Answering,
    check_golden,
    golden_inputs,
    has_passed,
    note_passed,
)
from cfedge.store import Store

__all__ = ["LIMITS", "Limits", "main", "verify", "verify_here", "verify_once"]


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
_MARK = "cfedge-proof "
#: The path is the parent's, so that it is the same cfedge, and nothing of the current folder that
#: the parent would not import.
_PROGRAM = (
    "import sys; sys.path[:] = sys.argv[1:]; from cfedge.runtime.engine import Engine; from"
    " cfedge.runtime.verification import main; main(Engine)"
)


def verify_once(
    folder: Path, manifest: Manifest, *, threads: int, generation: int | None = None
) -> None:
    """`verify` a bundle unless this machine has passed it before.

    Raises
    ------
    BundleError, StorageError, MachineError
        See `verify`.
    """
    if not has_passed(manifest, threads):
        verify(folder, manifest, threads=threads, generation=generation)
        note_passed(manifest, threads)


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


def verify_here(
    bundle: Bundle,
    opened: Callable[..., Answering],
    *,
    threads: int = 1,
    vectors: Mapping[str, int] | None = None,
) -> None:
    """Open a bundle and answer its golden vectors in this process.

    Parameters
    ----------
    opened
        `cfedge.Engine`, which itself calls this module.
    threads, vectors
        See `verify`.

    Raises
    ------
    BundleError
        See `check_graphs`, `Engine` and `check_golden`; or an input as large as the backbone reads
        cannot be answered.
    """
    check_graphs(bundle)
    engine = opened(bundle, threads=threads)
    try:
        check_golden(engine, bundle, vectors)
        first = bundle.manifest.tasks[0]
        what = f"golden vectors of task {first.name!r}"
        (value,) = golden_inputs(engine.modality, bundle[first.golden], what, most=1)
        engine.predict([engine.modality.largest(value)])
    except InputError as error:
        raise IncompatibleError(
            f"golden vectors: expected to be answered, found {error}; export the bundle again"
        ) from error


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
        raise _stopped(folder, f"no answer in {limit_s:g} s") from error
    except OSError as error:
        raise MachineError(
            f"{folder}: expected to try it in a child process, found {error.strerror or error};"
            " make room and try again"
        ) from error
    said = [line.removeprefix(_MARK) for line in done.stdout.splitlines() if line.startswith(_MARK)]
    if done.returncode < 0:
        raise _stopped(folder, f"death by {_named(-done.returncode)}")
    if done.returncode or not said:
        raise _stopped(folder, (done.stderr.strip() or "no message").splitlines()[-1][:200])
    found: dict[str, Any] = json.loads(said[-1])
    return found


def _stopped(folder: Path, found: str) -> IncompatibleError:
    return IncompatibleError(
        f"{folder}: expected to open and to answer its golden vectors in a child process, found"
        f" {found}; get the bundle again"
    )


def _named(number: int) -> str:
    import signal

    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def main(opened: Callable[..., Answering]) -> None:
    """Do in the child what its standard input asks for, and say how it went; the limits count from
    here.
    """
    asked = json.load(sys.stdin)
    try:
        _limit(asked["limit_s"] * asked["threads"], asked["limit_bytes"])
        _verify(asked, opened)
        said: dict[str, object] = {"passed": True}
    except CfedgeError as error:
        said = {"refused": type(error).__name__, "message": str(error)}
    except Exception as error:  # whatever a package raises says that the bundle does not fit
        reason = (str(error).splitlines() or ["no message"])[0][:200]
        refusal = _stopped(Path(asked["folder"]), f"{type(error).__name__}: {reason}")
        said = {"refused": type(refusal).__name__, "message": str(refusal)}
    print(f"\n{_MARK}{json.dumps(said)}", flush=True)


def _verify(asked: dict[str, Any], opened: Callable[..., Answering]) -> None:
    folder = Path(asked["folder"])
    bundle = (
        read(folder) if asked["generation"] is None else Store(folder).bundle(asked["generation"])
    )
    if bundle.manifest.digest != asked["digest"]:
        raise IncompatibleError(
            f"{folder}: expected bundle {asked['digest'][:12]}, found"
            f" {bundle.manifest.digest[:12]}, which took its place; try again"
        )
    verify_here(bundle, opened, threads=asked["threads"], vectors=asked["vectors"])


def _limit(limit_s: float, limit_bytes: int) -> None:
    """Bound this process's CPU time, and the memory that it may take from here on; it is the first
    to go where that runs out.
    """
    try:
        import resource
    except ImportError:
        return  # Windows has no such limits
    resource.setrlimit(resource.RLIMIT_CPU, (int(limit_s) + 1, int(limit_s) + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", "ascii")
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    except OSError:
        return  # no Linux: the system does not hold a process to such a limit
    limit = pages * resource.getpagesize() + limit_bytes
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
