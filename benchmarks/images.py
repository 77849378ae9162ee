"""Pictures: CIFAR-100 as ten tasks of ten classes, and five kinds of pictures as five tasks; three
draws, per sample, through the exported int8 bundle.

    CFEDGE_DATA=../shared/data python benchmarks/images.py --jobs 16    # minutes on 16 cores
    python benchmarks/images.py --head-only --seeds 1                   # a first look

A task is learned from all its training pictures; a fifth of each class is held out of them for
certificate and parity. Test pictures are looked at once, here. Every task is learned by a process of
its own with one thread, and so is every draw evaluated. LDA and RanPAC read the same frozen features
behind the trunk and get all training pictures, with nothing held out. *Joint* is the tail trained on
all hundred classes together, which is not continual.

`known` is accuracy with the task given. A limit is *exceeded* where more test answers are wrong than
the certificate of the whole answer allows; GTSRB's test pictures are of other tracks than the
training pictures.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import Future, ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import record
from numpy.typing import NDArray

from cfedge import Engine
from cfedge.study.baselines import RULES
from cfedge.train.examples.examples import Examples
from cfedge.train.measures.metrics import evaluate
from cfedge.train.settings import Settings
from cfedge.train.teach import learn
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge_export.pack import export
from cfedge_export.parity_gate import Gate

TASKS, CLASSES = 10, 10
BASELINES = {"LDA": "LDA", "RanPAC": "random-features", "nearest mean": "nearest-mean"}
SETS = ("gtsrb", "fashion", "notmnist")
Arrays = dict[str, NDArray[Any]]
#: By task: pictures to learn from, and to test on.
Stream = dict[str, tuple[Examples, Examples]]


def examples(pictures: NDArray[np.uint8], labels: Iterable[object], source: str) -> Examples:
    """Frames uint8 [H, W, 3] with labels as texts; grey ones are repeated three times."""
    colours = pictures if pictures.ndim == 4 else np.repeat(pictures[..., None], 3, axis=3)
    frames = tuple(np.ascontiguousarray(frame) for frame in colours)
    return Examples(frames, tuple(f"c{label}" for label in labels), source, kind="image")


@cache
def _loaded(name: str) -> Arrays:
    with np.load(record.DATA / "images" / f"{name}.npz") as data:
        return dict(data)


def _set(name: str, chosen: NDArray[np.int64] | None = None) -> tuple[Examples, Examples]:
    """A data set's two parts; `chosen` classes of it alone."""
    parts, halves = _loaded(name), []
    for part in ("train", "test"):
        pictures, labels = parts[f"x_{part}"], parts[f"y_{part}"]
        kept = np.ones(len(labels), bool) if chosen is None else np.isin(labels, chosen)
        halves.append(examples(pictures[kept], labels[kept], f"{name} {part}"))
    return halves[0], halves[1]


def _digits(rng: np.random.Generator) -> tuple[Examples, Examples]:
    """scikit-learn's digits, 8 x 8: a quarter of each to test on."""
    from sklearn.datasets import load_digits

    data = load_digits()
    pictures, order = (data.images * 15.9).astype(np.uint8), rng.permutation(len(data.target))
    at = 3 * len(order) // 4
    return (
        examples(pictures[order[:at]], data.target[order[:at]], "digits train"),
        examples(pictures[order[at:]], data.target[order[at:]], "digits test"),
    )


