"""More examples and new classes for a task whose old data are gone, on CLINC150, the task known.

    python benchmarks/update.py --jobs 16          # minutes on 16 cores

A domain is learned of half of each class's examples and updated with the other half; of ten of its
classes and updated with the other five; and of all at once, which is what an update is held against.
Old classes are counted apart: what an update takes from them. The test set is looked at once, here.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from collections.abc import Collection
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import record

from cfedge import Engine
from cfedge.train.change.update import update
from cfedge.train.examples.examples import Examples
from cfedge.train.settings import Settings
from cfedge.train.teach import learn
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge_export.build_bundle import build

#: Of fifteen classes, those that are there before the others come.
OLD = 10


def of(split: str, labels: Collection[str]) -> Examples:
    data, _ = record.clinc150()
    return Examples(*zip(*[row for row in data[split] if row[1] in labels], strict=True), split)


def halves(whole: Examples) -> tuple[Examples, Examples]:
    """Each class's examples in two halves, at random."""
    rng, one = np.random.default_rng(0), []
    for label in whole.classes:
        rows = [row for row, own in enumerate(whole.labels) if own == label]
        one += rng.permutation(rows)[: len(rows) // 2].tolist()
    rest = sorted(set(range(len(whole))) - set(one))
    return whole.take(sorted(one)), whole.take(rest)


def accuracy(workspace: WorkspaceFolder, test: Examples) -> float:
    answers = Engine(build(workspace)).predict(test.inputs, task="domain")
    pairs = zip(answers, test.labels, strict=True)
    return float(np.mean([answer.label == label for answer, label in pairs]))


def measure(base: Path, folder: Path, domain: str, method: str, way: str) -> dict[str, Any]:
    """Learn a domain in one way: ``examples`` or ``classes``, in two parts, or ``at once``."""
    workspace = WorkspaceFolder(Path(shutil.copytree(base, folder)))
    settings = Settings(method=method, threads=1)
    labels = sorted(record.clinc150()[1][domain])
    train, val, test = (of(split, labels) for split in ("train", "val", "test"))
    row: dict[str, Any] = {"domain": domain, "method": method, "way": way}
    if way == "at once":
        learn(workspace, "domain", train, val, settings=settings)
    else:
        old = set(labels[:OLD]) if way == "classes" else set(labels)
        first, more = halves(train)
        held, later = val, val.take([])
        if way == "classes":
            first, more = of("train", old), of("train", set(labels) - old)
            held, later = of("val", old), of("val", set(labels) - old)
        learn(workspace, "domain", first, held, settings=settings)
        row["before, old classes"] = accuracy(workspace, of("test", old))
        done = update(workspace, "domain", more, later, max_drop=100)
        row["old classes"] = accuracy(workspace, of("test", old))
        row["head"] = done.task.record.settings.method
    row["all classes"] = accuracy(workspace, test)
    shutil.rmtree(folder)
    return row


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """By method and way, in points over the domains: how far from learning all at once, and what
    the old classes lost.
    """
    found = {}
    for method in sorted({row["method"] for row in rows}):
        once = {row["domain"]: row["all classes"] for row in rows if (row["method"], row["way"]) == (method, "at once")}  # fmt: skip
        for way in ("examples", "classes"):
            some = [row for row in rows if (row["method"], row["way"]) == (method, way)]
            behind = [100 * (once[row["domain"]] - row["all classes"]) for row in some]
            lost = [100 * (row["before, old classes"] - row["old classes"]) for row in some]
            found[f"{method}, {way}"] = {
                "at once": float(np.mean(list(once.values()))),
                "updated": float(np.mean([row["all classes"] for row in some])),
                "behind, points": float(np.mean(behind)),
                "behind at most, points": float(np.max(behind)),
                "old classes lose, points": float(np.mean(lost)),
                "domains": len(some),
            }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--domains", type=int, default=10)
    parser.add_argument("--methods", default="closed-form,adapter")
    parser.add_argument("--jobs", type=int, default=1, help="processes of one thread each")
    parser.add_argument("--no-write", action="store_true")
    chosen = parser.parse_args()
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")  # of the processes to come
    domains = sorted(record.clinc150()[1])[: chosen.domains]
    methods = sorted(chosen.methods.split(","))  # adapters first: they take longest
    with (
        tempfile.TemporaryDirectory() as scratch,
        ProcessPoolExecutor(chosen.jobs, get_context("spawn")) as pool,
    ):
        base = record.backbone(Path(scratch) / "base", "minilm-l6").folder
        ways = [
            (domain, method, way)
            for method in methods
            for way in ("at once", "classes", "examples")
            for domain in domains
        ]
        asked = [
            pool.submit(measure, base, Path(scratch) / f"{place}", *way)
            for place, way in enumerate(ways)
        ]
        rows = []
        for one in asked:
            rows.append(one.result())
            print(rows[-1], flush=True)
    figures = summary(rows)
    print(*figures.items(), sep="\n")
    if not chosen.no_write:
        record.write("update", {"summary": figures, "rows": rows, "jobs": chosen.jobs}, threads=1)


if __name__ == "__main__":
    main()
