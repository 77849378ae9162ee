"""Learn a head without training, on the frozen encoder's features: NumPy and ONNX Runtime alone.

It is linear discriminant analysis with the lookup's shrunk covariance, at full rank, within the
task. On the trunk's features it is a part of every head; the other part reads the tail. Of a head
that is learned so alone that part is the closed form too, on the frozen tail's features, and its
temperature is chosen on the held-out examples; its adapter is none (zeros of rank 1). That takes a
second, and a machine without torch can do it; with an adapter a task is mostly more accurate
(docs/decisions/0009-few-shot.md).

Letters: N examples, D width, V views, C classes.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cfedge.bundle.manifest import Backbone
from cfedge.device import usable_cores
from cfedge.lookup import Lookup
from cfedge.progress import Progress
from cfedge.runtime.adapter import Adapter
from cfedge.train.examples.examples import Examples
from cfedge.train.features.signature import exact_statistics
from cfedge.train.features.statistics import TaskStatistics
from cfedge.train.learn.closed_part import Seen, shares, whole
from cfedge.train.learn.prepared_task import PreparedTask, prepare_task
from cfedge.train.measures.early_exit import no_exit
from cfedge.train.measures.temperature import scaled
from cfedge.train.measures.trial import Trial
from cfedge.train.settings import Settings
from cfedge.train.workspace.backbone_source import BackboneSource
from cfedge.train.workspace.learned_task import HeldOut, LearnedTask

__all__ = [
    "FEW",
    "closed_form",
    "closed_form_arrays",
    "closed_form_head",
    "few_examples",
    "no_slots",
    "train_head",
    "with_closed_form",
]

Floats = NDArray[np.float32]

#: Examples a class (median) to learn from, below which a closed-form head is the default
#: (docs/decisions/0009-few-shot.md).
FEW = 3
_TEMPERATURES = 2.0 ** np.arange(-12, 2)


def few_examples(examples: Examples, held_out: float | None) -> bool:
    """Whether the median class has fewer than `FEW` examples to learn from, with that share of them
    held out (None: nothing more).
    """
    each = float(np.median(list(Counter(examples.labels).values())))
    return each - (max(1.0, round(held_out * each)) if held_out else 0.0) < FEW


def train_head(
    workspace: BackboneSource,
    name: str,
    examples: Examples,
    held_out: Examples | None,
    *,
    settings: Settings,
    progress: Progress,
) -> LearnedTask:
    """Learn a task in closed form and return it; parameters and errors as of
    `cfedge.train.learn.learner.train`.
    """
    prepared = prepare_task(
        workspace,
        name,
        examples,
        held_out,
        settings=settings,
        threads=settings.threads or usable_cores(),
        hidden=False,
        progress=progress,
    )
    return with_closed_form(workspace, prepared, settings)


def with_closed_form(
    workspace: BackboneSource,
    prepared: PreparedTask,
    settings: Settings,
    trial: Trial | None = None,
) -> LearnedTask:
    """Return a task that is ready to be learned with its head in closed form; `trial` says what an
    adapter would have gained.
    """
    return prepared.learned(
        workspace,
        closed_form_arrays(workspace.backbone, prepared),
        settings=dataclasses.replace(settings, method="closed-form"),
        packages=("cfedge", "numpy", "onnxruntime"),
        trial=trial,
    )


def closed_form_arrays(backbone: Backbone, prepared: PreparedTask) -> dict[str, Floats]:
    """Return what both parts of the head are made of, and slots that change nothing."""
    statistics, evidence = prepared.statistics(prepared.features.tail), prepared.evidence
    arrays = closed_form_head(statistics, evidence, evidence.features.tail)
    for slot in backbone.slots:
        arrays[f"a.{slot.name}"] = np.zeros((1, slot.rows, 1), np.float32)
        arrays[f"b.{slot.name}"] = np.zeros((1, 1, slot.columns), np.float32)
    return arrays


def closed_form_head(
    statistics: TaskStatistics, held_out: HeldOut, behind: Floats
) -> dict[str, Floats]:
    """Return what both parts of a head in closed form are made of, as of
    `cfedge.train.learn.closed_part.whole`; of a task of one class they are zero, as the lookup
    alone decides.

    Parameters
    ----------
    statistics
        Exact ones; `adapted` is of the tail's features that the head will read.
    held_out, behind
        Examples that the temperature is chosen on, and their features behind that tail, float32
        [N, D].
    """
    examples, (classes, width) = statistics.adapted.counts.sum(), statistics.adapted.means.shape
    arrays = {
        **shares(int(examples), classes, adapter=False),
        "base.weight": np.zeros((width, classes), np.float32),
        "base.bias": np.zeros(classes, np.float32),
    }
    if classes == 1:
        return arrays
    trunk = held_out.features.trunk
    none = Seen(trunk[:0], behind[:0], held_out.classes[:0])
    head = Adapter.from_arrays({**whole(arrays, statistics, none), **no_exit()})
    scores = head.trunk(trunk) + head.adapted(behind)
    return scaled(arrays, _temperature(scores, held_out.classes))


def no_slots(slots: Mapping[str, Floats]) -> dict[str, Floats]:
    """Return slots that change nothing, for the same target modules: rank 1, all zero."""
    return {
        name: np.zeros(
            (1, array.shape[1], 1) if name.startswith("a.") else (1, 1, array.shape[2]), np.float32
        )
        for name, array in slots.items()
    }


def closed_form(features: Floats, classes: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Return the discriminants' weight float32 [V D, C] and bias [C] for features float32 [N, V D]
    of classes int64 [N].
    """
    statistics = exact_statistics(features, classes, together=True)
    return Lookup({"": statistics}, min_spread=0.0).linear()


def _temperature(scores: Floats, classes: NDArray[np.int64]) -> np.float32:
    """Return the factor on the scores with the least cross entropy on held-out examples."""
    losses = []
    for factor in _TEMPERATURES:
        scaled = scores.astype(np.float64) * factor
        losses.append(
            float(
                np.mean(
                    np.logaddexp.reduce(scaled, axis=1) - scaled[np.arange(len(classes)), classes]
                )
            )
        )
    return np.float32(_TEMPERATURES[int(np.argmin(losses))])
