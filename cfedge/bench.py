"""Time a bundle on this machine, in processes of their own: cold start, latency of one input, peak
memory, sizes.

The inputs are the bundle's golden ones. Every child uses the same session settings as the engine (it
is the engine).
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

from cfedge.device import Machine, probe
from cfedge.footprint import Quantiles, child, dumped, golden, of_bundle, quantiles
from cfedge.runtime.adapters import AdapterStats
from cfedge.store import bundle_at

__all__ = ["Bench", "measure"]

_COLD = """
import json, sys
from cfedge import Engine
from cfedge.runtime.golden import golden_inputs
limit = json.loads(sys.argv[3])
engine = Engine.open(sys.argv[1], threads=int(sys.argv[2]), adapter_bytes=limit)
inputs = golden_inputs(engine.modality, sys.stdin.buffer.read(), "input to time")
print(engine.predict(inputs)[0].label, flush=True)
"""


@dataclass(frozen=True)
class Bench:
    """One bundle on one machine; times in milliseconds, sizes in bytes; `adapters` after the timed
    calls, and `times_ms` of each of them.
    """

    machine: Machine
    threads: int
    tasks: int
    latency_ms: Quantiles
    cold_start_ms: Quantiles
    peak_rss_bytes: int
    adapters: AdapterStats
    backbone_bytes: int
    task_bytes: dict[str, int]
    times_ms: tuple[float, ...] = ()


def measure(
    path: Path,
    *,
    runs: int = 200,
    threads: int = 1,
    adapter_bytes: int | None = None,
    cold_starts: int = 5,
) -> Bench:
    """Measure the bundle, or what answers of the store, in `path`.

    Parameters
    ----------
    runs
        Timed calls with one input, after 20 untimed ones.
    threads
        Of ONNX Runtime.
    adapter_bytes
        Of adapters kept in memory; None: no limit.
    cold_starts
        New processes timed from start to first answer.
    """
    bundle = bundle_at(path)
    modality, inputs = golden(bundle)
    warm = of_bundle(path, runs=runs, threads=threads, adapter_bytes=adapter_bytes)
    settings = [str(path), str(threads), json.dumps(adapter_bytes)]
    cold = []
    for run in range(
        -1, cold_starts
    ):  # the first answers the golden vectors, where that is still to be done
        start = time.perf_counter()
        child(_COLD, settings, dumped(modality, [inputs[run % len(inputs)]]))
        cold.append(1e3 * (time.perf_counter() - start))
    backbone = bundle.manifest.backbone
    assert warm.adapters is not None
    return Bench(
        machine=probe(),
        threads=threads,
        tasks=len(bundle.manifest.tasks),
        latency_ms=warm.latency_ms,
        cold_start_ms=quantiles(cold[1:]),
        peak_rss_bytes=warm.peak_rss_bytes,
        adapters=warm.adapters,
        backbone_bytes=sum(ref.size for ref in backbone.files().values()),
        task_bytes={
            task.name: task.adapter.size + task.signature.size + task.golden.size
            for task in bundle.manifest.tasks
        },
        times_ms=warm.times_ms,
    )
