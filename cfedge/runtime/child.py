"""Have a child process of this Python do what foreign bytes may make endless, greedy or deadly,
under limits of time and memory.

Whatever builds an engine from bytes that were not verified here before does it in such a child
(tests/test_architecture.py lists who may build one, and why).
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import cfedge.errors
from cfedge.bundle.manifest import Manifest
from cfedge.errors import CfedgeError, IncompatibleError, MachineError

__all__ = ["LIMITS", "Limits", "MARK", "answer_parent", "ask_child", "limit_process"]


class Limits(NamedTuple):
    """What a child may take. An honest one takes a small part of it: some 3 s and 200 MB for MiniLM
    with ten tasks (x86-64).
    """

    start_s: float = 300.0  # imports from a slow card, and the first task's vectors
    task_s: float = 10.0  # 16 vectors, three times each, on the slowest board
    #: Beyond what Python, NumPy and ONNX Runtime have once they are imported.
    room_bytes: int = 1 << 30
    #: Of the bundle's files: read, decoded, packed for the CPU, in use; never more than the
    #: machine's memory.
    copies: int = 8

    def time_s(self, manifest: Manifest) -> float:
        """Of a bundle."""
        return self.start_s + self.task_s * len(manifest.tasks)

    def memory_bytes(self, manifest: Manifest) -> int:
        """Of a bundle."""
        from cfedge.device import probe  # some milliseconds, which a cold start need not wait for

        size = sum({ref.sha256: ref.size for ref in manifest.files().values()}.values())
        return self.room_bytes + min(self.copies * size, probe().memory_bytes or sys.maxsize)


LIMITS = Limits()

#: Begins the line that the child says; packages may print others.
MARK = "cfedge-child "
#: The path is the parent's, so that it is the same cfedge, and nothing of the current folder that
#: the parent would not import.
_PROGRAM = "import sys; sys.path[:] = sys.argv[1:]; from {module} import main; main()"


def ask_child(
    module: str,
    folder: Path,
    manifest: Manifest,
    asked: Mapping[str, object],
    *,
    threads: int = 1,
    limits: Limits | None = None,
) -> dict[str, Any]:
    """Run ``main`` of a module, which calls `answer_parent`, and return what that returned.

    Parameters
    ----------
    module
        Its name.
    folder
        Of the bundle that it opens: ``asked`` has it as ``folder`` too.
    manifest
        Of the bundle: the limits follow from it.
    asked
        JSON types.

    Raises
    ------
    BundleError, StorageError
        What the child was refused with; or it died, or took longer or more memory than it may
        (IncompatibleError).
    MachineError
        No child could be started.
    """
    limits = limits or LIMITS
    limit_s = limits.time_s(manifest)
    whole = {
        **asked,
        "folder": str(folder),
        "limit_s": limit_s * threads,
        "limit_bytes": limits.memory_bytes(manifest),
    }
    found = _said(module, folder, json.dumps(whole), limit_s)
    if "refused" in found:
        raise getattr(cfedge.errors, found["refused"])(found["message"])
    return found


def _said(module: str, folder: Path, asked: str, limit_s: float) -> dict[str, Any]:
    import subprocess  # as above

    if not sys.executable or getattr(
        sys, "frozen", False
    ):  # a program that is no Python would start itself
        raise MachineError(
            f"{folder}: expected a Python to try it with in a child process, found none here; open"
            f" it once on this machine with: cfedge predict {folder} INPUT"
        )
    command = [sys.executable, "-c", _PROGRAM.format(module=module), *sys.path]
    try:
        done = subprocess.run(
            command, input=asked, capture_output=True, encoding="utf-8",
            errors="replace", timeout=limit_s, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise _stopped(folder, f"no answer in {limit_s:g} s") from error
    except OSError as error:
        raise MachineError(
            f"could not try {folder} in a child process: {error.strerror or error}; make room"
            " and try again"
        ) from error
    said = [line.removeprefix(MARK) for line in done.stdout.splitlines() if line.startswith(MARK)]
    if done.returncode < 0:
        raise _stopped(folder, f"death by {_named(-done.returncode)}")
    if done.returncode or not said:
        raise _stopped(folder, (done.stderr.strip() or "no message").splitlines()[-1][:200])
    found: dict[str, Any] = json.loads(said[-1])
    return found


def answer_parent(work: Callable[[dict[str, Any]], dict[str, object]]) -> None:
    """Do in the child what its standard input asks for, and say how it went; the limits count from
    here.
    """
    asked = json.load(sys.stdin)
    try:
        limit_process(asked["limit_s"], asked["limit_bytes"])
        said = work(asked)
    except CfedgeError as error:
        said = {"refused": type(error).__name__, "message": str(error)}
    except Exception as error:  # whatever a package raises says that the bundle does not fit
        reason = (str(error).splitlines() or ["no message"])[0][:200]
        refusal = _stopped(Path(asked["folder"]), f"{type(error).__name__}: {reason}")
        said = {"refused": type(refusal).__name__, "message": str(refusal)}
    print(f"\n{MARK}{json.dumps(said)}", flush=True)


def limit_process(limit_s: float, limit_bytes: int) -> None:
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


def _stopped(folder: Path, found: str) -> IncompatibleError:
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
