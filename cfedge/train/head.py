"""Learn a task without training: a closed-form head on the frozen tail's features. NumPy and ONNX Runtime alone.

The head is linear discriminant analysis with the lookup's shrunk covariance, at full rank, within the task; its temperature
is chosen on the held-out examples. The adapter is none (zeros of rank 1). An adapter is more
accurate from three examples a class on (docs/decisions/few-shot.md); this takes a second, and a machine without torch can do it.

Letters: N examples, D width, C classes.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from cfedge.lookup import Lookup
from cfedge.progress import Progress, Quiet
from cfedge.train.data import Examples
from cfedge.train.lesson import prepare_lesson
from cfedge.train.signature import signature
from cfedge.train.workspace import LearnedTask, Workspace

__all__ = ["FEW", "closed_form", "few_examples", "learn_head"]

Floats = NDArray[np.float32]

#: Examples a class (median) below which a closed-form head is the default (docs/decisions/few-shot.md).
FEW = 3
_TEMPERATURES = 2.0 ** np.arange(-8, 2)


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
    weight, bias = closed_form(lesson.features.tail, lesson.targets)
    factor = _temperature(lesson.held_out.features.tail @ weight + bias, lesson.held_out.classes)
    arrays = {"head.weight": weight * factor, "head.bias": bias * factor}
    for slot in workspace.backbone.slots:
        arrays[f"a.{slot.name}"] = np.zeros((1, slot.rows, 1), np.float32)
        arrays[f"b.{slot.name}"] = np.zeros((1, 1, slot.columns), np.float32)
    return lesson.store(
        workspace,
        arrays,
        settings={"method": "closed-form head", "held_out": share, "seed": seed},
        packages=("cfedge", "numpy", "onnxruntime"),
        transfer={},
        kept_energy=1.0,
        replace=replace,
    )


def closed_form(features: Floats, classes: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Return the discriminants' weight float32 [D, C] and bias [C] for unit-length features [N, D]."""
    return Lookup({"": signature(features, classes, rank=features.shape[1])}, min_spread=0.0).linear()


def _temperature(scores: Floats, classes: NDArray[np.int64]) -> np.float32:
    """Return the factor on the scores with the least cross entropy on held-out examples."""
    losses = []
    for factor in _TEMPERATURES:
        scaled = scores.astype(np.float64) * factor
        losses.append(float(np.mean(np.logaddexp.reduce(scaled, axis=1) - scaled[np.arange(len(classes)), classes])))
    return np.float32(_TEMPERATURES[int(np.argmin(losses))])
