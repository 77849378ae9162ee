"""Thousands of tasks in one bundle, one thread: opening, memory, answers against the bare backbone,
the first stage against the trunk, recall of the exact answer, adding one, syncing one.

**The tasks.** CLINC150's ten domains and BANKING77 in seven parts, with closed-form heads, and
mirror images of them: with U, S and m_0 of `cfedge.lookup.lda` for the 17 real tasks, a copy is
mirrored in a random half F of the kept directions, x' = R (x - m_0) + m_0 with R = I - 2 S U_F
U_F'. R keeps S and the covariance between classes as they are, and each task as hard in itself as
it was, while tasks lie apart as strangers do. A copy's means are R's, its factors R's, its diagonal
that of R diag R'; its adapter is the real one's under another name. Test inputs of a copy are the
real task's, mirrored and made unit length again.

**The margins** below which the lookup looks closer are chosen as an export of so many tasks chooses
them (`cfedge.train.measures.margins.route`), from some 20,000 inputs, as many of each task. These
are of one part of the real tasks' held-out inputs, mirrored like the tests', and judged by
signatures that they are not in.

**The exact answer** is of the same rule, without coarse scores of clusters and without classes
rounded to 8 bits.

    python benchmarks/thousands.py --tasks 1000 10000 --scratch /tmp/thousands

keeps what it made under --scratch (7 GB) and takes it up again. ``--only recall`` and so on measure
one thing; with that, or with other numbers of tasks, give the result another ``--name``.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
import onnx
import record
from latency import default_session, interleaved
from numpy.typing import NDArray
from study import banking77, clinc150

from cfedge import Engine
from cfedge.bundle.arrays import dump_arrays, load_arrays
from cfedge.bundle.files import Bundle, read, read_manifest, reference, write
from cfedge.bundle.manifest import Task
from cfedge.confidence import upper_bound
from cfedge.lookup import ClusterStatistics, Features, Lookup, TaskSignature, decide
from cfedge.lookup.class_gaussians import ClassShape, Shared, task_evidence, temperature
from cfedge.lookup.class_table import ClassTable
from cfedge.lookup.lda import discriminants, pool
from cfedge.lookup.packing import from_first, on_grid
from cfedge.lookup.router import CANDIDATES
from cfedge.margins import Margins
from cfedge.runtime.signed_weights import with_signed_weights
from cfedge.runtime.task_files import Signatures
from cfedge.study.stream import Splits
from cfedge.train.measures.certificate import ALPHA
from cfedge.train.measures.conformal import conformal_threshold
from cfedge.train.measures.folds import Folds
from cfedge.train.measures.margins import route
from cfedge.train.settings import Settings
from cfedge.train.teach import learn
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge.train.workspace.index import Index
from cfedge_export.build_bundle import build
from cfedge_export.schemes import SCHEMES
from cfedge_export.source import load_source

ADAPTER_BYTES = 5_000_000
INPUTS = 1000
#: Held-out inputs, of all tasks, that margins are chosen from.
MARGIN_INPUTS = 20_000
#: Of `certificates`.
JUDGED, POPULATION, DRAWS, HELD_OUT = 60, 150, 200, 60
Doubles = NDArray[np.float64]


class Mirrors:
    """Of one stage: mirror images of statistics and of features."""

    def __init__(self, real: list[ClusterStatistics]) -> None:
        pooled = pool(real)
        space = discriminants(pooled)
        self._center, self._basis = space.center, space.basis
        covariance = np.linalg.pinv(space.basis @ space.basis.T)
        self._back = covariance @ space.basis

    def _map(self, number: int) -> Doubles:
        width, kept = self._basis.shape
        chosen = np.random.default_rng([7, number]).permutation(kept)[: kept // 2]
        mapped = np.eye(width) - 2 * self._back[:, chosen] @ self._basis[:, chosen].T
        return np.asarray(mapped)

    def statistics(self, one: ClusterStatistics, number: int) -> ClusterStatistics:
        turn = self._map(number)
        means = self._center + (one.means - self._center) @ turn.T
        return replace(
            one,
            means=from_first(means.astype(np.float32)),
            factor=on_grid(one.factor.astype(np.float64) @ turn.T),
            diagonal=((turn**2) @ one.diagonal).astype(np.float32),
        )

    def features(self, row: NDArray[np.float32], number: int) -> NDArray[np.float32]:
        turned = self._center + self._map(number) @ (row - self._center)
        return np.asarray(turned / np.linalg.norm(turned), np.float32)


def real_parts() -> dict[str, Splits]:
    """The data of the 17 real tasks: CLINC150's domains, and BANKING77's first partition."""
    return {**clinc150(), **banking77(0)}


def real_tasks(folder: Path) -> Bundle:
    """The 17 real tasks, learned once."""
    if not (folder / "real" / "manifest.json").is_file():
        workspace = record.backbone(folder / "ws", "minilm-l6")
        for name, parts in real_parts().items():
            settings = Settings(method="closed-form", threads=1)
            learn(workspace, name, parts.train, parts.held_out, settings=settings)
        write(build(workspace), folder / "real")
        float_graph = load_source("minilm-l6").encoder
        shipped = SCHEMES["int8-row"].ship(float_graph).SerializeToString()
        (folder / "unsplit.onnx").write_bytes(with_signed_weights(BytesIO(shipped), "unsplit"))
    return read(folder / "real")


def signatures_of(bundle: Bundle) -> list[TaskSignature]:
    width, views = bundle.manifest.backbone.width, bundle.manifest.backbone.views
    return [
        TaskSignature.from_arrays(
            load_arrays(bundle[task.signature], task.name), task.name, width, views
        )
        for task in bundle.manifest.tasks
    ]


def mirrors_of(bundle: Bundle) -> tuple[Mirrors, Mirrors]:
    real = signatures_of(bundle)
    return Mirrors([one.trunk for one in real]), Mirrors([one.tail for one in real])


def many(bundle: Bundle, count: int, folder: Path) -> Path:
    """Write a bundle of `count` tasks, the real ones and mirror images; number n is of real task n
    mod 17.
    """
    target = folder / f"tasks-{count}"
    if (target / "manifest.json").is_file():
        return target
    trunk, tail = mirrors_of(bundle)
    real, signatures = bundle.manifest.tasks, signatures_of(bundle)
    tasks, objects = list(real), dict(bundle.objects.items())
    for number in range(len(real), count):
        task, own = real[number % len(real)], signatures[number % len(real)]
        mirrored = TaskSignature(
            trunk.statistics(own.trunk, number), tail.statistics(own.tail, number)
        )
        made, files = _copy(bundle, task, f"{task.name}-{number}", mirrored)
        tasks.append(made)
        objects |= files
    signed = {task.name: objects[task.signature.sha256] for task in tasks}
    margins = margins_of(folder, (trunk, tail), signed)
    manifest = replace(bundle.manifest, tasks=tuple(tasks), margins=margins)
    used = {ref.sha256: objects[ref.sha256] for ref in manifest.files().values()}
    write(Bundle(manifest, used), target)
    return target


class Parsed(Mapping[str, TaskSignature]):
    """Signatures from their files, each when it is asked for."""

    def __init__(self, files: Mapping[str, bytes], width: int, views: tuple[int, ...]) -> None:
        self._files, self._form = files, (width, views)

    def __getitem__(self, name: str) -> TaskSignature:
        return TaskSignature.from_arrays(load_arrays(self._files[name], name), name, *self._form)

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


class Made(Sequence[TaskSignature]):
    """One signature, made whenever it is asked for: of ten thousand tasks they take 20 GB."""

    def __init__(self, made: Callable[[], TaskSignature]) -> None:
        self._made = made

    def __getitem__(self, place: Any) -> Any:
        return self._made()

    def __len__(self) -> int:
        return 1


def _without(mirrors: tuple[Mirrors, Mirrors], parts: Folds, number: int | None) -> TaskSignature:
    """The signature without the first part, of a real task or of copy `number`."""
    own: TaskSignature = parts.without[0]
    if number is None:
        return own
    return TaskSignature(
        mirrors[0].statistics(own.trunk, number), mirrors[1].statistics(own.tail, number)
    )


def margins_of(folder: Path, mirrors: tuple[Mirrors, Mirrors], files: dict[str, bytes]) -> Margins:
    """Return those that an export of these tasks chooses; `files` are their signatures' in order."""
    workspace = WorkspaceFolder(folder / "ws")
    names, each = list(files)[: len(workspace.tasks)], -(-MARGIN_INPUTS // len(files))
    evidence = {name: workspace.held_out(name).features for name in names}
    parts = {name: workspace.folds(name) for name in names}
    held_out, folds = {}, {}
    for number, name in enumerate(files):
        real = names[number % len(names)]
        rng = np.random.default_rng([8, number])
        rows = rng.permutation(np.flatnonzero(parts[real].of == 0))[:each]
        features = Features(evidence[real].trunk[rows], evidence[real].tail[rows])
        held_out[name] = mirrored(mirrors, features, number) if number >= len(names) else features
        made = partial(_without, mirrors, parts[real], number if number >= len(names) else None)
        folds[name] = Folds(np.zeros(len(rows), np.int64), Made(made))  # type: ignore[arg-type]
    backbone = workspace.backbone
    router, _ = route(Parsed(files, backbone.width, backbone.views), held_out, folds)
    return router.margins


def mirrored(mirrors: tuple[Mirrors, Mirrors], features: Features, number: int) -> Features:
    """Mirror what the lookup reads of a real task's inputs, as copy `number` mirrors the task."""
    width = features.tail.shape[1]
    front = features.trunk.copy()
    front[:, :width] = [mirrors[0].features(row, number) for row in front[:, :width]]
    return Features(front, np.stack([mirrors[1].features(row, number) for row in features.tail]))


def _copy(
    bundle: Bundle, task: Task, name: str, signature: TaskSignature
) -> tuple[Task, dict[str, bytes]]:
    model = onnx.load_from_string(bundle[task.adapter])
    for one in model.metadata_props:
        if one.key == "cfedge.task":
            one.value = name
    files = [model.SerializeToString(deterministic=True), dump_arrays(signature.arrays())]
    adapter, packed = (reference(data) for data in files)
    labels = tuple(f"{label} {name}" for label in task.classes)
    made = replace(task, name=name, classes=labels, adapter=adapter, signature=packed)
    return made, {adapter.sha256: files[0], packed.sha256: files[1]}


def opened(folder: Path) -> Engine:
    """As `Engine.open` on a machine that has verified the bundle before, with a limit on
    adapters.
    """
    return Engine(read(folder, keep_adapters=False), adapter_bytes=ADAPTER_BYTES, verified=True)


def test_inputs(bundle: Bundle, count: int) -> tuple[list[str], list[int]]:
    """Test inputs of the real tasks, and the place of each one's task among them."""
    names = [task.name for task in bundle.manifest.tasks]
    rows = [
        (text, names.index(name))
        for name, parts in real_parts().items()
        for text in parts.test.inputs
    ]
    chosen = np.random.default_rng(1).permutation(len(rows))[:count]
    return [rows[at][0] for at in chosen], [rows[at][1] for at in chosen]


_MEMORY = """
import json, sys, time
from pathlib import Path
from cfedge import Engine
from cfedge.bundle.files import read
def status(name):
    return 1024 * int(next(x for x in open("/proc/self/status") if x.startswith(name)).split()[1])
start, before = time.perf_counter(), time.process_time()
bundle = read(Path(sys.argv[1]), keep_adapters=False)
engine = Engine(bundle, adapter_bytes=int(sys.argv[2]), verified=True)
found = {"open_seconds": time.perf_counter() - start}
found["open_cpu_seconds"] = time.process_time() - before
del bundle
found["rss_opened_bytes"] = status("VmRSS")
start = time.perf_counter()
engine.warm_up()
found["warm_up_seconds"] = time.perf_counter() - start
for text in json.loads(Path(sys.argv[3]).read_text()):
    engine.predict([text])
found |= {"rss_after_answers_bytes": status("VmRSS"), "peak_bytes": status("VmHWM")}
print(json.dumps(found))
"""


def memory(folder: Path, at: Path, real: Bundle) -> dict[str, float]:
    """Opening, and memory of a process of its own after `INPUTS` answers: the first time on a
    machine, and medians of three after it (docs/decisions/0045-kept-tables.md).
    """
    texts = folder / "texts.json"
    texts.write_text(json.dumps(test_inputs(real, INPUTS)[0]))
    shutil.rmtree(folder / "cache", ignore_errors=True)
    environment = {**os.environ, "CFEDGE_CACHE": str((folder / "cache").resolve())}
    command = [sys.executable, "-c", _MEMORY, str(at), str(ADAPTER_BYTES), str(texts)]
    runs = []
    for _ in range(4):
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
        runs.append(json.loads(done.stdout.splitlines()[-1]))
    first, *again = runs
    medians = {name: float(np.median([run[name] for run in again])) for name in first}
    return {**{f"first_{name}": value for name, value in first.items()}, **medians}


def answering(folder: Path, at: Path, real: Bundle) -> dict[str, float]:
    """`Engine.predict` against the bare, unsplit backbone, interleaved; and the first stage against
    the trunk.
    """
    engine = opened(at)
    engine.warm_up()
    texts, _ = test_inputs(real, 600)
    for text in texts[:100]:
        engine.predict([text])
    texts = texts[100:]
    ids = [engine.modality.prepare(text).feeds["input_ids"] for text in texts]
    session = default_session((folder / "unsplit.onnx").read_bytes())
    answers = []
    times = interleaved(
        {
            "engine": lambda row: answers.append(engine.predict([texts[row]])[0]),
            "bare": lambda row: session.run(
                None, {"input_ids": ids[row], "attention_mask": np.ones_like(ids[row])}
            ),
        },
        len(texts),
        0,
    )
    quantiles = {name: np.quantile(values, [0.5, 0.9]) for name, values in times.items()}
    trunk, first, first_loop, router = [], [], [], engine.router
    rows = []
    for text in texts:
        start = time.perf_counter()
        encoded = engine.opened.encoder([text])
        between = time.perf_counter()
        router.begin(encoded.features[0])
        first.append(time.perf_counter() - between)
        trunk.append(between - start)
        rows.append(encoded.features[0])
    for row in rows:
        start = time.perf_counter()
        router.begin(row)
        first_loop.append(time.perf_counter() - start)
    return {
        "p50_ms": float(quantiles["engine"][0]),
        "bare_p50_ms": float(quantiles["bare"][0]),
        "p50_over_bare": float(quantiles["engine"][0] / quantiles["bare"][0]),
        "p90_over_bare": float(quantiles["engine"][1] / quantiles["bare"][1]),
        "second_stage_share": float(np.mean([one.stages > 1 for one in answers])),
        "third_stage_share": float(np.mean([one.stages > 2 for one in answers])),
        "early_exit_share": float(np.mean([one.early_exit for one in answers])),
        "first_stage_us": 1e6 * float(np.median(first)),
        "first_stage_in_a_loop_us": 1e6 * float(np.median(first_loop)),
        "first_stage_of_trunk": float(np.median(first) / np.median(trunk)),
        "first_stage_of_trunk_in_a_loop": float(np.median(first_loop) / np.median(trunk)),
    }


def recall(folder: Path, at: Path, real: Bundle) -> dict[str, float]:
    """How often the router's answer is the exact one, and how often each is right: test inputs of
    tasks drawn at random from all.
    """
    engine = opened(at)
    router = engine.router
    texts, own = test_inputs(real, INPUTS)
    encoded = engine.opened.encoder(texts)
    features = engine.opened.encoder.features(encoded)
    trunk, tail = mirrors_of(real)
    tasks, rng = len(engine.manifest.tasks), np.random.default_rng(2)
    width = engine.manifest.backbone.views[0]
    inputs = []
    for row, place in enumerate(own):
        copies = -(-(tasks - place) // len(real.manifest.tasks))
        number = place + len(real.manifest.tasks) * int(rng.integers(copies))
        front, behind = features.trunk[row].copy(), features.tail[row]
        if number >= len(real.manifest.tasks):
            front[:width] = trunk.features(front[:width], number)
            behind = tail.features(behind, number)
        inputs.append((front, behind, engine.manifest.tasks[number].name))
    found = []
    for front, behind, _ in inputs:
        evidence = router.identify(front)
        found.append(router.deepen(evidence, behind) if router.needs_tail(evidence) else evidence)
    exact = _exact(engine, inputs)
    truth = [router.tasks.index(name) for _, _, name in inputs]
    chosen = [decide(one).task for one in found]
    return {
        "inputs": len(inputs),
        "recall_of_the_exact_answer": float(np.mean(np.equal(chosen, exact))),
        "task_found": float(np.mean(np.equal(chosen, truth))),
        "task_found_exactly": float(np.mean(np.equal(exact, truth))),
        "second_stage_share": float(np.mean([one.stages > 1 for one in found])),
        "third_stage_share": float(np.mean([one.stages > 2 for one in found])),
    }


def _exact(
    engine: Engine, inputs: list[tuple[NDArray[np.float32], NDArray[np.float32], str]]
) -> list[int]:
    """The exact answers: no coarse scores, no rounding to 8 bits."""
    router, margins = engine.router, engine.router.margins
    signatures = Signatures(engine.opened.tasks, engine.manifest)
    first = Lookup({name: signatures[name].trunk for name in router.tasks})
    near = Shapes(signatures, "trunk", first)
    deep = Shapes(signatures, "tail", router.tail)
    degree = temperature(first.width)
    answers = []
    for front, behind, _ in inputs:
        scored = first.scored(front[: first.width])
        match = first.match(scored)
        answers.append(match.task)
        if match.margin >= margins.second:
            continue
        kept, _ = first.best_clusters(scored, CANDIDATES, match.runner_up)
        owners, g = first.task_of[kept].tolist(), near(front[: first.width], kept)
        scores = task_evidence(g.tolist(), owners, degree)
        best, rival = sorted(scores.values())[-1], sorted(scores.values())[-2]
        if best - rival < margins.third:
            scores = task_evidence((g + deep(behind, kept)).tolist(), owners, degree)
        answers[-1] = max(scores, key=scores.__getitem__)
    return answers


class Shapes:
    """G of single classes in float64, each made once."""

    def __init__(self, signatures: Signatures, part: str, lookup: Lookup) -> None:
        self._signatures, self._part, self._lookup = signatures, part, lookup
        self._shared = Shared.of(lookup.within, lookup.shrinkage)
        self._given = ClassTable({}, lookup).given
        self._made: dict[int, ClassShape] = {}

    def __call__(self, row: NDArray[np.float32], kept: NDArray[np.intp]) -> Doubles:
        found = []
        for one in kept.tolist():
            if one not in self._made:
                task = int(self._lookup.task_of[one])
                statistics = getattr(self._signatures[self._lookup.tasks[task]], self._part)
                place = one - self._lookup.spans[task].start
                given = self._given(task)
                self._made[one] = ClassShape.of(statistics, place, self._shared, given)
            shape = self._made[one]
            apart = shape.directions @ row - shape.centers
            found.append(float(row @ shape.linear) + shape.offset + float(apart @ apart) / 2)
        return np.array(found)


def certificates(folder: Path, at: Path, real: Bundle) -> dict[str, float]:
    """Do bounds and thresholds hold among so many tasks? Of `JUDGED` tasks, `POPULATION` test
    inputs each are all that there is, so that the true rates are known; held-out inputs are drawn
    from them with replacement, `DRAWS` times.
    """
    engine, rng = opened(at), np.random.default_rng(3)
    tasks, kinds = engine.manifest.tasks, len(real.manifest.tasks)
    texts, own = test_inputs(real, 10**6)
    chosen = {
        k: [text for text, one in zip(texts, own, strict=True) if one == k] for k in range(kinds)
    }
    features = {k: _features(engine, chosen[k][:POPULATION]) for k in range(kinds)}
    trunk, tail = mirrors_of(real)
    wrong, far = [], []
    for number in rng.permutation(len(tasks))[:JUDGED].tolist():
        matches = []
        for front, behind in zip(*features[number % kinds], strict=True):
            if number >= kinds:
                width = engine.router.first.width
                front = np.concatenate([trunk.features(front[:width], number), front[width:]])
                behind = tail.features(behind, number)
            evidence = engine.router.identify(front)
            if engine.router.needs_tail(evidence):
                evidence = engine.router.deepen(evidence, behind)
            matches.append(decide(evidence))
        place = engine.router.tasks.index(tasks[number].name)
        wrong.append(np.array([match.task != place for match in matches]))
        far.append(np.array([match.distance for match in matches]))
    missed, rejected = 0, []
    for _ in range(DRAWS):
        held_out = rng.integers(0, POPULATION, (JUDGED, HELD_OUT))
        counts = np.take_along_axis(np.stack(wrong), held_out, axis=1).sum(axis=1)
        bounds = {c: upper_bound(c, HELD_OUT, ALPHA / len(tasks)) for c in set(counts.tolist())}
        true = np.stack(wrong).mean(axis=1)
        missed += any(bounds[c] < rate for c, rate in zip(counts.tolist(), true, strict=True))
        for row, distances in zip(held_out, far, strict=True):
            rejected.append((distances > conformal_threshold(distances[row], 0.05)).mean())
    return {
        "tasks_judged": JUDGED,
        "draws": DRAWS,
        "held_out": HELD_OUT,
        "wrong_task_rate": float(np.stack(wrong).mean()),
        "share_of_draws_with_a_bound_below_the_truth": missed / DRAWS,
        "false_rejects_at_5_percent": float(np.mean(rejected)),
        "worst_task": float(np.reshape(rejected, (DRAWS, JUDGED)).mean(axis=0).max()),
    }


def _features(engine: Engine, texts: list[str]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    encoded = engine.opened.encoder(texts)
    found = engine.opened.encoder.features(encoded)
    return found.trunk, found.tail


def adding(folder: Path, at: Path, real: Bundle) -> dict[str, float]:
    """Learning a task in a workspace of as many tasks, against learning it in an empty one; medians
    of three, interleaved. The index names as many tasks; their folders are the real ones'.
    """
    count = len(read_manifest(at).tasks)
    name, parts = next(iter(clinc150().items()))
    settings = Settings(method="closed-form", threads=1)
    times: dict[str, list[float]] = {"first": [], "next": []}
    cpu: dict[str, list[float]] = {"first": [], "next": []}
    for _ in range(3):
        for kind, tasks in (("first", 0), ("next", count)):
            with tempfile.TemporaryDirectory(dir=folder) as scratch:
                copied = Path(scratch) / "ws"
                shutil.copytree(folder / "ws", copied, copy_function=os.link)
                index = Index.parsed((copied / "workspace.json").read_bytes(), "index")
                folders = list(index.tasks.values())
                named = {f"other-{n}": folders[n % len(folders)] for n in range(tasks)}
                (copied / "workspace.json").unlink()
                (copied / "workspace.json").write_bytes(replace(index, tasks=named).dumped())
                workspace = WorkspaceFolder(copied)
                start, before = time.perf_counter(), time.process_time()
                learn(workspace, name, parts.train, parts.held_out, settings=settings)
                times[kind].append(time.perf_counter() - start)
                cpu[kind].append(time.process_time() - before)
    medians = {f"{kind}_seconds": float(np.median(one)) for kind, one in times.items()}
    medians |= {f"{kind}_cpu_seconds": float(np.median(one)) for kind, one in cpu.items()}
    return {
        **medians,
        "ratio": medians["next_seconds"] / medians["first_seconds"],
        "cpu_ratio": medians["next_cpu_seconds"] / medians["first_cpu_seconds"],
    }


def syncing(folder: Path, at: Path, real: Bundle) -> dict[str, float]:
    """What a device does when one more task has come: an engine that shares what stays."""
    whole = read(at, keep_adapters=False)
    before = replace(whole.manifest, tasks=whole.manifest.tasks[:-1])
    engine = Engine(Bundle(before, whole.objects), adapter_bytes=ADAPTER_BYTES, verified=True)
    start, cpu = time.perf_counter(), time.process_time()
    Engine(whole, adapter_bytes=ADAPTER_BYTES, verified=True, share_with=engine)
    found = {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - cpu}
    last = whole.manifest.tasks[-1]
    files = last.adapter, last.signature, last.golden
    return {**found, "bytes_of_one_task": sum(one.size for one in files)}


MEASURES = {
    "memory": memory,
    "answering": answering,
    "recall": recall,
    "certificates": certificates,
    "adding": adding,
    "syncing": syncing,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, nargs="+", default=[1000, 10000])
    parser.add_argument("--scratch", type=Path, help="keep what is made here")
    parser.add_argument("--only", nargs="+", choices=sorted(MEASURES), default=list(MEASURES))
    parser.add_argument("--name", default="thousands", help="of the result")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.scratch or Path(temporary)
        folder.mkdir(exist_ok=True)
        real = real_tasks(folder)
        rows = []
        for tasks in options.tasks:
            at = many(real, tasks, folder)
            classes = sum(len(task.classes) for task in read_manifest(at).tasks)
            row: dict[str, object] = {"tasks": tasks, "classes": classes}
            for name in options.only:
                row[name] = MEASURES[name](folder, at, real)
                print(tasks, name, json.dumps(row[name]), flush=True)
            rows.append(row)
    record.write(options.name, {"rows": rows}, threads=1)


if __name__ == "__main__":
    main()
