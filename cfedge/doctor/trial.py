"""The child's program: import, run a small int8 graph, answer a bundle's golden vectors; whatever
kills it kills no one else.

Prints a marked JSON line when a stage begins and when it is over, so that the parent
(`cfedge.doctor.child`) knows how far a child came that can no longer speak. Nothing heavy is
imported at the top.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable
from pathlib import Path

__all__ = ["MARK", "STAGES", "main"]

#: Begins each of our lines, whatever else a package prints.
MARK = "cfedge-trial "
STAGES = ("numpy", "onnxruntime", "int8", "bundle")


def main() -> None:
    """Run the stages in turn, the last with the bundle named on the command line; stop at the first
    that fails.
    """
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(
            resource.RLIMIT_CORE, (0, 0)
        )  # a crash leaves no core file on a small disk
    stages: dict[str, Callable[[], dict[str, object]]] = {
        "numpy": _numpy,
        "onnxruntime": _onnxruntime,
        "int8": _int8,
    }
    if len(sys.argv) > 1:
        stages["bundle"] = lambda: _bundle(Path(sys.argv[1]))
    for name, stage in stages.items():
        _say({"begin": name})
        try:
            found = stage()
        except Exception as error:  # whatever a package raises is a finding
            _say(
                {
                    "failed": name,
                    "kind": type(error).__name__,
                    "message": " ".join(str(error).split())[:500],
                }
            )
            return
        _say({"done": name, **found})


def _say(line: dict[str, object]) -> None:
    print(f"\n{MARK}{json.dumps(line)}", flush=True)


def _numpy() -> dict[str, object]:
    import numpy as np

    return {
        "version": np.__version__,
        "sum": float(np.ones(1000, np.float32) @ np.ones(1000, np.float32)),
    }


def _onnxruntime() -> dict[str, object]:
    import onnxruntime

    return {"version": str(onnxruntime.__version__)}


def _int8() -> dict[str, object]:
    import numpy as np

    from cfedge.doctor import sample
    from cfedge.runtime.session import open_session

    session = open_session(sample.graph(), "the doctor's graph")
    y8, y7 = session.run(["y8", "y7"], {"x": np.asarray(sample.rows(), np.uint8)})
    return {
        "exact_8_bit": np.array_equal(y8, np.asarray(sample.expected(127), np.float32)),
        "exact_7_bit": np.array_equal(y7, np.asarray(sample.expected(63), np.float32)),
    }


def _bundle(path: Path) -> dict[str, object]:
    from cfedge.bundle.files import read_manifest
    from cfedge.bundle.graph import check_graphs
    from cfedge.device import peak_rss_bytes
    from cfedge.runtime.child import LIMITS, limit_process
    from cfedge.runtime.engine import Engine
    from cfedge.runtime.golden import check_golden
    from cfedge.runtime.verify_here import answer_largest
    from cfedge.store import Store, bundle_at

    store = Store(path) if Store.exists(path) else None
    manifest = store.manifest(store.to_open()) if store else read_manifest(path)
    limit_process(LIMITS.time_s(manifest), LIMITS.memory_bytes(manifest))
    bundle = bundle_at(path)
    _say({"read": "bundle", "onnxruntime": bundle.manifest.versions.get("onnxruntime")})
    check_graphs(bundle)
    engine = Engine(bundle)
    cosine = check_golden(engine, bundle)
    answer_largest(engine, bundle)
    return {"tasks": len(bundle.manifest.tasks), "cosine": cosine, "peak_bytes": peak_rss_bytes()}
