"""CLINC150 as 10 tasks x 15 intents, learned one after another in three orders; per sample, through
the int8 bundle.

Adapters learn from ``train`` (1,500 utterances a task); ``val`` is held out for certificates,
thresholds and parity; ``test`` is looked at once, here. After each addition every earlier task's
class scores on its test set, with the task known, must be the bits they were when it was added.

``--jobs 3`` runs the orders side by side, each in a process of one thread; nothing is fetched where
``--weights`` names a folder with MiniLM-L6.
"""

from __future__ import annotations

import argparse
import dataclasses
import multiprocessing
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import record
import torch
from numpy.typing import NDArray

from cfedge import Engine
from cfedge.runtime.backbone import Slots
from cfedge.train.examples.examples import Examples
from cfedge.train.measures.metrics import evaluate, forgetting
from cfedge.train.settings import Settings
from cfedge.train.teach import learn
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge_export.build_bundle import build
from cfedge_export.pack import export

Floats = NDArray[np.float32]


def run_order(
    workspace: WorkspaceFolder, order: list[str], seed: int, out: Path, threads: int | None = None
) -> dict[str, Any]:
    data, domains = record.clinc150()
    splits = {
        split: {
            task: Examples(
                *zip(
                    *[(text, label) for text, label in data[split] if label in set(domains[task])],
                    strict=True,
                ),
                split,
            )
            for task in order
        }
        for split in ("train", "val", "test")
    }
    matrix = np.zeros((len(order), len(order)))
    first: dict[str, np.ndarray] = {}
    changed: list[str] = []
    seconds: list[float] = []
    scores = None
    for position, task in enumerate(order):
        start = time.perf_counter()
        learn(
            workspace,
            task,
            splits["train"][task],
            splits["val"][task],
            settings=Settings(seed=seed, threads=threads),
        )
        seconds.append(time.perf_counter() - start)
        engine = Engine(build(workspace))
        seen = {name: splits["test"][name] for name in order[: position + 1]}
        for name, examples in seen.items():
            found = engine.opened.class_scores(examples.inputs, name)
            if not np.array_equal(first.setdefault(name, found), found):
                changed.append(f"{name} after {task}")
        scores = evaluate(engine, seen)
        for row in scores.tasks:
            matrix[position, order.index(row.task)] = row.accuracy
        print(
            f"seed {seed}: {task}: {seconds[-1]:.0f} s, accuracy so far {scores.accuracy:.4f}",
            flush=True,
        )
    assert scores is not None
    done = export(workspace, out)
    engine = Engine.open(out)
    scores = evaluate(engine, splits["test"], [text for text, _ in data["oos_test"]])
    assert scores.unknown is not None
    tasks, backbone = {task.name: task for task in engine.manifest.tasks}, engine.manifest.backbone
    return {
        "order": order,
        "seed": seed,
        "last_accuracy": scores.accuracy,
        "task_mean": scores.task_mean,
        "task_identification": scores.task_identification,
        "task_known": scores.known,
        "forgetting": forgetting(matrix),
        "passes": _passes(engine, splits["test"]),
        "early_exits": scores.early_exits,
        "accuracy_matrix": matrix.tolist(),
        "bits_changed": changed,
        "unknown": dataclasses.asdict(scores.unknown.detection),
        "add_seconds": seconds,
        "task_bytes": {
            name: task.adapter.size + task.signature.size + task.golden.size
            for name, task in tasks.items()
        },
        "adapter_bytes": max(task.adapter.size for task in tasks.values()),
        "signature_bytes": max(task.signature.size for task in tasks.values()),
        "backbone_bytes": sum(ref.size for ref in backbone.files().values()),
        "limits": {
            row.task: {
                "wrong_task_at_most": tasks[row.task].certificate.wrong_task_at_most,
                "held_out_errors": tasks[row.task].certificate.errors,
                "held_out": tasks[row.task].certificate.held_out,
                "test_error": 1 - row.task_identification,
            }
            for row in scores.tasks
        },
        "parity": [dataclasses.asdict(one) for one in done.parity],
    }


