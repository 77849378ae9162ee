"""The engine beyond one call: switching tasks, mixed batches, ten thousand calls, a thousand tasks,
cold start, a task added while it is open.

Pairs are interleaved in one process and measured in several processes; ratios are of medians, the
median process is quoted. The ten tasks are CLINC150's, learned for one epoch: what is timed does
not depend on what was learned. A hundred tasks are these under other names, each with its own
files; a thousand have, but for the ten, class means that are drawn as theirs lie.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import record
from latency import default_session, interleaved, ten_tasks

from cfedge import Engine
from cfedge.bundle.arrays import dump_arrays, load_arrays
from cfedge.bundle.files import Bundle, read, reference, write
from cfedge.lookup import TaskSignature, decide
from cfedge.lookup.packing import from_first
from cfedge.margins import SECOND_SHARES, TAIL_SHARE, Margins
from cfedge.runtime.golden import golden_arrays
from cfedge.runtime.signed_weights import with_signed_weights
from cfedge.store import Store
from cfedge_export.schemes import SCHEMES
from cfedge_export.source import load_source

BATCH = 32
#: Of adapters in memory, a fifth of the hundred and a fiftieth of the thousand.
ADAPTER_BYTES = 5_000_000
#: Of the drawn class means' distances, as in `benchmarks/lookup.py`.
APART = 0.6


def renamed(bundle: Bundle, copies: int) -> Bundle:
    """The bundle's tasks `copies` times, each under a name, with labels and an adapter file of its
    own.
    """
    objects, tasks = dict(bundle.objects), []
    for copy in range(copies):
        for task in bundle.manifest.tasks:
            name = f"{task.name}-{copy}"
            model = onnx.load_from_string(bundle[task.adapter])
            for one in model.metadata_props:
                if one.key == "cfedge.task":
                    one.value = name
            data = model.SerializeToString(deterministic=True)
            ref = reference(data)
            objects[ref.sha256] = data
            tasks.append(
                replace(
                    task,
                    name=name,
                    classes=tuple(f"{label} {copy}" for label in task.classes),
                    adapter=ref,
                )
            )
    manifest = replace(bundle.manifest, tasks=tuple(tasks))
    return Bundle(manifest, {ref.sha256: objects[ref.sha256] for ref in manifest.files().values()})


class Cloud:
    """Class means float64 [C, D] of some tasks, and others drawn as they lie."""

    def __init__(self, means: list[np.ndarray]) -> None:
        self.center = np.concatenate(means).mean(axis=0)
        apart = np.concatenate(means) - self.center
        _, scale, axes = np.linalg.svd(apart, full_matrices=False)
        self.axes = axes * (scale / np.sqrt(len(apart)))[:, None]
        between = np.mean([((one.mean(axis=0) - self.center) ** 2).sum() for one in means])
        self.share = float(between / (apart**2).sum(axis=1).mean())

    def draw(self, classes: int, rng: np.random.Generator) -> np.ndarray:
        of_task, of_class = (
            rng.normal(size=(1, len(self.axes))),
            rng.normal(size=(classes, len(self.axes))),
        )
        return (
            self.center
            + APART
            * (np.sqrt(self.share) * of_task + np.sqrt(1 - self.share) * of_class)
            @ self.axes
        )


def thousand_tasks(bundle: Bundle) -> Bundle:
    """The ten tasks, and 990 with their files but other places in the lookup's space."""
    many = renamed(bundle, 100)
    width = bundle.manifest.backbone.width
    stages = [
        TaskSignature.from_arrays(load_arrays(bundle[task.signature], task.name), task.name, width)
        for task in bundle.manifest.tasks
    ]
    clouds = {
        "trunk": Cloud([one.trunk.means.astype(np.float64) for one in stages]),
        "tail": Cloud([one.tail.means.astype(np.float64) for one in stages]),
    }
    rng = np.random.default_rng(0)
    objects, tasks = dict(many.objects), []
    for number, task in enumerate(many.manifest.tasks):
        if number >= len(stages):
            real = stages[number % len(stages)]
            classes = len(real.tail.counts)
            trunk = replace(real.trunk, means=from_first(clouds["trunk"].draw(classes, rng)))
            tail = replace(real.tail, means=from_first(clouds["tail"].draw(classes, rng)))
            data = dump_arrays(replace(real, trunk=trunk, tail=tail).arrays())
            task = replace(task, signature=reference(data))
            objects[task.signature.sha256] = data
        tasks.append(task)
    manifest = replace(many.manifest, tasks=tuple(tasks))
    return Bundle(manifest, {ref.sha256: objects[ref.sha256] for ref in manifest.files().values()})