def stream(name: str, seed: int) -> Stream:
    """``cifar``: ten tasks of ten classes, drawn; ``kinds``: five tasks, one of them ten of these."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(TASKS * CLASSES)
    if name == "cifar":
        return {
            f"t{task}": _set("cifar100", order[task * CLASSES : (task + 1) * CLASSES])
            for task in range(TASKS)
        }
    return {
        "objects": _set("cifar100", order[:CLASSES]),
        **{other: _set(other) for other in SETS},
        "digits": _digits(rng),
    }


def learn_one(base: Path, folder: Path, name: str, seed: int, task: str, method: str) -> float:
    """Learn one task in a copy of the empty workspace; return the seconds that it took. What an
    earlier run learned there is taken as it is.
    """
    finished = folder / "seconds"
    if finished.is_file():
        return float(finished.read_text("utf-8"))
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(base, folder)
    data, start = stream(name, seed)[task][0], time.perf_counter()
    settings = Settings(seed=seed, threads=1, method=method)
    learn(WorkspaceFolder(folder), task, data, settings=settings)
    seconds = time.perf_counter() - start
    finished.write_text(str(seconds), "utf-8")
    return seconds


def learn_joint(base: Path, folder: Path, seed: int) -> dict[str, Any]:
    """Train the tail on all classes together; return its accuracy through the int8 engine. What an
    earlier run found is taken as it is.
    """
    written = folder.with_suffix(".json")
    if written.is_file():
        return dict(json.loads(written.read_text("utf-8")))
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(base, folder)
    parts = list(stream("cifar", seed).values())
    train, test = (_together([part[half] for part in parts]) for half in (0, 1))
    start = time.perf_counter()
    settings = Settings(seed=seed, threads=1, method="adapter")
    learn(WorkspaceFolder(folder), "joint", train, settings=settings)
    seconds = time.perf_counter() - start
    bundle = folder.with_name(f"{folder.name}-bundle")
    shutil.rmtree(bundle, ignore_errors=True)
    exported = export(WorkspaceFolder(folder), bundle, gate=Gate(100, 1e9))
    scores = evaluate(Engine(exported.bundle), {"joint": test})
    found = {"seed": seed, "last_accuracy": scores.known, "seconds": seconds}
    written.write_text(json.dumps(found), "utf-8")
    return found


def _together(parts: list[Examples]) -> Examples:
    inputs = tuple(value for part in parts for value in part.inputs)
    labels = tuple(label for part in parts for label in part.labels)
    return Examples(inputs, labels, "all", kind="image")


def evaluate_one(
    base: Path,
    folders: dict[str, Path],
    out: Path,
    name: str,
    seed: int,
    seconds: dict[str, float],
) -> dict[str, Any]:
    """Put a draw's tasks together, export them, and answer every test picture. What an earlier run
    found is taken as it is.
    """
    written = out.with_suffix(".json")
    if written.is_file():
        return dict(json.loads(written.read_text("utf-8")))
    shutil.rmtree(out, ignore_errors=True)
    workspace = WorkspaceFolder(shutil.copytree(base, out / "ws"))
    for task, folder in folders.items():
        workspace.put(WorkspaceFolder(folder).task(task))
    data = stream(name, seed)
    done = export(workspace, out / "bundle", gate=Gate(100, 1e9))
    engine = Engine.open(out / "bundle")
    scores = evaluate(engine, {task: test for task, (_, test) in data.items()})
    manifest, records = engine.manifest, {task: workspace.record(task) for task in data}
    tasks = []
    for row in scores.tasks:
        entry, kept = next(one for one in manifest.tasks if one.name == row.task), records[row.task]
        tasks.append(
            {
                **dataclasses.asdict(row),
                "method": kept.settings.method,
                "trial": None if kept.trial is None else dataclasses.asdict(kept.trial),
                "bytes": entry.adapter.size + entry.signature.size + entry.golden.size,
                "wrong_at_most": entry.certificate.wrong_answer_at_most,
                "wrong_task_at_most": entry.certificate.wrong_task_at_most,
                "exceeded": 1 - row.accuracy > entry.certificate.wrong_answer_at_most,
                "drop": next(one.drop for one in done.parity if one.task == row.task),
            }
        )
    shown = {key: getattr(scores, key) for key in ("task_identification", "known", "task_mean")}
    found = {
        "stream": name,
        "seed": seed,
        "last_accuracy": scores.accuracy,
        **shown,
        "third_stages": scores.third_stages,
        "early_exits": scores.early_exits,
        "backbone_bytes": sum(ref.size for ref in manifest.backbone.files().values()),
        "tasks": tasks,
        "baselines": baselines(workspace, data),
        "add_seconds": seconds,
    }
    written.write_text(json.dumps(found), "utf-8")
    return found


def baselines(workspace: WorkspaceFolder, data: Stream) -> dict[str, dict[str, float]]:
    """What rules on the same frozen features answer: last accuracy, and the task's share."""
    encoder, found = workspace.encoder(), {}
    train, test = (
        {task: np.stack(encoder(parts[half].inputs).features) for task, parts in data.items()}
        for half in (0, 1)
    )
    classes = {task: {c: row for row, c in enumerate(p[0].classes)} for task, p in data.items()}
    names = sorted(data)
    for title, rule in BASELINES.items():
        statistics = {
            task: RULES[rule].statistics(
                train[task], np.array([classes[task][one] for one in data[task][0].labels])
            )
            for task in names
        }
        columns = [RULES[rule].columns(statistics[task]) for task in names]
        owner = np.repeat(np.arange(len(names)), columns)
        scorer, right, told = RULES[rule].scorer(statistics), [], []
        for place, task in enumerate(names):
            best = np.asarray(scorer(test[task])).argmax(axis=1)
            start = int(np.flatnonzero(owner == place)[0])
            truth = start + np.array([classes[task][one] for one in data[task][1].labels])
            right += (best == truth).tolist()
            told += (owner[best] == place).tolist()
        found[title] = {"last_accuracy": float(np.mean(right)), "retrieval": float(np.mean(told))}
    return found