def _passes(engine: Engine, data: Mapping[str, Examples]) -> float:
    """Forward passes an answer, the tasks unknown: the trunk once, and the tail as often as it is
    run, by an adapter or frozen, for the lookup or to tell whether an input is unknown.
    """
    rows, tail = [], engine.opened.encoder.tail

    def counting(hidden: Sequence[Floats], slots: Sequence[Slots]) -> list[Floats]:
        rows.append(len(hidden))
        return tail(hidden, slots)

    engine.opened.encoder.tail = counting  # type: ignore[assignment]
    try:
        answers = sum(len(engine.predict(examples.inputs)) for examples in data.values())
    finally:
        engine.opened.encoder.tail = tail
    backbone = engine.manifest.backbone
    of_trunk = backbone.split / backbone.blocks
    return of_trunk + sum(rows) / answers * (1 - of_trunk)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=1, help="orders at once, a process each")
    parser.add_argument("--weights", type=Path, help="folder of MiniLM-L6; otherwise its cache")
    parser.add_argument("--keep", type=Path, help="leave the last bundle here")
    arguments = parser.parse_args()
    _, domains = record.clinc150()
    runs = []
    with tempfile.TemporaryDirectory() as scratch:
        base = Path(scratch) / "base"
        split = record.backbone(base, "minilm-l6", folder=arguments.weights).backbone.split
        places = [(Path(scratch) / f"ws{seed}", seed) for seed in range(arguments.orders)]
        for copy, _ in places:
            shutil.copytree(base, copy)
        if arguments.jobs == 1:
            for copy, seed in places:
                runs.append(one_order(copy, list(domains), seed))
                report(runs, split, threads=2)
        else:
            spawned = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(arguments.jobs, mp_context=spawned) as pool:
                pending = [
                    pool.submit(one_order, copy, list(domains), seed, threads=1)
                    for copy, seed in places
                ]
                runs = [one.result() for one in pending]
            report(runs, split, threads=1)
        if arguments.keep:
            shutil.rmtree(arguments.keep, ignore_errors=True)
            shutil.copytree(places[-1][0].with_suffix(".bundle"), arguments.keep)


def one_order(
    copy: Path, domains: list[str], seed: int, *, threads: int | None = None
) -> dict[str, Any]:
    """Learn the domains in the order that the seed draws, in a workspace of their own."""
    if threads is not None:
        torch.set_num_threads(threads)
    order = [domains[index] for index in np.random.default_rng(seed).permutation(len(domains))]
    return run_order(WorkspaceFolder(copy), order, seed, copy.with_suffix(".bundle"), threads)


def report(runs: list[dict[str, Any]], split: int, *, threads: int) -> None:
    """Write what has been measured so far."""
    summary: dict[str, object] = {
        key: {
            "mean": float(np.mean([run[key] for run in runs])),
            "standard_error": float(np.std([run[key] for run in runs], ddof=1) / len(runs) ** 0.5)
            if len(runs) > 1
            else None,
            "min": float(np.min([run[key] for run in runs])),
            "max": float(np.max([run[key] for run in runs])),
        }
        for key in (
            "last_accuracy",
            "task_identification",
            "task_known",
            "forgetting",
            "passes",
            "early_exits",
        )
    }
    seconds = [run["add_seconds"] for run in runs]
    summary["add_seconds"] = {"median": float(np.median(seconds)), "max": float(np.max(seconds))}
    summary["task_bytes_max"] = max(max(run["task_bytes"].values()) for run in runs)
    summary["auroc_out_of_scope"] = float(np.mean([run["unknown"]["auroc"] for run in runs]))
    summary["bits_changed"] = sum(len(run["bits_changed"]) for run in runs)
    summary["limits_exceeded_on_test"] = sum(
        one["test_error"] > one["wrong_task_at_most"]
        for run in runs
        for one in run["limits"].values()
    )
    for key, value in summary.items():
        print(f"{key:28} {value}")
    record.write(
        "clinc150",
        {
            "settings": dataclasses.asdict(Settings()),
            "split": split,
            "summary": summary,
            "runs": runs,
        },
        threads=threads,
    )


if __name__ == "__main__":
    main()
