"""Time a bundle on this machine, in processes of their own: cold start, latency of one text, peak memory, sizes.

The texts are the bundle's golden ones. Every child uses the same session settings as the engine (it is the engine).
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cfedge.bundle.files import Bundle, load_note
from cfedge.device import Machine, probe
from cfedge.errors import CfedgeError
from cfedge.runtime.adapters import AdapterStats
from cfedge.store import bundle_at

__all__ = ["Bench", "Quantiles", "golden_texts", "measure"]

_COLD = """
import json, sys
from cfedge import Engine
limit = json.loads(sys.argv[3])
print(Engine.open(sys.argv[1], threads=int(sys.argv[2]), adapter_bytes=limit).predict([sys.argv[4]])[0].label, flush=True)
"""
_WARM = """
import dataclasses, json, resource, sys, time
from cfedge import Engine
engine = Engine.open(sys.argv[1], threads=int(sys.argv[2]), adapter_bytes=json.loads(sys.argv[3]))
texts, runs, times = json.loads(sys.stdin.read()), int(sys.argv[4]), []
for run in range(runs + 20):
    start = time.perf_counter()
    engine.predict([texts[run % len(texts)]])
    times.append(1e3 * (time.perf_counter() - start))
rss, adapters = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, dataclasses.asdict(engine.adapters.stats)
print(json.dumps({"ms": times[20:], "rss": rss, "adapters": adapters}))
"""


@dataclass(frozen=True)
class Quantiles:
    """Of `n` measurements, in milliseconds."""

    p50: float
    p90: float
    p99: float
    n: int


@dataclass(frozen=True)
class Bench:
    """One bundle on one machine; times in milliseconds, sizes in bytes; `adapters` after the timed calls."""

    machine: Machine
    threads: int
    tasks: int
    latency_ms: Quantiles
    cold_start_ms: Quantiles
    peak_rss_bytes: int
    adapters: AdapterStats
    backbone_bytes: int
    task_bytes: dict[str, int]


def measure(path: Path, *, runs: int = 200, threads: int = 1, adapter_bytes: int | None = None, cold_starts: int = 5) -> Bench:
    """Measure the bundle, or what answers of the store, in `path`.

    Parameters
    ----------
    runs
        Timed calls with one text, after 20 untimed ones.
    threads
        Of ONNX Runtime.
    adapter_bytes
        Of adapters kept in memory; None: no limit.
    cold_starts
        New processes timed from start to first answer.
    """
    bundle = bundle_at(path)
    texts = golden_texts(bundle)
    settings = [str(path), str(threads), json.dumps(adapter_bytes)]
    warm = json.loads(_child(_WARM, [*settings, str(runs)], json.dumps(texts)))
    cold = []  # after the warm process, which has answered the golden vectors where that was still to be done
    for run in range(cold_starts):
        start = time.perf_counter()
        _child(_COLD, [*settings, texts[run % len(texts)]])
        cold.append(1e3 * (time.perf_counter() - start))
    backbone = bundle.manifest.backbone
    return Bench(
        machine=probe(),
        threads=threads,
        tasks=len(bundle.manifest.tasks),
        latency_ms=_quantiles(warm["ms"]),
        cold_start_ms=_quantiles(cold),
        peak_rss_bytes=warm["rss"] * (1 if sys.platform == "darwin" else 1024),
        adapters=AdapterStats(**warm["adapters"]),
        backbone_bytes=backbone.trunk.size + backbone.tail.size + backbone.tokenizer.size,
        task_bytes={task.name: task.adapter.size + task.signature.size + task.golden.size for task in bundle.manifest.tasks},
    )


def golden_texts(bundle: Bundle) -> list[str]:
    """Return the texts of every task's golden vectors."""
    texts: list[str] = []
    for task in bundle.manifest.tasks:
        found = load_note(bundle[task.golden], f"golden vectors of task {task.name!r}")["texts"]
        assert isinstance(found, list)
        texts.extend(str(text) for text in found)
    return texts


def _child(code: str, arguments: Sequence[str], content: str = "") -> str:
    done = subprocess.run([sys.executable, "-c", code, *arguments], input=content, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise CfedgeError(f"bench: expected a process that answers, found exit {done.returncode}: {last}")
    return done.stdout


def _quantiles(times_ms: Sequence[float]) -> Quantiles:
    p50, p90, p99 = (float(value) for value in np.quantile(np.asarray(times_ms, np.float64), [0.5, 0.9, 0.99]))
    return Quantiles(p50, p90, p99, len(times_ms))
