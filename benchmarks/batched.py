"""Do many adapters in one batched product learn faster than one after another?

Both train the same tasks with the same initial values, batches and optimiser, step by step in turn
(``interleaved``), and end at the same losses: the stack has T tasks' batches behind each other, each
row with its own task's low-rank pair, a head for each task, and gradients clipped task by task.

Writes ``results/batched.json`` (``batched_cuda.json`` with ``--device cuda``). The tail is that of
MiniLM as a workspace trains it. A machine without its weights, and without network, takes it from a
folder that another one wrote::

    python benchmarks/batched.py --prepare batched-tail       # where the weights are
    python benchmarks/batched.py --prepared batched-tail --device cuda
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import onnx
import record
import torch
from torch import Tensor
from torch.nn import Parameter, functional

from cfedge.bundle.manifest import Slot
from cfedge.train.learn.composition import pool
from cfedge.train.learn.fitting import Head, device_of
from cfedge.train.learn.lora import LowRankPairs
from cfedge.train.learn.tail import TorchTail
from cfedge.train.settings import Settings

#: Of a task of 300 texts: steps that the default settings take.
STEPS = 240
TOKENS, CLASSES = 12, 15


@dataclass(frozen=True)
class Data:
    """Hidden states [T, B, S, D], masks [T, B, S] and labels [T, B] of one step of T tasks."""

    hidden: Tensor
    mask: Tensor
    labels: Tensor


class OneByOne:
    """T tasks, each with its own optimiser, as `cfedge.train.learn.fitting.fit` trains them."""

    def __init__(self, tail: TorchTail, slots: tuple[Slot, ...], tasks: int, width: int) -> None:
        self.tail, self.settings = tail, Settings()
        pools = pool({}, slots, self.settings.pool_limit)
        self.tasks: list[tuple[LowRankPairs, Head, list[Tensor], torch.optim.Adam]] = []
        for task in range(tasks):
            generator = torch.Generator().manual_seed(task)
            pairs = LowRankPairs(slots, pools, self.settings, generator, tail.device)
            head = Head.drawn(width, CLASSES, generator, tail.device)
            parameters = [*pairs.parameters(), head.weight, head.bias]
            optimizer = torch.optim.Adam(parameters, lr=self.settings.learning_rate)
            self.tasks.append((pairs, head, parameters, optimizer))

    def step(self, data: Data) -> list[Tensor]:
        losses = []
        for task, (pairs, head, parameters, optimizer) in enumerate(self.tasks):
            scores = head(self.tail(data.hidden[task], pairs.slots(), data.mask[task]))
            loss = functional.cross_entropy(scores, data.labels[task])
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, self.settings.clip)
            optimizer.step()
            losses.append(loss.detach())
        return losses


class Stacked:
    """The same tasks as one stack: slots [T, rows, R] and [T, R, columns], heads [T, D, C]."""

    def __init__(self, singles: OneByOne) -> None:
        self.tail, self.settings = singles.tail, singles.settings
        fed = [pairs.slots() for pairs, *_ in singles.tasks]
        self.slots = {
            name: Parameter(torch.cat([one[name].detach() for one in fed])) for name in fed[0]
        }
        heads = [head for _, head, *_ in singles.tasks]
        self.weight = Parameter(torch.stack([one.weight.detach() for one in heads]))
        self.bias = Parameter(torch.stack([one.bias.detach() for one in heads]))
        self.parameters = [*self.slots.values(), self.weight, self.bias]
        self.optimizer = torch.optim.Adam(self.parameters, lr=self.settings.learning_rate)

    def step(self, data: Data) -> list[Tensor]:
        tasks, batch = data.labels.shape
        fed = {name: value.repeat_interleave(batch, 0) for name, value in self.slots.items()}
        features = self.tail(data.hidden.flatten(0, 1), fed, data.mask.flatten(0, 1))
        scores = torch.bmm(features.view(tasks, batch, -1) * 8.0, self.weight)
        scores = scores + self.bias[:, None]
        losses = functional.cross_entropy(
            scores.flatten(0, 1), data.labels.flatten(), reduction="none"
        ).view(tasks, batch)
        self.optimizer.zero_grad()
        losses.mean(1).sum().backward()
        self._clip(tasks)
        self.optimizer.step()
        return list(losses.mean(1).detach())

    def _clip(self, tasks: int) -> None:
        """Clip the gradients of each task by its own norm."""
        gradients = [one.grad for one in self.parameters if one.grad is not None]
        norms = sum((one.reshape(tasks, -1) ** 2).sum(1) for one in gradients) ** 0.5
        scale = (self.settings.clip / (norms + 1e-6)).clamp(max=1.0)
        for one in gradients:
            one.mul_(scale.view(tasks, *[1] * (one.ndim - 1)))


def drawn(tasks: int, batch: int, width: int, device: torch.device, seed: int) -> Data:
    generator = torch.Generator().manual_seed(seed)
    hidden = torch.randn(tasks, batch, TOKENS, width, generator=generator)
    labels = torch.randint(0, CLASSES, (tasks, batch), generator=generator)
    mask = torch.ones(tasks, batch, TOKENS, dtype=torch.int64)
    return Data(hidden.to(device), mask.to(device), labels.to(device))


def timed(act: Callable[[], object], device: torch.device) -> float:
    """Seconds of this process's own work on the CPU; of the clock where it waits for a GPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        start = time.perf_counter()
        act()
        torch.cuda.synchronize(device)
        return time.perf_counter() - start
    start = time.process_time()
    act()
    return time.process_time() - start


