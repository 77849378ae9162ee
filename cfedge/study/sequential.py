"""Sequential fine-tuning: one adapter and one growing head, trained task after task without old
data. It shows forgetting.

The adapter has the slots, the rank and the steps of every task's own one; only it goes on from
where the task before left it, and the head learns a task's classes against all those before. It is
no way to ship: every answer changes with every task.

Letters: B rows, D width, C classes so far.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from cfedge.progress import Quiet
from cfedge.runtime.adapter import Adapter
from cfedge.train.learn.composition import pool
from cfedge.train.learn.fitting import Head, States, device_of, fit, pinned
from cfedge.train.learn.lora import LowRankPairs
from cfedge.train.learn.tail import TorchTail
from cfedge.train.measures.early_exit import no_exit
from cfedge.train.settings import Settings
from cfedge.train.workspace.folder import WorkspaceFolder

__all__ = ["in_sequence"]

Floats = NDArray[np.float32]


def in_sequence(
    workspace: WorkspaceFolder,
    tasks: Iterable[tuple[list[Floats], NDArray[np.int64]]],
    settings: Settings,
) -> Iterator[Adapter]:
    """Learn task after task and yield adapter and head as they are after each.

    Parameters
    ----------
    workspace
        Whose backbone is adapted; of its tasks nothing is read.
    tasks
        Of each the hidden states float32 [S, D] of its examples, and their classes int64 in 0..C-1
        of the task.

    Yields
    ------
    Adapter
        With a head over the classes so far: those of the first task, then those of the second...
        The part of a head that reads the trunk is none: it is not trained, and would not forget.
    """
    device, backbone = device_of(settings.device), workspace.backbone
    slots = backbone.slots
    tail = TorchTail(onnx.load_from_string(workspace.backbone_file("train_tail.onnx")), device)
    generator = torch.Generator().manual_seed(settings.seed)
    pairs = LowRankPairs(slots, pool({}, slots, settings.pool_limit), settings, generator, device)
    head = Head.drawn(backbone.width, 0, generator, device)
    known = 0
    for hidden, classes in tasks:
        new = int(classes.max()) + 1
        head = head.grown(new, generator)
        with pinned(settings.threads):
            states, targets = States(hidden, []), classes + known
            fit(tail, pairs, head, states, targets, settings, generator, Quiet())
        known += new
        fed = {name: array.detach().cpu().numpy().copy() for name, array in pairs.slots().items()}
        trunk = {
            "trunk.weight": np.zeros((sum(backbone.views), known), np.float32),
            "trunk.bias": np.zeros(known, np.float32),
        }
        yield Adapter.from_arrays({**fed, **head.arrays("head"), **trunk, **no_exit()})
