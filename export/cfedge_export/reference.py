"""The float model's accuracy on test data: what quantisation costs, end to end (its own trunk features and lookup).

The signatures stay those of the shipped trunk; the inputs are encoded by the float backbone, adapter and head are float.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cfedge.lookup import Lookup
from cfedge.progress import Progress, Quiet
from cfedge.runtime.backbone import Tail, Trunk
from cfedge.runtime.engine import head_scores
from cfedge.train.data import Examples
from cfedge.train.learner import HEAD_SCALE
from cfedge.train.workspace import Workspace

__all__ = ["float_accuracy"]


def float_accuracy(workspace: Workspace, tests: Mapping[str, Examples], progress: Progress | None = None) -> dict[str, float]:
    """Return, by task, the share of test examples whose task and label the float model gets right."""
    backbone = workspace.backbone
    trunk = Trunk(workspace.backbone_file("float_trunk.onnx"), workspace.backbone_file("tokenizer.json"), backbone)
    tail = Tail(workspace.backbone_file("float_tail.onnx"), backbone)
    tasks = {name: workspace.task(name) for name in workspace.tasks}
    slots = {
        name: {key: array for key, array in task.adapter.items() if not key.startswith("head.")} for name, task in tasks.items()
    }
    lookup = Lookup({name: task.signature for name, task in tasks.items()})
    accuracy: dict[str, float] = {}
    with (progress or Quiet()).track("float reference", len(tests)) as advance:
        for name, examples in tests.items():
            encoded = trunk(examples.texts)
            chosen = [lookup.tasks[lookup.one(row).task] for row in encoded.features]
            pooled = tail(encoded.hidden, [slots[task] for task in chosen])
            right = []
            for task, one, label in zip(chosen, pooled, examples.labels, strict=True):
                arrays = tasks[task].adapter
                best = int(head_scores(one, arrays["head.weight"], arrays["head.bias"], HEAD_SCALE).argmax())
                right.append(task == name and tasks[task].record.classes[best] == label)
            accuracy[name] = float(np.mean(right))
            advance(1)
    return accuracy
