"""What answering takes: the time of one input and the peak memory of the process, each measured in a
fresh child.

A child opens what a device would open, with nothing of the parent's in its memory, answers one input
at a time and reports. Before that it answers a bundle's golden vectors, as a device does when it
first opens one: its note that it did goes to a cache of its own.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import cfedge.inputs
from cfedge.bundle.arrays import dump_arrays
from cfedge.bundle.files import Bundle
from cfedge.bundle.manifest import Backbone
from cfedge.errors import CfedgeError
from cfedge.inputs.modality import Input, Modality
from cfedge.runtime.adapters import AdapterStats
from cfedge.runtime.golden import golden_inputs
from cfedge.scratch import scratch_folder
from cfedge.store import bundle_at

__all__ = [
    "Footprint",
    "Quantiles",
    "child",
    "dumped",
    "golden",
    "of_backbone",
    "of_bundle",
    "quantiles",
]

#: Answers before the clock counts.
UNTIMED = 20

_ANSWER = """
import dataclasses, json, sys, time
from cfedge.device import peak_rss_bytes
from cfedge.runtime.golden import golden_inputs
OPEN
inputs = golden_inputs(modality, sys.stdin.buffer.read(), "inputs to time")
runs, untimed, times = int(sys.argv[3]), int(sys.argv[4]), []
for run in range(runs + untimed):
    start = time.perf_counter()
    answer(inputs[run % len(inputs)])
    times.append(1e3 * (time.perf_counter() - start))
print(json.dumps({"ms": times[untimed:], "rss": peak_rss_bytes(), "adapters": stats()}))
"""
_BUNDLE = """
from cfedge import Engine
engine = Engine.open(sys.argv[1], threads=int(sys.argv[2]), adapter_bytes=json.loads(sys.argv[5]))
modality = engine.modality
answer = lambda value: engine.predict([value])
stats = lambda: dataclasses.asdict(engine.adapters.stats)
"""
_BACKBONE = """
from pathlib import Path
import numpy as np
from cfedge.bundle.canonical import typed
from cfedge.bundle.manifest import Backbone
from cfedge.runtime.encoder import Encoder
folder, threads = Path(sys.argv[1]), int(sys.argv[2])
backbone = typed(Backbone, json.loads((folder / "backbone.json").read_bytes()), "backbone")
files = {role: (folder / role).read_bytes() for role in backbone.files()}
encoder = Encoder.of(files, backbone, threads=threads)
slots = {f"a.{slot.name}": np.zeros((1, slot.rows, 8), np.float32) for slot in backbone.slots}
slots |= {f"b.{slot.name}": np.zeros((1, 8, slot.columns), np.float32) for slot in backbone.slots}
modality = encoder.modality
answer = lambda value: encoder.tail(encoder([value]).hidden, [slots])
stats = lambda: None
"""


@dataclass(frozen=True)
class Quantiles:
    """Of `n` measurements, in milliseconds."""

    p50: float
    p90: float
    p99: float
    n: int


@dataclass(frozen=True)
class Footprint:
    """One process that answers one input at a time with so many threads of ONNX Runtime; `times_ms`
    of each timed answer, in their order.
    """

    threads: int
    latency_ms: Quantiles
    peak_rss_bytes: int
    adapters: AdapterStats | None = None
    times_ms: tuple[float, ...] = ()


def of_bundle(
    path: Path, *, runs: int = 200, threads: int = 1, adapter_bytes: int | None = None
) -> Footprint:
    """Measure an engine on the bundle or store in `path`: `runs` timed answers to its golden inputs
    in turn.

    Parameters
    ----------
    adapter_bytes
        See `cfedge.Engine.open`.

    Raises
    ------
    CfedgeError
        The child did not answer.
    """
    content = dumped(*golden(bundle_at(path)))
    return _measured(_BUNDLE, path, content, runs, threads, adapter_bytes)


def of_backbone(
    backbone: Backbone,
    files: Mapping[str, bytes],
    inputs: Sequence[Input],
    *,
    runs: int = 200,
    threads: int = 1,
) -> Footprint:
    """Measure a backbone alone: its inputs' preparation, trunk, and tail with slots of rank 8; neither lookup nor
    heads.

    Parameters
    ----------
    files
        By role, as of `Backbone.files`.

    Raises
    ------
    CfedgeError
        The child did not answer.
    """
    with scratch_folder() as scratch:
        for role in backbone.files():
            (scratch / role).write_bytes(files[role])
        (scratch / "backbone.json").write_text(
            json.dumps(dataclasses.asdict(backbone)), encoding="utf-8"
        )
        modality = cfedge.inputs.of(backbone.input, files, verified=True)
        return _measured(_BACKBONE, scratch, dumped(modality, inputs), runs, threads)


def golden(bundle: Bundle) -> tuple[Modality, list[Input]]:
    """Return the inputs of every task's golden vectors, and their kind."""
    backbone = bundle.manifest.backbone
    files = {role: bundle[ref] for role, ref in backbone.input.files().items()}
    modality = cfedge.inputs.of(backbone.input, files, verified=True)
    inputs: list[Input] = []
    for task in bundle.manifest.tasks:
        what = f"golden vectors of task {task.name!r}"
        inputs.extend(golden_inputs(modality, bundle[task.golden], what))
    return modality, inputs


def dumped(modality: Modality, inputs: Sequence[Input]) -> bytes:
    """Return inputs as one file, which `golden_inputs` reads in a child."""
    arrays, notes = modality.dump(inputs)
    return dump_arrays({"embeddings": np.zeros(1, np.float32), **arrays}, {"inputs": notes})


def child(
    code: str,
    arguments: Sequence[str],
    content: bytes = b"",
    environment: Mapping[str, str] | None = None,
) -> str:
    """Run Python code in a process of its own and return what it prints.

    Raises
    ------
    CfedgeError
        It failed.
    """
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], input=content, capture_output=True, check=False,
        env={**os.environ, **(environment or {})},
    )  # fmt: skip
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip()
        last = (said.splitlines() or ["no message"])[-1]
        raise CfedgeError(
            f"bench: expected a process that answers, found exit {done.returncode}: {last}"
        )
    return done.stdout.decode("utf-8")


def quantiles(times_ms: Sequence[float]) -> Quantiles:
    """Summarize."""
    p50, p90, p99 = (
        float(value) for value in np.quantile(np.asarray(times_ms, np.float64), [0.5, 0.9, 0.99])
    )
    return Quantiles(p50, p90, p99, len(times_ms))


def _measured(
    opening: str,
    path: Path,
    content: bytes,
    runs: int,
    threads: int,
    adapter_bytes: int | None = None,
) -> Footprint:
    code = _ANSWER.replace("OPEN", opening.strip())
    with scratch_folder() as cache:
        arguments = [str(path), str(threads), str(runs), str(UNTIMED), json.dumps(adapter_bytes)]
        found = json.loads(child(code, arguments, content, {"CFEDGE_CACHE": str(cache)}))
    if found["rss"] is None:
        raise CfedgeError(
            "bench: expected a system that tells a process's peak memory, found none; measure it"
            " from outside"
        )
    adapters = None if found["adapters"] is None else AdapterStats(**found["adapters"])
    times = tuple(round(float(one), 4) for one in found["ms"])
    return Footprint(threads, quantiles(found["ms"]), found["rss"], adapters, times)
