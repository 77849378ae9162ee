"""The float model's accuracy on test data: what quantisation costs, end to end (its own trunk
features and lookup).

The signatures stay those of the shipped trunk; the inputs are encoded by the float backbone,
adapter and head are float.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cfedge.bundle.manifest import Manifest
from cfedge.lookup.rules import RULES
from cfedge.progress import Progress, Quiet
from cfedge.runtime.adapter import Adapter
from cfedge.train.examples.examples import Examples
from cfedge.train.workspace.folder import WorkspaceFolder

__all__ = ["float_accuracy"]


def float_accuracy(
    workspace: WorkspaceFolder,
    tests: Mapping[str, Examples],
    manifest: Manifest,
    progress: Progress | None = None,
) -> dict[str, float]:
    """Return, by task, the share of test examples whose task and label the float model gets right;
    it looks as `manifest` says.
    """
    encoder = workspace.encoder(float32=True)
    tasks = {name: workspace.task(name) for name in workspace.tasks}
    adapters = {name: Adapter.from_arrays(task.adapter) for name, task in tasks.items()}
    rule = RULES[manifest.lookup]
    router = rule.router(
        {name: rule.signature(task.signature) for name, task in tasks.items()}, manifest.margins
    )
    accuracy: dict[str, float] = {}
    with (progress or Quiet()).track("answering in float, to compare", len(tests)) as advance:
        for name, examples in tests.items():
            encoded = encoder(examples.inputs)
            found = router(encoder.features(encoded))
            chosen = [router.tasks[task] for task in found.task]
            features = [
                encoder.adapted(encoded.of([row]), adapters[task])[0]
                for row, task in enumerate(chosen)
            ]
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
