"""Which held-out examples of a workspace's tasks get the right answer, task and label, by the
lookup and the heads that ship.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cfedge.inputs.modality import Input
from cfedge.lookup import TaskMatches
from cfedge.lookup.finder import Finder
from cfedge.runtime.adapter import Adapter
from cfedge.runtime.encoder import Encoder
from cfedge.train.workspace.folder import WorkspaceFolder

__all__ = ["asked_scores", "right_answers"]

#: Inputs that are encoded at once.
_BATCH = 32


def right_answers(
    workspace: WorkspaceFolder, matches: Mapping[str, TaskMatches], router: Finder
) -> dict[str, NDArray[np.bool_]]:
    """Return, by task, whether each of its N held-out examples is answered rightly, bool [N].

    Where labels of several tasks mean the same (`cfedge.train.examples.meanings`), an input that
    goes to another task is right if that one's head gives it such a label.

    Parameters
    ----------
    matches
        By task, what the lookup makes of its held-out examples.
    router
        What looked them up.
    """
    meanings = workspace.meanings()
    encoder = None
    right: dict[str, NDArray[np.bool_]] = {}
    for name, found in matches.items():
        held_out, labels = workspace.held_out(name), workspace.record(name).classes
        task = np.array(router.tasks)[found.task]
        right[name] = (held_out.answers == held_out.classes) & (task == name)
        for rival in sorted(set(task) - {name}) if meanings.any else ():
            encoder = encoder or workspace.encoder()
            rows = np.flatnonzero(task == rival)
            adapter = Adapter.from_arrays(workspace.adapter(rival))
            scores = asked_scores(encoder, adapter, [held_out.inputs[row] for row in rows])
            classes = workspace.record(rival).classes
            theirs = [classes[index] for index in scores.argmax(axis=1)]
            right[name][rows] = [
                meanings.same(name, labels[held_out.classes[row]], rival, label)
                for row, label in zip(rows, theirs, strict=True)
            ]
    return right


def asked_scores(
    encoder: Encoder, adapter: Adapter, inputs: Sequence[Input]
) -> NDArray[np.float32]:
    """Return what a task's head answers inputs of other tasks with: scores of its classes, float32
    [inputs, classes].
    """
    scores = []
    for start in range(0, len(inputs), _BATCH):
        encoded = encoder(inputs[start : start + _BATCH])
        adapted = adapter.adapted(np.stack(encoder.adapted(encoded, adapter)))
        scores.append(adapter.scores(adapted, adapter.trunk(np.stack(encoded.features))))
    return np.concatenate(scores)
