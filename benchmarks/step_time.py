"""The time of a training step that reuses the units of 0, 2, 10 and 50 earlier tasks, with
`pool_limit` and without.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
import record
import torch
from torch.nn import functional

from cfedge.train.learn.composition import pool
from cfedge.train.learn.lora import LowRankPairs
from cfedge.train.learn.tail import TorchTail
from cfedge.train.settings import Settings

TASKS = (0, 2, 10, 50)
#: Of the pool: its limit, and how new units are kept apart from it. A pool wider than the products
#: leaves nothing to be orthogonal.
KINDS = (
    ("as by default", Settings().pool_limit, Settings().orthogonality),
    ("not orthogonal", Settings().pool_limit, "none"),
    ("no limit, not orthogonal", 10_000, "none"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=30)
    steps = parser.parse_args().steps
    with tempfile.TemporaryDirectory() as scratch:
        workspace = record.backbone(Path(scratch) / "ws", "minilm-l6")
        tail = TorchTail(onnx.load_from_string(workspace.backbone_file("train_tail.onnx")))
        slots = workspace.backbone.slots
    rng = np.random.default_rng(0)
    adapters = {}
    for task in range(max(TASKS)):
        adapters[f"task-{task}"] = {
            f"{side}.{slot.name}": (
                rng.normal(size=(1, slot.rows, 8) if side == "a" else (1, 8, slot.columns)).astype(
                    np.float32
                )
            )
            for slot in slots
            for side in "ab"
        }
    hidden, mask = (
        torch.randn(32, 14, workspace.backbone.width),
        torch.ones(32, 14, dtype=torch.int64),
    )
    labels = torch.arange(32) % 15
    weight = torch.randn(workspace.backbone.width, 15, requires_grad=True)
    runs: dict[str, LowRankPairs] = {}
    widths: dict[str, int] = {}
    for kind, limit, orthogonality in KINDS:
        for tasks in TASKS:
            chosen = pool({name: adapters[name] for name in list(adapters)[:tasks]}, slots, limit)
            name = f"{tasks} tasks, {kind}"
            widths[name] = max(len(one.owners) for one in chosen.values())
            settings = Settings(reuse=tasks > 0, orthogonality=orthogonality, pool_limit=limit)
            runs[name] = LowRankPairs(slots, chosen, settings, torch.Generator().manual_seed(0))
    times: dict[str, list[float]] = {name: [] for name in runs}
    order = np.random.default_rng(1)
    for step in range(-3, steps):
        for name in order.permutation(list(runs)):
            pairs = runs[name]
            start = time.perf_counter()
            loss = (
                functional.cross_entropy(tail(hidden, pairs.slots(), mask) @ weight, labels)
                + pairs.penalty()
            )
            loss.backward()
            if step >= 0:
                times[name].append(1e3 * (time.perf_counter() - start))
    base = float(np.median(times["0 tasks, as by default"]))
    figures = {
        name: {
            "pool_width": widths[name],
            **record.quantiles(values),
            "over_no_pool": float(np.median(values)) / base,
        }
        for name, values in times.items()
    }
    for name, one in figures.items():
        print(
            f"{name:40} width {one['pool_width']:4} p50 {one['p50']:.1f} ms "
            f" {one['over_no_pool']:.2f} x"
        )
    record.write(
        "step_time",
        {"step_ms": figures, "batch": 32, "tokens": 14},
        threads=torch.get_num_threads(),
    )


if __name__ == "__main__":
    main()
