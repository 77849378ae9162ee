"""One order of a stream, learned: its test examples encoded once, by the frozen encoder and by
every adapter, so that accuracy matrices cost no second training.

What each model would have answered is for `cfedge.study.models` and `cfedge.study.one_head`.

Letters: B rows, T tasks.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cfedge.lookup import Features
from cfedge.progress import Progress
from cfedge.runtime.adapter import Adapter
from cfedge.study.stream import Splits
from cfedge.train.examples.examples import Examples
from cfedge.train.measures.temperature import log_softmax
from cfedge.train.workspace.folder import WorkspaceFolder

__all__ = ["Floats", "LearnedOrder", "int8_bytes"]

Floats = NDArray[np.float32]


class LearnedOrder:
    """One order's learned workspace with its test examples encoded: by the frozen encoder and by
    every adapter.
    """

    def __init__(
        self,
        workspace: WorkspaceFolder,
        stream: Mapping[str, Splits],
        order: list[str],
        progress: Progress,
    ) -> None:
        self.workspace, self.stream, self.order = workspace, stream, order
        self.names = sorted(order)
        backbone = workspace.backbone
        self.encoder = workspace.encoder()
        self.tail_share = 1 - backbone.split / backbone.blocks
        self.adapters = {name: Adapter.from_arrays(workspace.adapter(name)) for name in self.names}
        inputs = [one for name in self.names for one in stream[name].test.inputs]
        self.truth = np.repeat(
            np.arange(len(self.names)), [len(stream[name].test) for name in self.names]
        )
        self.label = np.concatenate(
            [self.classes_of(name, stream[name].test) for name in self.names]
        )
        with progress.track("test examples through every adapter", len(self.names)) as advance:
            encoded = self.encoder(inputs)
            self.encoded = encoded
            self.test = self.encoder.features(encoded)
            self.adapted: list[Floats] = []
            answers, sure = [], []
            for name in self.names:
                adapter = self.adapters[name]
                features = np.stack(self.encoder.adapted(encoded, adapter))
                self.adapted.append(features)
                scores = adapter.scores(adapter.adapted(features), adapter.trunk(self.test.trunk))
                answers.append(scores.argmax(axis=1))
                sure.append(np.exp(log_softmax(scores.astype(np.float64)).max(axis=1)))
                advance(1)
            self.answers = np.stack(answers, axis=1)
            #: Probability that each adapter's head gives to its answer, float64 [B, T].
            self.sure = np.stack(sure, axis=1)
        with progress.track("training examples", len(self.names)) as advance:
            self.train: dict[str, Features] = {}
            self.train_adapted: dict[str, Floats] = {}
            for name in self.names:
                encoded = self.encoder(self.counted(name).inputs)
                self.train[name] = self.encoder.features(encoded)
                behind = self.encoder.adapted(encoded, self.adapters[name])
                self.train_adapted[name] = np.stack(behind)
                advance(1)

    def forward_transfer(self, alone: WorkspaceFolder) -> float:
        """By how much the tasks but the first are more accurate, with the task given, than as they
        were learned in `alone`; the mean.
        """
        gains = []
        for name in self.order[1:]:
            rows = np.flatnonzero(self.truth == self.names.index(name))
            adapter = Adapter.from_arrays(alone.adapter(name))
            features = np.stack(self.encoder.adapted(self.encoded.of(rows.tolist()), adapter))
            best = adapter.scores(
                adapter.adapted(features), adapter.trunk(self.test.trunk[rows])
            ).argmax(axis=1)
            here = self.answers[rows, self.names.index(name)]
            gains.append(
                float((here == self.label[rows]).mean() - (best == self.label[rows]).mean())
            )
        return float(np.mean(gains))

    def classes_of(self, name: str, examples: Examples) -> NDArray[np.int64]:
        """Classes int64 [B] of examples of the task `name`, as positions in its record."""
        position = {label: index for index, label in enumerate(self.workspace.record(name).classes)}
        return np.array([position[label] for label in examples.labels], np.int64)

    def counted(self, name: str) -> Examples:
        """Return the examples of a task that count in statistics, those of every rule: all but the
        test ones.
        """
        splits = self.stream[name]
        return splits.train.joined(splits.held_out)

    def positions(self, count: int) -> list[int]:
        """Positions, by name, of the first `count` tasks learned."""
        return sorted(self.names.index(name) for name in self.order[:count])

    def by_task(self, right: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Shares float64 [T], in the order of learning."""
        return np.array([right[self.truth == self.names.index(name)].mean() for name in self.order])

    def task_bytes(self, statistics: int) -> tuple[int, int, int]:
        """Of the largest task's adapter and head, and of statistics."""
        return (
            *max((int8_bytes(self.workspace.adapter(name)) for name in self.names), key=sum),
            statistics,
        )

    def by_adapter(self, task: NDArray[np.int64]) -> NDArray[np.int64]:
        """Classes int64 [B] that the adapter of each test example's `task` [B] answers."""
        return self.answers[np.arange(len(task)), task]


def int8_bytes(adapter: Mapping[str, Floats]) -> tuple[int, int]:
    """Bytes of adapter and head as they ship, but for scales and the frame of the file."""
    slots = sum(array.size for name, array in adapter.items() if name.startswith(("a.", "b.")))
    every = sum(array.size for name, array in adapter.items() if not name.startswith("base."))
    return slots, every - slots
