"""A trained adapter against a closed-form head, task known, by the number of examples a class:
three tasks of CLINC150.

``val`` is held out and scored (the choice of the default is made here); ``test`` is not looked at.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import record

from cfedge.runtime.adapter import Adapter
from cfedge.train.examples.examples import Examples
from cfedge.train.settings import Settings
from cfedge.train.teach import learn


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--counts", default="2,3,5,10,20,50")
    parser.add_argument("--seeds", type=int, default=2)
    chosen = parser.parse_args()
    data, domains = record.clinc150()
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as scratch:
        workspace = record.backbone(Path(scratch) / "ws", "minilm-l6")
        encoder = workspace.encoder()
        for task in ("banking", "travel", "work"):
            labels = set(domains[task])
            held_out = Examples(
                *zip(*[row for row in data["val"] if row[1] in labels], strict=True), "val"
            )
            encoded = encoder(held_out.inputs)
            for seed in range(chosen.seeds):
                shuffled = np.random.default_rng(seed).permutation(
                    [row for row in data["train"] if row[1] in labels]
                )
                for count in map(int, chosen.counts.split(",")):
                    few = [
                        row
                        for label in sorted(labels)
                        for row in [one for one in shuffled if one[1] == label][:count]
                    ]
                    examples = Examples(
                        tuple(str(text) for text, _ in few),
                        tuple(str(label) for _, label in few),
                        "train",
                    )
                    for method in ("adapter", "head"):
                        start = time.perf_counter()
                        if method == "head":
                            learned = learn(
                                workspace,
                                task,
                                examples,
                                held_out,
                                settings=Settings(method="closed-form", threads=2),
                                replace=True,
                            )
                        else:
                            learned = learn(
                                workspace,
                                task,
                                examples,
                                held_out,
                                settings=Settings(seed=seed),
                                replace=True,
                            )
                        seconds = time.perf_counter() - start
                        adapter = Adapter.from_arrays(learned.adapter)
                        behind = np.stack(encoder.adapted(encoded, adapter))
                        scores = adapter.scores(
                            adapter.adapted(behind), adapter.trunk(np.stack(encoded.features))
                        )
                        best = scores.argmax(axis=1)
                        accuracy = float((best == learned.held_out.classes).mean())
                        rows.append({
                            "task": task, "seed": seed, "examples_a_class": count, "method": method, "accuracy": accuracy,
                            "seconds": seconds,
                        })  # fmt: skip
                        print(rows[-1], flush=True)
            workspace.remove(task)
    summary = {
        str(count): {
            method: float(
                np.mean(
                    [
                        row["accuracy"]
                        for row in rows
                        if (row["examples_a_class"], row["method"]) == (count, method)
                    ]
                )
            )
            for method in ("adapter", "head")
        }
        for count in map(int, chosen.counts.split(","))
    }
    print(summary)
    record.write("few_shot", {"validation_accuracy": summary, "rows": rows}, threads=2)


if __name__ == "__main__":
    main()
