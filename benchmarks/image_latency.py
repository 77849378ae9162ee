"""One 640 x 480 JPEG, one thread: `Engine.predict` with ten tasks, heads alone and with adapters,
against the bare network; pictures of the tasks, and photographs of none.

    CFEDGE_DATA=../shared/data taskset -c 1 python benchmarks/image_latency.py
    pip install openvino==2026.4.1 ai-edge-litert==2.3.0 flatbuffers     # for --others
    taskset -c 1 python benchmarks/image_latency.py --others
    python benchmarks/image_latency.py --quick --no-write    # does it run?

*bare* is the whole network as one int8 graph with fixed ranges, in one session with the engine's
settings, behind the same decoding and resizing. *bare, 10 passes* is what the published rule takes
at least with ten tasks: it runs every task's adapted network. All paths read the same bytes, one
after the other in an order drawn anew each round; p50, p90 and p99 are of all rounds of all
processes, ratios of the median process.

The ten tasks are CIFAR-100's classes in a drawn order, learned of 60 pictures of each: so a task
holds out 120, and early exits are allowed where they do no harm. *Known* pictures are of the test
part, enlarged to 640 x 480. *Unknown* ones are made up. The second bundle has an adapter in every
task, trained for one epoch. What the answers were is written beside the times: the share that ended
early, that got a third stage, that were called unknown, and the tail's runs an answer.

OpenVINO reads the very graph that *bare* runs. LiteRT reads no ONNX: `tflite.py` writes the same
weights, ranges and operators as its file. So the accuracy of all three is the same; the least cosine
of their features with ours over 16 pictures is written beside them.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import record
from images import stream
from numpy.typing import NDArray
from other_engines import SIZE, least_cosines, others_of
from tflite import converted

from cfedge import Engine
from cfedge.inputs.image.device import ImageInputs
from cfedge.inputs.image.spec import Image
from cfedge.runtime.session import open_session
from cfedge.runtime.signed_weights import with_signed_weights
from cfedge.train.examples.examples import Examples
from cfedge.train.settings import Settings
from cfedge.train.teach import learn
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge_export.build_bundle import build
from cfedge_export.schemes import SCHEMES
from cfedge_export.source import load_source

EACH, PASSES, PICTURES = 60, 10, 64
BUNDLES, KINDS = ("heads", "adapters"), ("known", "unknown")
Pixels = NDArray[np.uint8]


def as_jpeg(pixels: Pixels) -> bytes:
    """Return a JPEG of 640 x 480, as a camera gives it."""
    buffer = io.BytesIO()
    large = PIL.Image.fromarray(pixels).resize((640, 480), PIL.Image.Resampling.BICUBIC)
    large.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def photograph(seed: int) -> bytes:
    """Return a picture of no task, with edges and noise."""
    rng = np.random.default_rng(seed)
    coarse = PIL.Image.fromarray(rng.integers(0, 256, (24, 32, 3)).astype(np.uint8))
    smooth = np.asarray(coarse.resize((640, 480), PIL.Image.Resampling.BICUBIC), np.float64)
    return as_jpeg(np.clip(smooth + rng.normal(0, 6, smooth.shape), 0, 255).astype(np.uint8))


def pictures(folder: Path, kind: str, seed: int) -> list[bytes]:
    """Return what a process answers."""
    if kind == "unknown":
        return [photograph(seed * PICTURES + row) for row in range(PICTURES)]
    with np.load(folder / "known.npz") as kept:
        frames = kept["frames"]
    rows = np.random.default_rng(seed).permutation(len(frames))[:PICTURES]
    return [as_jpeg(frames[row]) for row in rows]


def learned(folder: Path, *, adapters: bool, each: int) -> None:
    """Write a bundle of ten tasks, and beside it the known pictures."""
    from cfedge.bundle.files import write

    workspace, known = record.backbone(folder / "ws", "lite0"), []
    method = "adapter" if adapters else "closed-form"
    settings = Settings(method=method, epochs=1, min_steps=2, threads=1)
    for task, (train, test) in stream("cifar", 0).items():
        learn(workspace, task, _some(train, each), settings=settings)
        known += [test.inputs[row] for row in range(0, len(test), 5)]
    write(build(WorkspaceFolder(workspace.folder)), folder / "bundle")
    np.savez(folder.parent / "known.npz", frames=np.stack(known))
    shutil.rmtree(folder / "ws")


def _some(examples: Examples, each: int) -> Examples:
    """The first examples of every class."""
    labels = np.array(examples.labels)
    rows = [np.flatnonzero(labels == label)[:each] for label in examples.classes]
    return examples.take(np.concatenate(rows).tolist())


def child(folder: Path, rounds: int, seed: int, others: bool) -> dict[str, Any]:
    """Open everything anew and measure it: milliseconds of every call, and what was answered."""
    engines = {name: Engine.open(folder / name / "bundle") for name in BUNDLES}
    bare = open_session((folder / "whole.onnx").read_bytes(), "bare")
    rivals = others_of(folder) if others else {}
    found: dict[str, Any] = {}
    for kind in KINDS:
        given = pictures(folder, kind, seed)
        times = timed(engines, bare, rivals, given, rounds=rounds, seed=seed)
        told = {name: answers(engine, given) for name, engine in engines.items()}
        found[kind] = {"times": times, "answers": told}
    return found


def timed(
    engines: Mapping[str, Engine],
    bare: Any,
    rivals: Mapping[str, Callable[[Pixels], Pixels]],
    given: list[bytes],
    *,
    rounds: int,
    seed: int,
) -> dict[str, list[float]]:
    """Return milliseconds of every call by path."""
    inputs = ImageInputs(Image("image", *SIZE, "squash"))
    at = 0

    def pixels() -> Pixels:
        ready: Pixels = inputs.prepare(given[at]).feeds["pixels"]
        return ready

    def passes(count: int) -> None:
        feeds = {"pixels": pixels()}
        for _ in range(count):
            bare.run(None, feeds)

    runs: dict[str, Callable[[], object]] = {
        "bare": lambda: passes(1),
        "bare, 10 passes": lambda: passes(PASSES),
        "decoding alone": pixels,
    }
    for name, engine in engines.items():
        runs[name] = lambda engine=engine: engine.predict([given[at]])
    for name, rival in rivals.items():
        runs[name] = lambda rival=rival: rival(pixels())
    times: dict[str, list[float]] = {name: [] for name in runs}
    rng = np.random.default_rng(seed)
    for row in range(-10, rounds):
        at = row % len(given)
        for name in rng.permutation(list(runs)):
            start = time.perf_counter()
            runs[name]()
            if row >= 0:
                times[name].append(1e3 * (time.perf_counter() - start))
    return times


def answers(engine: Engine, given: list[bytes]) -> dict[str, float]:
    """Return shares of what an engine answers, and the tail's runs an answer."""
    encoder, runs = engine.opened.encoder, []
    tail = encoder.tail

    def counted(hidden: Any, slots: Any) -> Any:
        runs.append(len(hidden))
        return tail(hidden, slots)

    encoder.tail = counted  # type: ignore[assignment]
    found = [engine.predict([one])[0] for one in given]
    encoder.tail = tail
    return {
        "ended_early": float(np.mean([one.early_exit for one in found])),
        "third_stage": float(np.mean([one.stages == 3 for one in found])),
        "unknown": float(np.mean([one.unknown for one in found])),
        "tail_runs": sum(runs) / len(given),
    }


