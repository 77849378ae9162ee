"""Do the limits on the whole answer hold? Simulated draws with known truth: sixteen tasks of a data
set, learned again and again of other examples.

    python benchmarks/limits.py --jobs 16          # minutes on 16 cores
    python benchmarks/limits.py --draws 20         # a first look

Of each class some pictures are learned from and some are held out, both drawn anew; all others are
the inputs to come, whose share of wrong answers is the truth. A task's limit is wrong where that
share is above it; the limits of all sixteen tasks are promised to hold together in 95 % of draws.
Heads are in closed form behind the frozen encoder; statistics, folds, margins, certificates are the
code that ships. The data sets were used for no choice of the lookup's.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import record
from numpy.typing import NDArray

from cfedge.confidence import upper_bound
from cfedge.lookup import Features
from cfedge.runtime.adapter import Adapter
from cfedge.runtime.early_exit import gaps, trunk_decides
from cfedge.train.features.feature_cache import features_of
from cfedge.train.features.statistics import TaskStatistics
from cfedge.train.learn.finished_head import finished
from cfedge.train.learn.head import closed_form_head
from cfedge.train.measures.calibrating import held_out_terms
from cfedge.train.measures.certificate import ALPHA, certify
from cfedge.train.measures.margins import route
from cfedge.train.settings import Settings
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge.train.workspace.learned_task import HeldOut, LearnedTask, TaskRecord

TASKS = 16
#: By data set: of each class the examples to learn from, and those to hold out.
SETS = {"gtsrb": (10, 10), "cifar100": (20, 10)}
Labels = NDArray[np.int64]


def learned(name: str, features: Features, classes: Labels, rows: list[Labels], width: int) -> LearnedTask:  # fmt: skip
    """A task in closed form, of the rows that are learned from and those that are held out."""
    own, held = (Features(*(part[some] for part in features)) for some in rows)
    statistics = TaskStatistics.of(own, own.tail, classes[rows[0]], width)
    none = np.zeros(len(rows[1]), np.float32)
    evidence = HeldOut(("",) * len(none), classes[rows[1]], held, none.astype(np.int64), none, none)
    head = closed_form_head(statistics, evidence, held.tail)
    settings = Settings(method="closed-form")
    adapter, evidence = finished(head, statistics, evidence, held.tail, settings.exit_share)
    names = tuple(f"c{place}" for place in range(classes.max() + 1))
    made = TaskRecord(name, names, len(rows[0]), "0" * 64, settings, {})
    return LearnedTask.made(made, adapter, statistics, evidence)


def draw(path: Path, width: int, learn: int, hold: int, seed: int) -> dict[str, Any]:
    """One draw: by task the limit, and the share of wrong answers among all other inputs."""
    with np.load(path) as stored:
        features, labels = Features(stored["trunk"], stored["tail"]), stored["labels"]
    rng = np.random.default_rng(seed)
    shares = np.array_split(rng.permutation(np.unique(labels)), TASKS)
    tasks, rest, truth = {}, {}, {}
    for place, classes in enumerate(shares):
        name, parts = f"t{place:02}", ([], [], [])
        own = np.searchsorted(classes, labels, sorter=(order := np.argsort(classes)))
        own = order[np.minimum(own, len(classes) - 1)].astype(np.int64)
        for one in classes:
            rows = rng.permutation(np.flatnonzero(labels == one))
            for part, some in zip(parts, np.split(rows, [learn, learn + hold]), strict=True):
                part.append(some)
        rows = [np.concatenate(part) for part in parts]
        tasks[name] = learned(name, features, own, rows[:2], width)
        rest[name], truth[name] = rows[2], own[rows[2]]
    signatures = {name: task.signature for name, task in tasks.items()}
    held_out = {name: task.held_out.features for name, task in tasks.items()}
    folds = {name: task.folds for name, task in tasks.items()}
    router, found = route(signatures, held_out, folds)
    right = {
        name: (found[name].task == place) & (task.held_out.answers == task.held_out.classes)
        for place, (name, task) in enumerate(tasks.items())
    }
    terms = held_out_terms(signatures, found, held_out, folds)
    certified = certify(found, terms, right=right)
    rows = []
    for place, (name, task) in enumerate(tasks.items()):
        some = Features(*(part[rest[name]] for part in features))
        head = Adapter.from_arrays(task.adapter)
        trunk, tail = head.trunk(some.trunk), head.adapted(some.tail)
        alone = np.asarray(trunk_decides(gaps(trunk), head.exit_margin))
        label = np.where(alone[:, None], trunk, trunk + tail).argmax(axis=1)
        wrong = (router(some).task != place) | (label != truth[name])
        certificate = certified[name].certificate
        rows.append(
            {
                "limit": certificate.wrong_answer_at_most,
                "held out wrong": certificate.wrong / certificate.held_out,
                "truth": float(wrong.mean()),
            }
        )
    return {"seed": seed, "tasks": rows}


def pooled(workspace: WorkspaceFolder, name: str, given: Path | None, target: Path) -> None:
    """Write all of a data set's features and labels to one file: encoded, or as they are given."""
    parts = []
    for split in ("train", "test"):
        if given is not None:
            with np.load(given / f"{name}-{split}.npz") as stored:
                parts.append([stored[key] for key in ("trunk", "tail", "labels")])
            continue
        with np.load(record.DATA / "images" / f"{name}.npz") as data:
            frames, labels = data[f"x_{split}"], data[f"y_{split}"]
        if frames.ndim == 3:
            frames = np.repeat(frames[..., None], 3, axis=3)
        threads = len(os.sched_getaffinity(0))
        features = features_of(workspace.encoder(threads=threads), list(frames))[1]
        parts.append([*features, labels])
    trunk, tail, labels = (np.concatenate(column) for column in zip(*parts, strict=True))
    np.savez(target, trunk=trunk, tail=tail, labels=labels.astype(np.int64))


