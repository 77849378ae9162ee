"""The first stage's time against the trunk's, one thread, from ten tasks to ten thousand.

No data set has ten thousand tasks: class means are drawn as CLINC150's lie (covariance of its class
means behind the trunk, the part between tasks as large as there), pulled together by `APART` so
that the tasks are not told apart for free, and inputs around them with its covariance within
classes. A look is timed in the wake of a run of the trunk, where it finds its own bytes out of the
caches, and in a loop of its own; as it ships, and with every cluster scored in float32 ("exact").
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
import record
from numpy.typing import NDArray

from cfedge.lookup import ClusterStatistics, Lookup
from cfedge.lookup.cluster_table import COARSE_DIRECTIONS
from cfedge.runtime.backbone import Trunk
from cfedge.runtime.coarse_table import CoarseTable
from cfedge.train.features.signature import signature

CLASSES, INPUTS = 15, 1000
#: The first stage reads the first view.
WIDTH = 384
#: Of the class means' distances: with them as they are no input of ten thousand tasks is mistaken.
APART = 0.6


class Population:
    """Tasks and inputs like CLINC150's."""

    def __init__(self, trunk: Trunk) -> None:
        data, domains = record.clinc150()
        self.real: list[ClusterStatistics] = []
        residuals = []
        for labels in domains.values():
            rows = [
                (text, labels.index(label)) for text, label in data["train"] if label in set(labels)
            ]
            features = np.stack(trunk([text for text, _ in rows]).features)[:, :WIDTH]
            classes = np.array([label for _, label in rows])
            self.real.append(signature(features, classes))
            residuals.append(features - self.real[-1].means.astype(np.float64)[classes])
        means = np.stack([one.means.astype(np.float64) for one in self.real])
        self.center = means.mean(axis=(0, 1))
        _, scale, axes = np.linalg.svd(
            (means - self.center).reshape(-1, means.shape[2]), full_matrices=False
        )
        self.axes = axes * (scale / np.sqrt(means.shape[0] * means.shape[1]))[:, None]
        between_tasks = ((means.mean(axis=1) - self.center) ** 2).sum(axis=1).mean()
        self.share = between_tasks / ((means - self.center) ** 2).sum(axis=2).mean()
        within = np.concatenate(residuals)
        self.within = np.linalg.cholesky(
            within.T @ within / len(within) + 1e-9 * np.eye(within.shape[1])
        )

    def draw(
        self, tasks: int, rng: np.random.Generator
    ) -> tuple[dict[str, ClusterStatistics], NDArray[np.float32], NDArray[np.int64]]:
        """Signatures, inputs float32 [N, D] and the task of each."""
        of_task = np.repeat(rng.normal(size=(tasks, len(self.axes))), CLASSES, axis=0)
        of_class = rng.normal(size=(tasks * CLASSES, len(self.axes)))
        means = (
            self.center
            + APART
            * (np.sqrt(self.share) * of_task + np.sqrt(1 - self.share) * of_class)
            @ self.axes
        )
        signatures = {}
        for task in range(tasks):
            like = self.real[task % len(self.real)]
            own = means[task * CLASSES : (task + 1) * CLASSES].astype(np.float32)
            signatures[f"task-{task:05}"] = ClusterStatistics(
                like.counts, own, like.factor, like.diagonal, like.quartic, like.factor_classes
            )
        truth = rng.integers(0, tasks * CLASSES, INPUTS)
        inputs = means[truth] + rng.normal(size=(INPUTS, means.shape[1])) @ self.within.T
        return (
            signatures,
            (inputs / np.linalg.norm(inputs, axis=1, keepdims=True)).astype(np.float32),
            truth // CLASSES,
        )


def timed(run: object, *arguments: object) -> float:
    start = time.perf_counter()
    run(*arguments)  # type: ignore[operator]
    return 1e6 * (time.perf_counter() - start)


def look(lookup: Lookup, row: np.ndarray) -> None:
    lookup.match(lookup.scored(row))


def measure(population: Population, trunk: Trunk, texts: list[str], tasks: int) -> dict[str, float]:
    rng = np.random.default_rng(tasks)
    signatures, inputs, truth = population.draw(tasks, rng)
    start = time.perf_counter()
    lookup = Lookup(signatures, coarse=CoarseTable)
    built = time.perf_counter() - start
    exact = Lookup(signatures)
    runs, wake, plain_wake = [], [], []
    for row, text in zip(inputs, texts, strict=False):
        runs.append(timed(trunk, [text]))
        wake.append(timed(look, lookup, row))
    for row, text in zip(inputs[:300], texts, strict=False):
        trunk([text])
        plain_wake.append(timed(look, exact, row))
    loop, plain = [], []
    for row in inputs[:300]:
        loop.append(timed(look, lookup, row))
    for row in inputs[:300]:
        plain.append(timed(look, exact, row))
    found, expected = lookup(inputs), exact(inputs)
    return {
        "tasks": tasks,
        "clusters": tasks * CLASSES,
        "directions": lookup.directions,
        "trunk_us": float(np.median(runs)),
        "after_a_trunk_run_us": float(np.median(wake)),
        "in_a_loop_us": float(np.median(loop)),
        "share_of_trunk": float(np.median(wake) / np.median(runs)),
        "share_of_trunk_in_a_loop": float(np.median(loop) / np.median(runs)),
        "exact_after_a_trunk_run_us": float(np.median(plain_wake)),
        "exact_in_a_loop_us": float(np.median(plain)),
        "coarse_scores_first": lookup._table.coarse is not None,
        "recall_of_the_exact_answer": float((found.task == expected.task).mean()),
        "same_as_exact_to_the_bit": all(
            getattr(found, name).tobytes() == getattr(expected, name).tobytes()
            for name in vars(expected)
        ),
        "task_identification": float((found.task == truth).mean()),
        "array_bytes": sum(
            value.nbytes
            for value in (*vars(lookup).values(), *vars(lookup._table).values())
            if isinstance(value, np.ndarray) and value.base is None
        ),
        "coarse_bytes": (COARSE_DIRECTIONS // 2 + 8)
        * tasks
        * CLASSES
        * (lookup._table.coarse is not None),
        "build_seconds": built,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, nargs="+", default=[10, 100, 400, 1000, 10000])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        workspace = record.backbone(Path(scratch) / "ws", "minilm-l6")
        trunk = workspace.encoder().trunk
    population = Population(trunk)
    texts = [text for text, _ in record.clinc150()[0]["test"]][:INPUTS]
    rows = []
    for tasks in options.tasks:
        rows.append(measure(population, trunk, texts, tasks))
        print({key: round(value, 4) for key, value in rows[-1].items()}, flush=True)
    settings = {"classes": CLASSES, "inputs": INPUTS, "apart": APART}
    record.write("lookup", {"settings": settings, "rows": rows}, threads=1)


if __name__ == "__main__":
    main()
