"""Unknown inputs and false rejects through the exported int8 bundle: with one task, three, ten; near
and far; and classes left out of a known domain.

    python benchmarks/unknown.py --jobs 8 [--weights FOLDER] [--workspace WS] [--quick]

Every row is made in a process of its own with one thread: a workspace's backbone is copied, tasks
are learned with closed-form heads (the head has no word in it), a bundle is built and answers through
`cfedge.Engine`. Thresholds come from held-out inputs, every figure from test inputs. Three orders:
which domains, which classes are left out. The background is the package's, which holds neither
CLINC150 nor the demo. Results: ``benchmarks/results/unknown.json``.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import tempfile
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import record
from sklearn.metrics import roc_auc_score

from cfedge import Engine, Workspace
from cfedge.demo import data_folder, out_of_domain
from cfedge_export.build_bundle import build

ORDERS = (0, 1, 2)
#: Task -> (learned, held out, tested), each of texts and labels.
Tasks = dict[str, tuple[tuple[list[str], list[str]], ...]]


def clinc_tasks(names: list[str], left_out: set[str]) -> Tasks:
    """Return domains as tasks, without some classes."""
    rows, domains = record.clinc150()
    tasks: Tasks = {}
    for name in names:
        labels = set(domains[name]) - left_out
        tasks[name] = tuple(
            tuple(map(list, zip(*[row for row in rows[part] if row[1] in labels], strict=True)))
            for part in ("train", "val", "test")
        )
    return tasks


def demo_tasks(names: list[str]) -> Tasks:
    """Return tasks of the demo."""
    tasks: Tasks = {}
    for name in names:
        parts = []
        for part in ("train", "validation", "test"):
            path = data_folder() / name / f"{part}.csv"
            with path.open(encoding="utf-8", newline="") as file:
                rows = [(row["text"], row["label"]) for row in csv.DictReader(file)]
            parts.append(tuple(map(list, zip(*rows, strict=True))))
        tasks[name] = tuple(parts)
    return tasks


def scenario(kind: str, order: int) -> tuple[Tasks, dict[str, list[str]]]:
    """Return the tasks of a row, and its unknown inputs by name."""
    rng = np.random.default_rng(order)
    rows, domains = record.clinc150()
    scope = [text for text, _ in rows["oos_test"]]
    family, _, count = kind.partition(" ")
    if family == "demo":
        names = sorted(path.name for path in data_folder().iterdir() if path.is_dir())
        names = [name for name in names if (data_folder() / name / "train.csv").is_file()]
        chosen = rng.permutation(names)[: int(count)].tolist()
        rest = demo_tasks([name for name in names if name not in chosen])
        unknown = {
            "near": [text for text, where in out_of_domain() if where == "near"],
            "far": scope,
            "other tasks": [text for parts in rest.values() for text in parts[2][0]],
        }
        return demo_tasks(chosen), {name: texts for name, texts in unknown.items() if texts}
    if family == "clinc150":
        chosen = rng.permutation(sorted(domains))[: int(count)].tolist()
        return clinc_tasks(chosen, set()), {"out of scope": scope}
    name = str(rng.choice(sorted(domains)))
    gone = set(rng.permutation(domains[name])[: int(count)].tolist())
    asked = [text for text, label in rows["test"] if label in gone]
    return clinc_tasks([name], gone), {"left out": asked}


KINDS = ("demo 1", "demo 3", "demo 5", "clinc150 1", "clinc150 3", "clinc150 10", "left-out 5", "left-out 10")  # fmt: skip


def measured(kind: str, order: int, base: str) -> dict[str, Any]:
    """Learn, export, ask: one row."""
    tasks, unknown = scenario(kind, order)
    with tempfile.TemporaryDirectory() as scratch:
        shutil.copytree(base, Path(scratch) / "ws")
        workspace = Workspace(Path(scratch) / "ws")
        for name, (learned, held_out, _) in tasks.items():
            workspace.add(name, *learned, held_out=held_out, method="closed-form")
        bundle = build(workspace)
        engine = Engine(bundle)
        certified = {
            task.name: {
                "false rejects": task.certificate.own_rejected / max(task.certificate.own, 1),
                "foreign caught": task.certificate.foreign_caught,
                "foreign": task.certificate.foreign,
                "others caught": task.certificate.others_caught,
                "others": task.certificate.others,
            }
            for task in bundle.manifest.tasks
        }
        known = {name: engine.predict(parts[2][0]) for name, parts in tasks.items()}
        every = [one for answers in known.values() for one in answers]
        row: dict[str, Any] = {"kind": kind, "order": order, "certified": certified, "caught": {}}
        scores = np.array([one.ood_score - limit(bundle, one.task) for one in every])
        for name, texts in unknown.items():
            answers = engine.predict(texts)
            strange = np.array([one.ood_score - limit(bundle, one.task) for one in answers])
            truth = np.r_[np.zeros(len(scores)), np.ones(len(strange))]
            row["caught"][name] = {
                "at 5 %": float(np.mean([one.unknown for one in answers])),
                "at the true 5 %": float(np.mean(strange > np.quantile(scores, 0.95))),
                "auroc": float(roc_auc_score(truth, np.r_[scores, strange])),
            }
        row["false rejects"] = {
            name: float(np.mean([one.unknown for one in answers]))
            for name, answers in known.items()
        }
        row["worst class"] = worst_class(tasks, known)
        adapted = float(np.mean([not one.early_exit for one in every]))
        row["tails run with an adapter"] = adapted
    return row


def limit(bundle: Any, task: str) -> float:
    """Return a task's threshold."""
    return next(one.threshold for one in bundle.manifest.tasks if one.name == task)


def worst_class(tasks: Tasks, known: dict[str, Any]) -> float:
    """Return the largest share of one class's test inputs that is called unknown."""
    rejected = defaultdict(list)
    for name, answers in known.items():
        for label, one in zip(tasks[name][2][1], answers, strict=True):
            rejected[name, label].append(one.unknown)
    return max(float(np.mean(values)) for values in rejected.values())


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return means over orders, and the false rejects of all tasks of all rows."""
    caught: dict[str, list[dict[str, float]]] = defaultdict(list)
    for row in rows:
        for name, found in row["caught"].items():
            caught[f"{row['kind']}: {name}"].append(found)
    rejects = [share for row in rows for share in row["false rejects"].values()]
    return {
        "caught": {
            name: {key: float(np.mean([one[key] for one in found])) for key in found[0]}
            for name, found in caught.items()
        },
        "false rejects": {"mean": float(np.mean(rejects)), "worst task": max(rejects)},
        "worst class": max(row["worst class"] for row in rows),
    }


def main() -> None:
    """Measure all rows and write them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--weights", type=Path, help="folder of minilm-l6's weights")
    parser.add_argument("--workspace", type=Path, help="an empty workspace to copy")
    parser.add_argument("--quick", action="store_true", help="the demo alone, once; print only")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        base = options.workspace
        if base is None:
            base = Path(scratch) / "ws"
            record.backbone(base, "minilm-l6", folder=options.weights)
        orders = ORDERS[:1] if options.quick else ORDERS
        kinds = KINDS[:3] if options.quick else KINDS
        asked = [(kind, order, str(base)) for order in orders for kind in kinds]
        with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
            rows = list(pool.map(measured, *zip(*asked, strict=True)))
    found = summary(rows)
    print(json.dumps(found, indent=1))
    if not options.quick:
        record.write("unknown", {**found, "rows": rows}, threads=1)


if __name__ == "__main__":
    main()
