"""One class added without old data: CLINC150's ten domains with one class of a domain held back,
which then becomes a task of its own, of 20 and of 100 examples.

    python benchmarks/one_class.py --jobs 16       # minutes on 16 cores

What the lookup that ships makes of the test set is counted: how many of the class's inputs it finds,
and how many inputs of the other classes get another task than before. Twenty examples are drawn,
three times; CLINC150's first twenty of a class are often one sentence in twenty forms, so these are
counted apart (draw ``first``).
"""

from __future__ import annotations

import argparse
import os
import tempfile
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import record
from numpy.typing import NDArray

from cfedge.lookup import Features, TaskSignature
from cfedge.train.features.feature_cache import features_of
from cfedge.train.features.signature import learn_signature
from cfedge.train.measures.margins import route
from cfedge.train.workspace.folder import WorkspaceFolder

DRAWS = ("first", 0, 1, 2)
SPLITS = ("train", "val", "test")


def encode(folder: Path, texts: list[str]) -> Features:
    return features_of(WorkspaceFolder(folder).encoder(), texts)[1]


@cache
def loaded(path: Path) -> dict[str, NDArray[Any]]:
    with np.load(path) as stored:
        return dict(stored)


def of(path: Path, split: str, rows: NDArray[np.int64]) -> Features:
    stored = loaded(path)
    return Features(stored[f"{split}.trunk"][rows], stored[f"{split}.tail"][rows])


def rows_of(path: Path, split: str, label: str) -> NDArray[np.int64]:
    return np.flatnonzero(loaded(path)[f"{split}.labels"] == label)


def signature(path: Path, labels: list[str], rows: list[NDArray[np.int64]]) -> TaskSignature:
    """Of the training examples `rows` of each label."""
    classes = np.repeat(np.arange(len(labels)), [len(some) for some in rows])
    return learn_signature(of(path, "train", np.concatenate(rows)), classes)


def of_class(path: Path, domain: str, label: str, domains: dict[str, list[str]]) -> list[dict[str, Any]]:  # fmt: skip
    """Hold one class back, and add it of so many examples; one row for each way."""
    labels = {name: sorted(set(every) - {label}) for name, every in domains.items()}
    base = {
        name: signature(path, every, [rows_of(path, "train", one) for one in every])
        for name, every in labels.items()
    }
    held = {
        name: of(path, "val", np.concatenate([rows_of(path, "val", one) for one in every]))
        for name, every in labels.items()
    }
    owner = {one: name for name, every in domains.items() for one in every}
    asked = loaded(path)["test.labels"]
    others, mine = np.flatnonzero(asked != label), np.flatnonzero(asked == label)
    truth = np.array([owner[one] for one in asked[others]])
    router, _ = route(base, held)
    before = (np.array(router.tasks)[router(of(path, "test", others)).task] == truth).mean()
    found = []
    for count, draw in [*((20, draw) for draw in DRAWS), (100, "all")]:
        every = rows_of(path, "train", label)
        drawn = np.random.default_rng(draw).permutation(every) if isinstance(draw, int) else every
        new = signature(path, [label], [drawn[:count]])
        evidence = of(path, "val", rows_of(path, "val", label)[: max(1, count // 5)])
        router, _ = route({**base, "new": new}, {**held, "new": evidence})
        tasks = np.array(router.tasks)
        after = (tasks[router(of(path, "test", others)).task] == truth).mean()
        recall = (tasks[router(of(path, "test", mine)).task] == "new").mean()
        found.append(
            {
                "domain": domain,
                "class": label,
                "examples": count,
                "draw": draw,
                "recall": float(recall),
                "others lose, points": float(100 * (before - after)),
            }
        )
    return found


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """By how the examples were chosen: over the classes, each the mean of its draws."""
    found = {}
    for name, count, draws in (
        ("20 drawn", 20, (0, 1, 2)),
        ("20 first", 20, ("first",)),
        ("100", 100, ("all",)),
    ):
        by_class: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            if row["examples"] == count and row["draw"] in draws:
                by_class.setdefault(row["class"], []).append(row)
        recall = {one: float(np.mean([row["recall"] for row in some])) for one, some in by_class.items()}  # fmt: skip
        lost = [row["others lose, points"] for some in by_class.values() for row in some]
        found[name] = {
            "recall": float(np.mean(list(recall.values()))),
            "least recall": min(recall.values()),
            "of class": min(recall, key=lambda one: recall[one]),
            "classes below .90": sum(value < 0.9 for value in recall.values()),
            "classes": len(recall),
            "others lose, points": float(np.mean(lost)),
            "at most, points": float(np.max(lost)),
        }
    return found


def encoded(scratch: Path, pool: ProcessPoolExecutor, data: Any, known: set[str]) -> Path:
    """Write the features and labels of every split to one file."""
    base, path = record.backbone(scratch / "base", "minilm-l6").folder, scratch / "features.npz"
    arrays: dict[str, NDArray[Any]] = {}
    for split in SPLITS:
        rows = [row for row in data[split] if row[1] in known]
        texts = [text for text, _ in rows]
        asked = [pool.submit(encode, base, texts[at : at + 500]) for at in range(0, len(texts), 500)]  # fmt: skip
        parts = [one.result() for one in asked]
        for name in Features._fields:
            arrays[f"{split}.{name}"] = np.concatenate([getattr(part, name) for part in parts])
        arrays[f"{split}.labels"] = np.array([label for _, label in rows])
    np.savez(path, **arrays)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--classes", type=int, default=15, help="held back, of each domain")
    parser.add_argument("--domains", type=int, default=1, help="from which classes are held back")
    parser.add_argument("--jobs", type=int, default=1, help="processes of one thread each")
    parser.add_argument("--features", type=Path, help="features that were made before")
    parser.add_argument("--no-write", action="store_true")
    chosen = parser.parse_args()
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")  # of the processes to come
    data, domains = record.clinc150()
    known = {label for labels in domains.values() for label in labels}
    with (
        tempfile.TemporaryDirectory() as scratch,
        ProcessPoolExecutor(chosen.jobs, get_context("spawn")) as pool,
    ):
        path = chosen.features or encoded(Path(scratch), pool, data, known)
        wanted = [
            (domain, label)
            for domain in sorted(domains)[: chosen.domains]
            for label in sorted(domains[domain])[: chosen.classes]
        ]
        waiting = [pool.submit(of_class, path, domain, label, domains) for domain, label in wanted]
        rows = []
        for one in waiting:
            rows += one.result()
            print(*rows[-5:], sep="\n", flush=True)
    figures = summary(rows)
    print(*figures.items(), sep="\n")
    if not chosen.no_write:
        record.write("one_class", {"summary": figures, "rows": rows, "jobs": chosen.jobs}, threads=1)  # fmt: skip


if __name__ == "__main__":
    main()
