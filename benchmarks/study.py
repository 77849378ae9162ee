"""The models of `cfedge compare` on CLINC150 (its 10 domains) or BANKING77 (7 tasks of 11 labels),
with the data's own splits.

Writes ``results/study_<name>.json``. Every rule counts the same examples, held-out ones too. One
process learns an order's tasks in ``--jobs`` others, one thread each; partitions of BANKING77 are
runs of their own, which may go side by side::

    for p in 0 1 2; do python benchmarks/study.py banking77 --partition $p --jobs 5 &
    done; wait

Nothing is fetched where ``--weights`` names a folder with MiniLM-L6. Ablations are runs with other settings and a ``--name``:
``--reuse``, ``--reuse --orthogonality none``, ``--reuse --l1 0``, ``--reuse --l2 0``, ``--split
3``, ``--rank 4``, ``--class-rank 1``, ``--exit-share 0``.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import json
import tempfile
from pathlib import Path

import numpy as np
import record
import torch

from cfedge.study.compare import compare
from cfedge.study.options import Options
from cfedge.study.results import MODELS, recommended, summary
from cfedge.study.stream import HELD_OUT_SHARE, Splits
from cfedge.train.examples.examples import Examples, split_held_out
from cfedge.train.settings import Settings

#: Utterances of a label of NLU++.
_LEAST = 8


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

    return {
        task: Splits(*(part(split, labels) for split in ("train", "val", "test")))
        for task, labels in domains.items()
    }


def banking77(partition: int) -> dict[str, Splits]:
    """Seven tasks of eleven labels, drawn with the seed `partition`."""
    rows = {}
    for split in ("train", "test"):
        with (record.DATA / "banking77" / f"{split}.csv").open(
            encoding="utf-8", newline=""
        ) as file:
            rows[split] = [(row["text"], row["category"]) for row in csv.DictReader(file)]
    labels = sorted({label for _, label in rows["train"]})
    stream = {}
    rng = np.random.default_rng(partition)
    for position, group in enumerate(np.array_split(rng.permutation(labels), 7), start=1):
        parts = {
            split: Examples(
                *zip(*[row for row in rows[split] if row[1] in set(group)], strict=True), split
            )
            for split in rows
        }
        train, held_out = split_held_out(parts["train"], HELD_OUT_SHARE, rng)
        stream[f"task-{position}"] = Splits(train, held_out, parts["test"])
    return stream


def nlupp(seed: int) -> dict[str, Splits]:
    """Three tasks of eleven labels in banking, and two of twelve in hotels, drawn with `seed`.

    An utterance's label is the set of its intents, of those sets that `_LEAST` utterances of the
    domain have. Of each label's utterances two fifths are to test on.
    """
    rows: dict[str, dict[str, list[str]]] = {}
    with (record.DATA / "nlupp" / "nlupp.jsonl").open(encoding="utf-8") as file:
        for one in map(json.loads, file):
            if one["labels"]:
                of = rows.setdefault(one["domain"], {})
                of.setdefault("+".join(sorted(one["labels"])), []).append(one["text"])
    stream, rng = {}, np.random.default_rng(seed)
    for domain, tasks in (("banking", 3), ("hotels", 2)):
        labels = sorted(label for label, texts in rows[domain].items() if len(texts) >= _LEAST)
        for position, group in enumerate(np.array_split(rng.permutation(labels), tasks), start=1):
            pairs = [(text, label) for label in sorted(group) for text in rows[domain][label]]
            train, test = split_held_out(Examples(*zip(*pairs, strict=True), domain), 0.4, rng)
            train, held_out = split_held_out(train, HELD_OUT_SHARE, rng)
            stream[f"{domain}-{position}"] = Splits(train, held_out, test)
    return stream


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", choices=["clinc150", "banking77", "nlupp"])
    parser.add_argument("--name", help="of the result file; otherwise the data's")
    parser.add_argument("--weights", type=Path, help="folder of MiniLM-L6; otherwise its cache")
    parser.add_argument("--partition", type=int, default=0, help="seed of tasks that are drawn")
    parser.add_argument("--orders", type=int, default=3)
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--joint", action="store_true")
    parser.add_argument("--sequential", action="store_true")
    parser.add_argument("--reuse", action="store_true")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--split", type=int)
    parser.add_argument(
        "--share", type=float, default=1.0, help="of the training examples of each class"
    )
    kinds = {
        "orthogonality": str, "l1": float, "l2": float, "pool_limit": int, "max_rank": int, "rank": int, "class_rank": int, "exit_share": float,
        "device": str, "precision": str,
    }  # fmt: skip
    for name, kind in kinds.items():
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=kind, default=getattr(Settings(), name)
        )
    chosen = parser.parse_args()
    settings = Settings(reuse=chosen.reuse, **{name: getattr(chosen, name) for name in kinds})
    drawn = {"banking77": banking77, "nlupp": nlupp}
    stream = clinc150() if chosen.data == "clinc150" else drawn[chosen.data](chosen.partition)
    if chosen.share < 1:
        rng = np.random.default_rng(0)
        stream = {
            task: dataclasses.replace(one, train=split_held_out(one.train, chosen.share, rng)[1])
            for task, one in stream.items()
        }
    with tempfile.TemporaryDirectory() as scratch:
        base = record.backbone(
            Path(scratch) / "base", "minilm-l6", folder=chosen.weights, split=chosen.split
        )
        options = Options(
            models=tuple(chosen.models.split(",")),
            orders=chosen.orders,
            joint=chosen.joint,
            sequential=chosen.sequential,
            jobs=chosen.jobs,
        )
        study = compare(base, stream, options, settings=settings, progress=Printed())
    rows = summary(study)
    for model, row in sorted(rows.items(), key=lambda item: item[1]["accuracy"]):
        shown = (
            "accuracy",
            "accuracy_error",
            "task_identification",
            "top2",
            "forgetting",
            "backward_transfer",
            "passes",
        )
        print(f"{model:24}", {key: round(row[key], 4) for key in shown})
    print("forward transfer:", study.forward_transfer)
    print("recommended:", recommended(study))
    figures = {
        "recommended": recommended(study),
        "summary": rows,
        "share": chosen.share,
        "split": chosen.split,
        "jobs": chosen.jobs,
        "partition": chosen.partition,
        **dataclasses.asdict(study),
    }
    which = f"{chosen.data}_{chosen.partition}" if chosen.partition else chosen.data
    record.write(
        f"study_{chosen.name or which}",
        figures,
        threads=max(1, torch.get_num_threads() // chosen.jobs),
    )


if __name__ == "__main__":
    main()