def in_products(act: Callable[[], object]) -> float:
    """The share of the CPU's time that matrix products take."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU]) as found:
        act()
    rows = {row.key: row.self_cpu_time_total for row in found.key_averages()}
    products = sum(rows.get(f"aten::{name}", 0) for name in ("mm", "bmm", "addmm"))
    return float(products / sum(rows.values()))


def measured(
    tail: TorchTail, slots: tuple[Slot, ...], width: int, tasks: int, batch: int, steps: int
) -> Mapping[str, float]:
    """Steps of both in turn."""
    singles = OneByOne(tail, slots, tasks, width)
    stacked = Stacked(singles)
    seconds: dict[str, list[float]] = {"one": [], "stack": []}
    losses: dict[str, list[Tensor]] = {}
    for step in range(-2, steps):
        data = drawn(tasks, batch, width, tail.device, step + 100)
        for name, kind in (("one", singles), ("stack", stacked)):
            took = timed(lambda n=name, k=kind, d=data: losses.update({n: k.step(d)}), tail.device)
            if step >= 0:
                seconds[name].append(took / tasks)
    one, stack = (statistics.median(seconds[name]) for name in ("one", "stack"))
    apart = [abs(float(a - b)) for a, b in zip(losses["one"], losses["stack"], strict=True)]
    found = {
        "one_by_one_ms": 1e3 * one,
        "stacked_ms": 1e3 * stack,
        "one_by_one_tasks_an_hour": 3600 / (STEPS * one),
        "stacked_tasks_an_hour": 3600 / (STEPS * stack),
        "times_faster": one / stack,
        "largest_difference_of_losses": max(apart),
    }
    if tail.device.type == "cpu":
        data = drawn(tasks, batch, width, tail.device, 0)
        found["share_of_matrix_products"] = in_products(lambda: singles.step(data))
    return found


def prepared(folder: Path | None) -> tuple[bytes, tuple[Slot, ...], int]:
    """The tail, its slots and its width: from a folder, or made of the weights."""
    if folder is not None:
        note = json.loads((folder / "slots.json").read_text("utf-8"))
        slots = tuple(Slot(**slot) for slot in note["slots"])
        return (folder / "train_tail.onnx").read_bytes(), slots, note["width"]

    with tempfile.TemporaryDirectory() as scratch:
        workspace = record.backbone(Path(scratch) / "ws", "minilm-l6")
        tail = workspace.backbone_file("train_tail.onnx")
        return tail, workspace.backbone.slots, workspace.backbone.width


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--tasks", default="2,4,8,16", help="sizes of the stack")
    parser.add_argument("--batches", default="32,8", help="examples of a task in a step")
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--prepare", type=Path, help="write the tail to this folder, and stop")
    parser.add_argument("--prepared", type=Path, help="folder that --prepare wrote")
    chosen = parser.parse_args()
    data, slots, width = prepared(chosen.prepared)
    if chosen.prepare is not None:
        chosen.prepare.mkdir(parents=True, exist_ok=True)
        (chosen.prepare / "train_tail.onnx").write_bytes(data)
        note = {"width": width, "slots": [asdict(slot) for slot in slots]}
        (chosen.prepare / "slots.json").write_text(json.dumps(note), "utf-8")
        return
    torch.set_num_threads(chosen.threads)
    device = device_of(chosen.device)
    tail = TorchTail(onnx.load_from_string(data), device)
    figures = {}
    for batch in map(int, chosen.batches.split(",")):
        for tasks in map(int, chosen.tasks.split(",")):
            name = f"{tasks} tasks, batches of {batch}"
            figures[name] = measured(tail, slots, width, tasks, batch, chosen.steps)
            print(name, {key: round(value, 4) for key, value in figures[name].items()}, flush=True)
    best = max(figures.values(), key=lambda one: one["times_faster"])
    about = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    record.write(
        "batched" if device.type == "cpu" else "batched_cuda",
        {
            "device": about,
            "tokens": TOKENS,
            "steps_of_a_task": STEPS,
            "best_times_faster": best["times_faster"],
            "runs": figures,
        },
        threads=chosen.threads,
    )


if __name__ == "__main__":
    main()