def summary(draws: list[dict[str, Any]]) -> dict[str, Any]:
    wrong = [any(row["truth"] > row["limit"] for row in one["tasks"]) for one in draws]
    rows = [row for one in draws for row in one["tasks"]]
    return {
        "draws": len(draws),
        "draws with a wrong limit": sum(wrong),
        "share, at most": upper_bound(sum(wrong), len(wrong), 0.05),
        "promised": ALPHA,
        "tasks whose limit is wrong": sum(row["truth"] > row["limit"] for row in rows),
        "tasks": len(rows),
        **{f"mean {key}": float(np.mean([row[key] for row in rows])) for key in ("limit", "held out wrong", "truth")},
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1, help="processes of one thread each")
    parser.add_argument("--draws", type=int, default=400)
    parser.add_argument(
        "--minutes", type=float, default=600, help="of a data set: no draw is begun later"
    )
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--features", type=Path, help="folder of features that were made before")
    parser.add_argument("--no-write", action="store_true")
    chosen = parser.parse_args()
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")  # of the processes to come
    results = {}
    with tempfile.TemporaryDirectory() as scratch:
        workspace = record.backbone(Path(scratch) / "base", "lite0")
        for name in chosen.sets.split(","):
            path, width = Path(scratch) / f"{name}.npz", workspace.backbone.views[0]
            pooled(workspace, name, chosen.features, path)
            with ProcessPoolExecutor(chosen.jobs, get_context("spawn")) as pool:
                asked = [pool.submit(draw, path, width, *SETS[name], seed) for seed in range(chosen.draws)]  # fmt: skip
                draws, end = [], time.monotonic() + 60 * chosen.minutes
                for one in asked:
                    # One alone that waits is running by the time that it is asked to go.
                    if time.monotonic() > end:
                        pool.shutdown(cancel_futures=True)
                    if not one.cancelled():
                        draws.append(one.result())
                        if len(draws) % 20 == 0:
                            print(name, summary(draws), flush=True)
            results[name] = {**summary(draws), "learned, held out a class": SETS[name]}
            print(name, results[name], flush=True)
    if not chosen.no_write:
        record.write("limits", {"sets": results, "tasks": TASKS, "jobs": chosen.jobs}, threads=1)


if __name__ == "__main__":
    main()
