"""A task that a machine of another class learned: does it answer here as it did there?

Machines of one class give the same bits. Between classes int8 products and sums differ a little, so
the task is asked about its held-out examples again, and its head is made again of its statistics (docs/decisions/0020-training-device.md states
the same share for another training device).
"""

from __future__ import annotations

import dataclasses

import numpy as np

from cfedge.errors import ParityError
from cfedge.runtime.adapter import Adapter
from cfedge.train.learn.closed_part import Seen, whole
from cfedge.train.learn.finished_head import judged_scores
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge.train.workspace.learned_task import LearnedTask

__all__ = ["LEAST_SAME", "check_parity"]

#: Of the held-out examples, those that must get the answer that they got where it was learned.
LEAST_SAME = 0.95


def check_parity(task: LearnedTask, workspace: WorkspaceFolder, worker: str) -> None:
    """Ask a task about its held-out examples on this machine.

    Parameters
    ----------
    worker
        That learned it, for errors.

    Raises
    ------
    ParityError
        It answers fewer than `LEAST_SAME` of them as it did there.
    """
    held_out, encoder = task.held_out, workspace.encoder()
    encoded = encoder(held_out.inputs)
    behind = np.stack(encoder.adapted(encoded, Adapter.from_arrays(task.adapter)))
    features = held_out.features._replace(trunk=np.stack(encoded.features))
    seen = dataclasses.replace(held_out, features=features)
    trunk, adapted = judged_scores(task.adapter, task.statistics, seen, behind)
    known = Seen(features.trunk, behind, held_out.classes)
    made = whole(task.adapter, task.statistics, known)
    ships, made_here = (
        (head.trunk(features.trunk) + head.adapted(behind)).argmax(axis=1)
        for head in map(Adapter.from_arrays, (task.adapter, made))
    )
    pairs = ((trunk + adapted).argmax(axis=1), held_out.answers), (ships, made_here)
    same = min(float((here == there).mean()) if len(here) else 1.0 for here, there in pairs)
    if same < LEAST_SAME:
        raise ParityError(
            f"task {task.record.name!r}: expected at least {LEAST_SAME:.0%} of its held-out"
            f" examples to be answered here as on worker {worker}, a machine of another class, found"
            f" {same:.0%}; learn it on machines like this one"
        )
