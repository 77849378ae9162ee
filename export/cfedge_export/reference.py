"""The float model's accuracy on test data: what quantisation costs, end to end (its own trunk
features and lookup).

The signatures stay those of the shipped trunk; the inputs are encoded by the float backbone,
adapter and head are float.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cfedge.bundle.manifest import Manifest
from cfedge.lookup import Features, Router
from cfedge.progress import Progress, Quiet
from cfedge.runtime.adapter import Adapter
from cfedge.runtime.backbone import Tail, Trunk, no_adapter
from cfedge.train.data import Examples
from cfedge.train.workspace import Workspace

__all__ = ["float_accuracy"]


def float_accuracy(
    workspace: Workspace,
    tests: Mapping[str, Examples],
    manifest: Manifest,
    progress: Progress | None = None,
) -> dict[str, float]:
    """Return, by task, the share of test examples whose task and label the float model gets right;
    it looks as `manifest` says.
    """
    backbone = workspace.backbone
    trunk = Trunk(
        workspace.backbone_file("float_trunk.onnx"),
        workspace.backbone_file("tokenizer.json"),
        backbone,
    )
    tail = Tail(workspace.backbone_file("float_tail.onnx"), backbone)
    tasks = {name: workspace.task(name) for name in workspace.tasks}
    adapters = {name: Adapter.from_arrays(task.adapter) for name, task in tasks.items()}
    router = Router(
        {name: task.signature for name, task in tasks.items()},
        manifest.second_stage,
        manifest.third_stage,
    )
    frozen = no_adapter(backbone)
    accuracy: dict[str, float] = {}
    with (progress or Quiet()).track("float reference", len(tests)) as advance:
        for name, examples in tests.items():
            encoded = trunk(examples.texts)
            behind = tail(encoded.hidden, [frozen] * len(examples))
            found = router(Features(np.stack(encoded.features), np.stack(behind)))
            chosen = [router.tasks[task] for task in found.task]
            features = tail(encoded.hidden, [adapters[task].slots for task in chosen])
            right = []
            for task, one, trunk_features, label in zip(
                chosen, features, encoded.features, examples.labels, strict=True
            ):
                adapter = adapters[task]
                best = int(
                    adapter.scores(adapter.adapted(one), adapter.trunk(trunk_features)).argmax()
                )
                right.append(task == name and tasks[task].record.classes[best] == label)
            accuracy[name] = float(np.mean(right))
            advance(1)
    return accuracy
