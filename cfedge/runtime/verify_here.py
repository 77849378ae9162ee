"""Verify a bundle in this process: open it and answer its golden vectors. What the child of
`cfedge.runtime.verification` runs.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cfedge.bundle.files import Bundle, read
from cfedge.bundle.graph import check_graphs
from cfedge.errors import CfedgeError, IncompatibleError, InputError
from cfedge.runtime.engine import Engine
from cfedge.runtime.golden import check_golden, golden_inputs
from cfedge.runtime.verification import MARK, stopped
from cfedge.store import Store

__all__ = ["main", "verify_here"]


def verify_here(
    bundle: Bundle,
    *,
    threads: int = 1,
    vectors: Mapping[str, int] | None = None,
) -> None:
    """Open a bundle and answer its golden vectors in this process.

    Parameters
    ----------
    threads, vectors
        See `cfedge.runtime.verification.verify`.

    Raises
    ------
    BundleError
        See `check_graphs`, `Engine` and `check_golden`; or an input as large as the backbone reads
        cannot be answered.
    """
    check_graphs(bundle)
    engine = Engine(bundle, threads=threads)
    try:
        check_golden(engine, bundle, vectors)
        first = bundle.manifest.tasks[0]
        what = f"golden vectors of task {first.name!r}"
        (value,) = golden_inputs(engine.modality, bundle[first.golden], what, most=1)
        engine.predict([engine.modality.largest(value)])
    except InputError as error:
        raise IncompatibleError(
            f"could not answer the golden vectors: {error}; export the bundle again"
        ) from error


def main() -> None:
    """Do in the child what its standard input asks for, and say how it went; the limits count from
    here.
    """
    asked = json.load(sys.stdin)
    try:
        _limit(asked["limit_s"] * asked["threads"], asked["limit_bytes"])
        _verify(asked)
        said: dict[str, object] = {"verified": True}
    except CfedgeError as error:
        said = {"refused": type(error).__name__, "message": str(error)}
    except Exception as error:  # whatever a package raises says that the bundle does not fit
        reason = (str(error).splitlines() or ["no message"])[0][:200]
        refusal = stopped(Path(asked["folder"]), f"{type(error).__name__}: {reason}")
        said = {"refused": type(refusal).__name__, "message": str(refusal)}
    print(f"\n{MARK}{json.dumps(said)}", flush=True)


def _verify(asked: dict[str, Any]) -> None:
    folder = Path(asked["folder"])
    bundle = (
        read(folder) if asked["generation"] is None else Store(folder).bundle(asked["generation"])
    )
    if bundle.manifest.digest != asked["digest"]:
        raise IncompatibleError(
            f"{folder}: expected bundle {asked['digest'][:12]}, found"
            f" {bundle.manifest.digest[:12]}, which took its place; try again"
        )
    verify_here(bundle, threads=asked["threads"], vectors=asked["vectors"])


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