def main() -> None:
    """Make both bundles, measure in processes of their own, write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--processes", type=int, default=5)
    parser.add_argument("--others", action="store_true", help="OpenVINO and LiteRT too")
    parser.add_argument("--quick", action="store_true", help="few pictures and rounds, one process")
    parser.add_argument("--no-write", action="store_true")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.rounds, chosen.processes = 20, 1
    if chosen.child:
        folder, seed = Path(chosen.child[0]), int(chosen.child[1])
        print(json.dumps(child(folder, chosen.rounds, seed, chosen.others)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for name in BUNDLES:
            (folder / name).mkdir()
            learned(folder / name, adapters=name == "adapters", each=20 if chosen.quick else EACH)
        whole = SCHEMES["int8-static"].ship(load_source("lite0").encoder)
        fastest = with_signed_weights(BytesIO(whole.SerializeToString()), "whole network")
        (folder / "whole.onnx").write_bytes(fastest)
        cosines = {}
        if chosen.others:
            (folder / "whole.tflite").write_bytes(converted(whole.SerializeToString()))
            inputs = ImageInputs(Image("image", *SIZE, "squash"))
            cosines = least_cosines(folder, inputs, pictures(folder, "unknown", 0)[:16])
        measured = [_measured(folder, seed, chosen) for seed in range(chosen.processes)]
    report(measured, cosines, write=not chosen.no_write)


def _measured(folder: Path, seed: int, chosen: argparse.Namespace) -> dict[str, Any]:
    words = [sys.executable, __file__, "--child", str(folder), str(seed)]
    words += ["--rounds", str(chosen.rounds)]
    words += ["--others"] if chosen.others else []
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def report(measured: list[dict[str, Any]], cosines: dict[str, float], *, write: bool) -> None:
    """Print and write quantiles, each path's share of *bare*, and what was answered."""
    summary: dict[str, Any] = {"least_cosines": cosines}
    for kind in KINDS:
        runs, figures = [one[kind]["times"] for one in measured], {}
        for name in runs[0]:
            every = [value for one in runs for value in one[name]]
            ratios = [float(np.median(one[name]) / np.median(one["bare"])) for one in runs]
            figures[name] = {**record.quantiles(every), "of_bare": float(np.median(ratios))}
            print(f"{kind:8}{name:16}", {key: round(one, 3) for key, one in figures[name].items()})
        told = {
            name: {
                key: float(np.mean([one[kind]["answers"][name][key] for one in measured]))
                for key in measured[0][kind]["answers"][name]
            }
            for name in BUNDLES
        }
        over = figures["bare, 10 passes"]["p50"] / figures["heads"]["p50"]
        print(kind, told, f"published rule {over:.2f}")
        summary[kind] = {"paths_ms": figures, "answers": told, "published_rule_over_heads": over}
    if write:
        record.write("image_latency", summary, threads=1)


if __name__ == "__main__":
    main()