def ratio(times: dict[str, list[float]], of: str, to: str) -> float:
    return float(np.median(times[of]) / np.median(times[to]))


def switching(folder: Path, seed: int) -> dict[str, float]:
    """Another task on every call, against the same one."""
    engine = Engine(read(folder / "bundle"))
    texts = [text for text, _ in record.clinc150()[0]["test"]][seed::7][:300]
    runs = {
        "single": lambda row: engine.predict([texts[row]], task=engine.tasks[0]),
        "switching": lambda row: engine.predict(
            [texts[row]], task=engine.tasks[row % len(engine.tasks)]
        ),
    }
    return {"ratio": ratio(interleaved(runs, len(texts), seed), "switching", "single")}


def mixed(folder: Path, seed: int) -> dict[str, float]:
    """A batch of texts of all tasks, against one of a single task with texts of the same lengths."""
    engine = Engine(read(folder / "bundle"))
    data, domains = record.clinc150()
    rng = np.random.default_rng(seed)
    by_length: dict[str, dict[int, list[str]]] = {name: {} for name in domains}
    owner = {label: name for name, labels in domains.items() for label in labels}
    for text, label in data["test"]:
        by_length[owner[label]].setdefault(len(text.split()), []).append(text)
    batches: list[tuple[list[str], list[str]]] = []
    while len(batches) < 40:
        home = str(rng.choice(list(domains)))
        lengths = rng.choice(
            [len(text.split()) for part in by_length[home].values() for text in part], BATCH
        )
        pairs = []
        for length in lengths.tolist():
            away = str(rng.choice([name for name in domains if length in by_length[name]]))
            pairs.append(
                (str(rng.choice(by_length[home][length])), str(rng.choice(by_length[away][length])))
            )
        batches.append(([one for one, _ in pairs], [other for _, other in pairs]))
    runs = {
        "single": lambda row: engine.predict(batches[row][0]),
        "mixed": lambda row: engine.predict(batches[row][1]),
    }
    times = interleaved(runs, len(batches), seed)
    return {
        "ratio": ratio(times, "mixed", "single"),
        "ms_per_text": float(np.median(times["mixed"]) / BATCH),
    }