def draw(
    pool: ProcessPoolExecutor, base: Path, name: str, seed: int, method: str
) -> Future[dict[str, Any]]:
    """Learn a draw's tasks, and have it evaluated while the next one is learned."""
    scratch = base.parent
    folders = {task: scratch / f"{name}-{seed}-{task}-{method}" for task in stream(name, seed)}
    learning = {
        task: pool.submit(learn_one, base, folder, name, seed, task, method)
        for task, folder in folders.items()
    }
    seconds = {task: done.result() for task, done in learning.items()}
    out = scratch / f"{name}-{seed}-{method}"
    return pool.submit(evaluate_one, base, folders, out, name, seed, seconds)


def main() -> None:
    """Learn, evaluate, write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=1, help="processes, one core each")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--joint", type=int, default=1, help="draws of which joint is trained")
    parser.add_argument("--streams", default="cifar,kinds")
    parser.add_argument("--head-only", action="store_true", help="closed forms alone")
    parser.add_argument("--result", default="images", help="the result's name")
    parser.add_argument(
        "--scratch", type=Path, help="a folder: a run that was stopped goes on there"
    )
    parser.add_argument("--timed", action="store_true", help="keep seconds: the machine is quiet")
    parser.add_argument("--no-write", action="store_true", help="print only")
    chosen = parser.parse_args()
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = "1"  # read by the processes to come: each has one core
    method = "closed-form" if chosen.head_only else "auto"
    draws = [(name, seed) for seed in range(chosen.seeds) for name in chosen.streams.split(",")]
    context = get_context("spawn")
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(chosen.jobs, context) as pool:
        scratch = chosen.scratch or Path(folder)
        scratch.mkdir(exist_ok=True)
        base = scratch / "base"
        if not base.is_dir():
            record.backbone(base, "lite0")
        joint: list[Future[Any]] = [
            pool.submit(learn_joint, base, scratch / f"joint{seed}", seed)
            for seed in range(0 if chosen.head_only else chosen.joint)
        ]
        runs = [done.result() for done in [draw(pool, base, *one, method) for one in draws]]
        joined = [done.result() for done in joint]
    for timed in () if chosen.timed else (*runs, *joined):
        timed.pop("add_seconds" if "add_seconds" in timed else "seconds")
    report(runs, joined, name="" if chosen.no_write else chosen.result, jobs=chosen.jobs)


def report(
    runs: list[dict[str, Any]], joint: list[dict[str, Any]], *, name: str, jobs: int
) -> None:
    """Print means over the draws, and write all, if the result has a name."""
    summary: dict[str, Any] = {}
    for stream_name in dict.fromkeys(run["stream"] for run in runs):
        mine = [run for run in runs if run["stream"] == stream_name]
        tasks = [task for run in mine for task in run["tasks"]]
        mean = {
            key: float(np.mean([run[key] for run in mine]))
            for key in ("last_accuracy", "task_identification", "known", "early_exits")
        }
        for title in BASELINES:
            each = [run["baselines"][title]["last_accuracy"] for run in mine]
            mean[title] = float(np.mean(each))
        mean["adapters_kept"] = sum(task["method"] == "adapter" for task in tasks)
        mean["limits_exceeded"] = sum(bool(task["exceeded"]) for task in tasks)
        mean["tasks"] = len(tasks)
        for kept in ("adapter", "closed-form"):
            sizes = [task["bytes"] for task in tasks if task["method"] == kept]
            mean[f"bytes_{kept}_max"] = max(sizes, default=0)
        mean["backbone_bytes"] = mine[0]["backbone_bytes"]
        if "add_seconds" in mine[0]:
            mean["add_seconds_max"] = max(max(run["add_seconds"].values()) for run in mine)
        summary[stream_name] = mean
        print(stream_name, *(f"{key} {value:.4g}" for key, value in mean.items()), sep="\n  ")
    for one in joint:
        print("joint", one)
    if name:
        figures = {"summary": summary, "runs": runs, "joint": joint, "jobs": jobs}
        record.write(name, figures, threads=1)


if __name__ == "__main__":
    main()
