"""Learn a head without training, on the trunk's features: NumPy and ONNX Runtime alone.

It is linear discriminant analysis with the lookup's shrunk covariance, at full rank, within the task. It is the trunk's part of
every head (docs/decisions/views.md), and the whole of one that is learned so alone: its temperature is then chosen on the held-out
examples, and the adapter is none (zeros of rank 1). That takes a second, and a machine without torch can do it; with an adapter a
task is more accurate (docs/decisions/few-shot.md).

Letters: N examples, D width, V views, C classes.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from cfedge.lookup import Lookup
from cfedge.progress import Progress, Quiet
from cfedge.train.data import Examples
from cfedge.train.lesson import prepare_lesson, store
from cfedge.train.signature import whole
from cfedge.train.workspace import LearnedTask, Workspace

__all__ = ["FEW", "TRUNK_SHARE", "closed_form", "few_examples", "learn_head"]

Floats = NDArray[np.float32]

#: Examples a class (median) below which a closed-form head is the default (docs/decisions/few-shot.md).
FEW = 3
_TEMPERATURES = 2.0 ** np.arange(-8, 2)
#: Of the closed form's scores, in nats by its own model, that an adapter's head takes in (docs/decisions/views.md).
TRUNK_SHARE = np.float32(0.05)


def few_examples(examples: Examples) -> bool:
    """Whether the median class has fewer than `FEW` examples."""
    return bool(np.median(list(Counter(examples.labels).values())) < FEW)


def learn_head(
    workspace: Workspace,
    name: str,
    examples: Examples,
    held_out: Examples | None = None,
    *,
    share: float = 0.2,
    seed: int = 0,
    threads: int = 1,
    replace: bool = False,
    progress: Progress | None = None,
) -> LearnedTask:
    """Learn a task and add it to the workspace; parameters and errors as of `cfedge.train.learner.learn`."""
    workspace.check_new(name, examples.classes, replace=replace)
    lesson = prepare_lesson(
        workspace, name, examples, held_out, share=share, seed=seed, threads=threads, progress=progress or Quiet()
    )  # fmt: skip
    weight, bias = closed_form(lesson.features.trunk, lesson.targets)
    factor = _temperature(lesson.evidence.features.trunk @ weight + bias, lesson.evidence.classes)
    arrays = {"trunk.weight": weight * factor, "trunk.bias": bias * factor}
    arrays |= {"head.weight": np.zeros((workspace.backbone.width, len(bias)), np.float32), "head.bias": np.zeros_like(bias)}
    for slot in workspace.backbone.slots:
        arrays[f"a.{slot.name}"] = np.zeros((1, slot.rows, 1), np.float32)
        arrays[f"b.{slot.name}"] = np.zeros((1, 1, slot.columns), np.float32)
    task = lesson.learned(
        workspace,
        arrays,
        settings={"method": "closed-form head", "held_out": share, "seed": seed},
        packages=("cfedge", "numpy", "onnxruntime"),
        transfer={},
        kept_energy=1.0,
    )
    store(workspace, task, replace=replace)
    return task


def closed_form(features: Floats, classes: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Return the discriminants' weight float32 [V D, C] and bias [C] for features float32 [N, V D] of classes int64 [N]."""
    return Lookup({"": whole(features, classes)}, min_spread=0.0).linear()


def _temperature(scores: Floats, classes: NDArray[np.int64]) -> np.float32:
    """Return the factor on the scores with the least cross entropy on held-out examples."""
    losses = []
    for factor in _TEMPERATURES:
        scaled = scores.astype(np.float64) * factor
        losses.append(float(np.mean(np.logaddexp.reduce(scaled, axis=1) - scaled[np.arange(len(classes)), classes])))
    return np.float32(_TEMPERATURES[int(np.argmin(losses))])