def endurance(folder: Path, seed: int) -> dict[str, float]:
    """Memory over ten thousand calls on a hundred tasks, of which a fifth is in memory, and the CPU
    time of an engine that nobody asks.
    """
    engine = Engine(read(folder / "hundred", keep_adapters=False), adapter_bytes=ADAPTER_BYTES)
    texts = [text for text, _ in record.clinc150()[0]["test"]]
    rng = np.random.default_rng(seed)
    memory = []
    for call in range(10_000):
        engine.predict(
            [texts[int(rng.integers(len(texts)))]],
            task=engine.tasks[int(rng.integers(len(engine.tasks)))],
        )
        if call % 250 == 249:
            memory.append(int(Path("/proc/self/statm").read_text().split()[1]) * 4096)
    half = np.array(memory[len(memory) // 4 :])  # the first calls fill caches
    slope = np.polyfit(np.arange(len(half)) * 250, half, 1)[0]
    adapters = engine.adapters.stats
    busy = time.process_time()
    time.sleep(5)
    return {
        "rss_bytes": float(half[-1]),
        "rss_slope_bytes_per_1000_calls": float(slope * 1000),
        "rss_noise_bytes": float(np.std(np.diff(half))),
        "idle_cpu_share": (time.process_time() - busy) / 5,
        "adapters_kept": adapters.kept,
        "adapter_hits": adapters.hits,
        "adapter_evictions": adapters.evictions,
    }


def thousand(folder: Path, seed: int) -> dict[str, float]:
    """One text at a time with a thousand tasks, against the bare, unsplit backbone; with every
    adapter new, against the same one.
    """
    start = time.perf_counter()
    engine = Engine(
        read(folder / "thousand", keep_adapters=False), adapter_bytes=ADAPTER_BYTES, verified=True
    )
    opened = time.perf_counter() - start
    rng = np.random.default_rng(seed)
    data = record.clinc150()[0]["test"]
    texts = [data[row][0] for row in rng.permutation(len(data))]
    # As an export sets them: of held-out inputs a share takes the second stage, and a share of these
    # the third.
    features = engine.opened.encoder(texts[:400]).features
    router = engine.router
    begun = [router.begin(row) for row in features]
    second = float(np.quantile([one.first.margin for one in begun], SECOND_SHARES[0]))
    closer = [decide(router.refine(one)).margin for one in begun if one.first.margin < second]
    third = float(np.quantile(closer, TAIL_SHARE / SECOND_SHARES[0]))
    router.margins = Margins(second, third, TAIL_SHARE, SECOND_SHARES[0])
    engine.warm_up()
    texts = texts[400:700]
    ids = [engine.modality.prepare(text).feeds["input_ids"] for text in texts]
    session = default_session((folder / "unsplit.onnx").read_bytes())
    stages: list[int] = []
    times = interleaved(
        {
            "engine": lambda row: stages.append(engine.predict([texts[row]])[0].stages),
            "bare": lambda row: session.run(
                None, {"input_ids": ids[row], "attention_mask": np.ones_like(ids[row])}
            ),
        },
        len(texts),
        seed,
    )
    fresh = rng.permutation(len(engine.tasks))
    calls = {
        "new": lambda row: engine.predict([texts[row]], task=engine.tasks[fresh[row]]),
        "same": lambda row: engine.predict([texts[row]], task=engine.tasks[0]),
    }
    switched = interleaved(calls, len(texts), seed)
    return {
        "ratio": ratio(times, "engine", "bare"),
        "ms": float(np.median(times["engine"])),
        "second_look_share": float(np.mean([one > 1 for one in stages])),
        "third_look_share": float(np.mean([one > 2 for one in stages])),
        "ms_to_read_an_adapter": float(np.median(switched["new"]) - np.median(switched["same"])),
        "open_seconds": opened,
    }


def outside(folder: Path, seed: int) -> dict[str, float]:
    """The share of a call that is neither ONNX Runtime's nor the tokenizer's."""
    engine = Engine(read(folder / "bundle"))
    spent = [0.0]

    def clocked(run: Any) -> Any:
        def wrapped(*arguments: Any) -> Any:
            start = time.perf_counter()
            found = run(*arguments)
            spent[0] += time.perf_counter() - start
            return found

        return wrapped

    class Clocked:
        def __init__(self, session: Any) -> None:
            self.run = clocked(session.run)

    engine.opened.encoder.trunk._session = Clocked(engine.opened.encoder.trunk._session)  # type: ignore[assignment]
    engine.opened.encoder.tail._session = Clocked(engine.opened.encoder.tail._session)  # type: ignore[assignment]
    modality = engine.opened.encoder.trunk._modality
    modality.prepare = clocked(modality.prepare)  # type: ignore[method-assign]
    texts = [text for text, _ in record.clinc150()[0]["test"]][seed::5][:600]
    shares, times = [], []
    for text in texts:
        spent[0] = 0.0
        start = time.perf_counter()
        engine.predict([text])
        whole = time.perf_counter() - start
        shares.append((whole - spent[0]) / whole)
        times.append(1e6 * (whole - spent[0]))
    return {"share": float(np.median(shares[50:])), "us": float(np.median(times[50:]))}


def proteus(folder: Path, seed: int) -> dict[str, float]:
    """One full pass a task, as the published rule needs, on the same int8 sessions; its clustering
    is not even counted.
    """
    engine = Engine(read(folder / "bundle"))
    texts = [text for text, _ in record.clinc150()[0]["test"]][seed::9][:120]

    def passes(row: int) -> None:
        for name in engine.tasks:
            engine.opened.class_scores([texts[row]], name)

    times = interleaved(
        {"engine": lambda row: engine.predict([texts[row]]), "passes": passes}, len(texts), seed
    )
    return {"ratio": ratio(times, "passes", "engine")}


def hot(folder: Path, seed: int) -> dict[str, float]:
    """`Engine.latest` after a task was added to an open engine's ten; the first answer included."""
    whole = read(folder / "bundle")
    extra = renamed(whole, 1)
    made = {task.name: task for task in extra.manifest.tasks}
    times = []
    with tempfile.TemporaryDirectory() as temporary:
        store = Store.create(Path(temporary) / "store", "stable")
        for bundle in (whole, extra):
            for name, data in bundle.objects.items():
                (store.objects / name).write_bytes(data)
        store.switch(store.add(whole.manifest))
        engine = Engine.open(store.folder)
        for name, task in sorted(made.items()):
            own = Bundle(replace(whole.manifest, tasks=(task,)), extra.objects)
            golden = golden_arrays(Engine(own), name, ["hello there", "what is this"])
            (store.objects / reference(golden).sha256).write_bytes(golden)
            grown = replace(
                engine.manifest,
                tasks=(*whole.manifest.tasks, replace(task, golden=reference(golden))),
            )
            # As a sync leaves it: answered by a probe, whose mark this stands for.
            from cfedge.runtime.verified import note_verified

            note_verified(grown, 1)
            store.switch(store.add(grown))
            start = time.perf_counter()
            later = engine.latest()
            later.predict(["hello there"])
            times.append(1e3 * (time.perf_counter() - start))
            assert name in later.tasks
    return {"ms": float(np.median(times)), "max_ms": max(times)}


_COLD = "from cfedge import Engine\nimport sys\nEngine.open(sys.argv[1]).predict(['hello'])"
_FLOOR = """
import sys
import numpy, onnxruntime
for path in sys.argv[1:]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
"""


def cold_start(folder: Path, runs: int) -> dict[str, float]:
    """Process start to first answer, against importing NumPy and ONNX Runtime and loading the two
    graphs.

    Bytecode is there for both, as installers leave it: where Python may write none, a checkout is
    compiled anew at every start, and the packages that were installed are not.
    """
    backbone = read(folder / "bundle").manifest.backbone
    graphs = [
        str(folder / "bundle" / "objects" / ref.sha256) for ref in (backbone.trunk, backbone.tail)
    ]
    commands = {
        "engine": [sys.executable, "-c", _COLD, str(folder / "bundle")],
        "floor": [sys.executable, "-c", _FLOOR, *graphs],
    }
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    times: dict[str, list[float]] = {name: [] for name in commands}
    for run in range(-1, runs):
        for name, command in commands.items():
            start = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True, env=environment)
            if run >= 0:
                times[name].append(1e3 * (time.perf_counter() - start))
    return {
        "ms": float(np.median(times["engine"])),
        "floor_ms": float(np.median(times["floor"])),
        "ratio": ratio(times, "engine", "floor"),
    }


_MEMORY = """
import json, sys, time
from pathlib import Path
from cfedge import Engine
from cfedge.bundle.files import read
start = time.perf_counter()
engine = Engine(read(Path(sys.argv[1]), keep_adapters=False), adapter_bytes=int(sys.argv[2]), verified=True)
opened = time.perf_counter() - start
engine.warm_up()
warm = time.perf_counter() - start - opened
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
rss, peak = (1024.0 * int(status[name].split()[0]) for name in ("VmRSS", "VmHWM"))
print(json.dumps({"rss_bytes": rss, "peak_bytes": peak, "open_seconds": opened, "warm_up_seconds": warm}))
"""


def memory(folder: Path, name: str) -> dict[str, float]:
    """Of a process that answers and has nothing else, after all stages; and the most that it took on
    the way.
    """
    command = [sys.executable, "-c", _MEMORY, str(folder / name), str(ADAPTER_BYTES)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


MEASURES = {
    "switching": switching,
    "mixed": mixed,
    "outside": outside,
    "proteus": proteus,
    "hot": hot,
    "thousand": thousand,
    "endurance": endurance,
    "memory_10": lambda folder, _: memory(folder, "bundle"),
    "memory_1000": lambda folder, _: memory(folder, "thousand"),
}
#: One process of each is enough.
ONCE = ("endurance", "memory_10", "memory_1000")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=7)
    parser.add_argument("--bundle", type=Path, help="ten tasks that are there already")
    parser.add_argument("--child", nargs=3, metavar=("FOLDER", "MEASURE", "SEED"))
    options = parser.parse_args()
    if options.child:
        folder, name, seed = options.child
        print(json.dumps(MEASURES[name](Path(folder), int(seed))))
        return
    figures: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        bundle = read(options.bundle) if options.bundle else ten_tasks(folder / "ws")
        write(bundle, folder / "bundle")
        bundle = read(folder / "bundle")  # what was written is no longer in memory
        write(renamed(bundle, 10), folder / "hundred")
        write(thousand_tasks(bundle), folder / "thousand")
        unsplit = SCHEMES[bundle.manifest.backbone.scheme].ship(load_source("minilm-l6").encoder)
        whole = with_signed_weights(BytesIO(unsplit.SerializeToString()), "unsplit")
        (folder / "unsplit.onnx").write_bytes(whole)
        figures["cold_start"] = cold_start(folder, 2 * options.processes)
        for name in MEASURES:
            found = []
            for seed in range(1 if name in ONCE else options.processes):
                command = [sys.executable, __file__, "--child", str(folder), name, str(seed)]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                found.append(json.loads(done.stdout))
            figures[name] = {
                key: {
                    "median": float(np.median(values)),
                    "min": min(values),
                    "max": max(values),
                    "processes": len(values),
                }
                for key in found[0]
                for values in [[one[key] for one in found]]
            }
            print(name, figures[name], flush=True)
    record.write("runtime", figures, threads=1)


if __name__ == "__main__":
    main()
