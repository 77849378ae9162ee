"""What the heads of rows' tasks say: by the trunk's part alone where that is sure, else behind the
tail. Rows of one length and task share a run of the tail.

Letters: D width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cfedge.bundle.manifest import Task
from cfedge.runtime.adapter import Adapter
from cfedge.runtime.adapters import Adapters
from cfedge.runtime.backbone import Encoded
from cfedge.runtime.early_exit import gap, trunk_decides
from cfedge.runtime.encoder import Encoder
from cfedge.runtime.judging import Judge
from cfedge.runtime.prediction import Head

__all__ = ["Heads"]

Floats = NDArray[np.float32]


class Heads(NamedTuple):
    """Asks heads, with an encoder's tail and the adapters of tasks."""

    encoder: Encoder
    adapters: Adapters

    def __call__(
        self, encoded: Encoded, chosen: Mapping[int, Task], judge: Judge
    ) -> dict[int, Head]:
        """Return what the head of each chosen row's task says, by row.

        Where the adapter changes nothing the frozen tail is the tail: it may have been run, or need
        not be (`Encoder.frozen`).
        """
        adapters = self._adapters(chosen)
        heads, late = {}, {}
        for row, adapter in adapters.items():
            trunk = adapter.trunk(encoded.features[row])
            scores: list[float] = trunk.tolist()
            heads[row] = Head(scores, early=True)
            if not trunk_decides(gap(scores), adapter.exit_margin):
                late[row] = trunk
        if late:
            behind = self._behind(encoded, chosen, adapters, list(late), judge)
            for row, features in behind.items():
                both = late[row] + adapters[row].adapted(features)
                heads[row] = Head(both.tolist(), early=False)
        return heads

    def run_both(self, encoded: Encoded, row: int, task: Task, judge: Judge) -> None:
        """Run both tails of a row at once where it needs the frozen one, and its task's head will
        need the adapted one.
        """
        if not self.encoder.pairs:
            return
        adapter = self.adapters(task)
        scores: list[float] = adapter.trunk(encoded.features[row]).tolist()
        if not (adapter.changes_nothing or trunk_decides(gap(scores), adapter.exit_margin)):
            judge.run_both(row, task.name, adapter)

    def _behind(
        self,
        encoded: Encoded,
        chosen: Mapping[int, Task],
        adapters: Mapping[int, Adapter],
        rows: Sequence[int],
        judge: Judge,
    ) -> dict[int, Floats]:
        """By row, the features [D] behind the tail with its adapter."""
        frozen = [row for row in rows if adapters[row].changes_nothing]
        behind = dict(zip(frozen, judge.tails(frozen), strict=True))
        for row in rows:
            if (row, chosen[row].name) in judge.adapted:
                behind[row] = judge.adapted[row, chosen[row].name]
        if rest := [row for row in rows if row not in behind]:
            hidden = [encoded.hidden[row] for row in rest]
            slots = [adapters[row].slots for row in rest]
            behind |= zip(rest, self.encoder.tail(hidden, slots), strict=True)
        return behind

    def _adapters(self, chosen: Mapping[int, Task]) -> dict[int, Adapter]:
        """Return the adapter of each row's task; rows of one task get one and the same, whatever
        must make room meanwhile.
        """
        named = {task.name: task for task in chosen.values()}
        adapters = {name: self.adapters(task) for name, task in named.items()}
        return {row: adapters[task.name] for row, task in chosen.items()}
