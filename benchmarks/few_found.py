"""How often is the task found, of few examples of each class? BANKING77 in seven tasks with heads in
closed form, three partitions and three draws, against the nearest class mean of the same features.

A fifth of each class's few examples is held out, two of ten; margins follow from these alone. The
task found is that of the lookup that ships, by the test split. *before* allows the share of third
stages that many held-out inputs get (docs/decisions/0065-few.md).

    CFEDGE_DATA=../shared/data python benchmarks/few_found.py
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import record
from study import banking77

from cfedge.lookup import Features
from cfedge.lookup.finder import Finder
from cfedge.margins import TAIL_SHARE
from cfedge.study.stream import Splits
from cfedge.train.certify.routing import routed
from cfedge.train.certify.shipped import shipped
from cfedge.train.examples.examples import Examples
from cfedge.train.settings import Settings
from cfedge.train.teach import learn
from cfedge.train.workspace.folder import WorkspaceFolder

COUNTS, PARTITIONS, DRAWS = (5, 10, 20), (0, 1, 2), (0, 1, 2)


class Encoding:
    """Features of texts, each encoded once."""

    def __init__(self, workspace: WorkspaceFolder) -> None:
        self._encoder, self._known = workspace.encoder(), {}

    def __call__(self, texts: list[str]) -> Features:
        missing = tuple(text for text in dict.fromkeys(texts) if text not in self._known)
        if missing:
            found = self._encoder.features(self._encoder(missing))
            self._known |= dict(
                zip(missing, zip(found.trunk, found.tail, strict=True), strict=True)
            )
        trunk, tail = zip(*(self._known[text] for text in texts), strict=True)
        return Features(np.stack(trunk), np.stack(tail))


def drawn(parts: Splits, count: int, rng: np.random.Generator) -> tuple[Examples, Examples]:
    """`count` examples of each class, to learn from and held out."""
    rows = [
        row
        for one in (parts.train, parts.held_out)
        for row in zip(one.inputs, one.labels, strict=True)
    ]
    seen: Counter[str] = Counter()
    learned, held_out = [], []
    for at in rng.permutation(len(rows)).tolist():
        label = rows[at][1]
        if seen[label] < count:
            (learned if seen[label] < count - max(1, count // 5) else held_out).append(rows[at])
        seen[label] += 1
    return tuple(Examples(*zip(*some, strict=True), "few") for some in (learned, held_out))


def measured(
    count: int, partition: int, draw: int, encode: Encoding, folder: Path
) -> dict[str, Any]:
    """One draw of one partition."""
    workspace, stream = record.backbone(folder, "minilm-l6"), banking77(partition)
    rng, means, owners = np.random.default_rng([count, draw]), [], []
    for name, parts in stream.items():
        learned, held_out = drawn(parts, count, rng)
        learn(
            workspace, name, learned, held_out, settings=Settings(method="closed-form", threads=1)
        )
        tail = encode([*learned.inputs, *held_out.inputs]).tail
        labels = np.array([*learned.labels, *held_out.labels])
        for label in sorted(set(labels)):
            means.append(tail[labels == label].mean(axis=0))
            owners.append(name)
    made, nearest = shipped(workspace), np.stack(means) / np.linalg.norm(means, axis=1)[:, None]
    row: dict[str, Any] = {"examples_a_class": count, "partition": partition, "draw": draw}
    for kind, share in (("before", TAIL_SHARE), ("now", None)):
        router, _ = routed(made, workspace.background(), tail_share=share)
        row[kind] = found_by(router, stream, encode)
    right = [
        owners[int(np.argmax(nearest @ one))] == name
        for name, parts in stream.items()
        for one in encode(list(parts.test.inputs)).tail
    ]
    return {**row, "nearest_mean": float(np.mean(right))}


def found_by(router: Finder, stream: dict[str, Splits], encode: Encoding) -> dict[str, float]:
    right, stages = [], []
    for name, parts in stream.items():
        found = router(encode(list(parts.test.inputs)))
        right += (found.task == router.tasks.index(name)).tolist()
        stages += found.stages.tolist()
    return {
        "task_found": float(np.mean(right)),
        "second_stage_share": float(np.mean(np.greater(stages, 1))),
        "third_stage_share": float(np.mean(np.greater(stages, 2))),
    }


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch:
        encode = Encoding(record.backbone(Path(scratch) / "first", "minilm-l6"))
        for count in COUNTS:
            for partition in PARTITIONS:
                for draw in DRAWS:
                    folder = Path(scratch) / f"{count}-{partition}-{draw}"
                    rows.append(measured(count, partition, draw, encode, folder))
                    print(rows[-1], flush=True)
    summary = {}
    for count in COUNTS:
        some = [row for row in rows if row["examples_a_class"] == count]
        summary[str(count)] = {
            "nearest_mean": float(np.mean([row["nearest_mean"] for row in some])),
            **{
                kind: float(np.mean([row[kind]["task_found"] for row in some]))
                for kind in ("before", "now")
            },
        }
    print(summary)
    record.write("few_found", {"task_found": summary, "rows": rows}, threads=1)


if __name__ == "__main__":
    main()
