"""The models of `cfedge compare` on CLINC150 (its 10 domains) or BANKING77 (7 tasks of 11 labels), with the data's own splits.

Writes ``results/study_<name>.json``; ablations are runs with other settings: ``--reuse``, ``--orthogonality none``, ``--l1 0``...
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import tempfile
from pathlib import Path

import numpy as np
import record

from cfedge.study.compare import compare
from cfedge.study.results import MODELS, recommended
from cfedge.study.stream import HELD_OUT_SHARE, Splits
from cfedge.train.data import Examples, split_held_out
from cfedge.train.settings import Settings
from cfedge_export.prepare import prepare


class Printed:
    """One line a stage, with nothing in between."""

    def track(self, title: str, total: int):
        from contextlib import contextmanager

        @contextmanager
        def stage():
            print(title, flush=True)
            yield lambda steps: None

        return stage()


def clinc150() -> dict[str, Splits]:
    data, domains = record.clinc150()

    def part(split: str, labels: list[str]) -> Examples:
        rows = [(text, label) for text, label in data[split] if label in set(labels)]
        return Examples(*zip(*rows, strict=True), split)

    return {task: Splits(*(part(split, labels) for split in ("train", "val", "test"))) for task, labels in domains.items()}


def banking77() -> dict[str, Splits]:
    rows = {}
    for split in ("train", "test"):
        with (record.DATA / "banking77" / f"{split}.csv").open(encoding="utf-8", newline="") as file:
            rows[split] = [(row["text"], row["category"]) for row in csv.DictReader(file)]
    labels = sorted({label for _, label in rows["train"]})
    stream = {}
    rng = np.random.default_rng(0)
    for position, group in enumerate(np.array_split(rng.permutation(labels), 7), start=1):
        parts = {
            split: Examples(*zip(*[row for row in rows[split] if row[1] in set(group)], strict=True), split) for split in rows
        }
        train, held_out = split_held_out(parts["train"], HELD_OUT_SHARE, rng)
        stream[f"task-{position}"] = Splits(train, held_out, parts["test"])
    return stream


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", choices=["clinc150", "banking77"])
    parser.add_argument("--name", help="of the result file; otherwise the data's")
    parser.add_argument("--orders", type=int, default=3)
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--joint", action="store_true")
    parser.add_argument("--reuse", action="store_true")
    parser.add_argument("--share", type=float, default=1.0, help="of the training examples of each class")
    for name, kind in (("orthogonality", str), ("l1", float), ("l2", float), ("pool_limit", int), ("max_rank", int)):
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, default=getattr(Settings(), name))
    chosen = parser.parse_args()
    settings = Settings(
        reuse=chosen.reuse, orthogonality=chosen.orthogonality, l1=chosen.l1, l2=chosen.l2, pool_limit=chosen.pool_limit,
        max_rank=chosen.max_rank,
    )  # fmt: skip
    stream = {"clinc150": clinc150, "banking77": banking77}[chosen.data]()
    if chosen.share < 1:
        rng = np.random.default_rng(0)
        stream = {
            task: dataclasses.replace(one, train=split_held_out(one.train, chosen.share, rng)[1]) for task, one in stream.items()
        }
    with tempfile.TemporaryDirectory() as scratch:
        base = prepare(Path(scratch) / "base", "minilm-l6")
        study = compare(
            base, stream, models=chosen.models.split(","), orders=chosen.orders, joint=chosen.joint, settings=settings,
            progress=Printed(),
        )  # fmt: skip
    for model, runs in sorted(study.runs.items(), key=lambda item: np.mean([run.accuracy for run in item[1]])):
        mean = {
            key: float(np.mean([getattr(run, key) for run in runs])) for key in ("accuracy", "retrieval", "forgetting", "passes")
        }
        print(f"{model:24}", {key: round(value, 4) for key, value in mean.items()}, f"+- {study.standard_error(model):.4f}")
    print("recommended:", recommended(study))
    summary = {
        model: {
            "standard_error": study.standard_error(model),
            **{
                key: float(np.mean([getattr(run, key) for run in runs]))
                for key in ("accuracy", "retrieval", "forgetting", "passes")
            },
            "task_bytes": max(run.task_bytes for run in runs),
        }
        for model, runs in study.runs.items()
    }
    figures = {"recommended": recommended(study), "summary": summary, "share": chosen.share, **dataclasses.asdict(study)}
    record.write(f"study_{chosen.name or chosen.data}", figures, threads=2)


if __name__ == "__main__":
    main()
