"""Which held-out examples of a workspace's tasks get the right answer, task and label, by the
lookup and the heads that ship.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cfedge.lookup import TaskMatches
from cfedge.lookup.finder import Finder
from cfedge.runtime.adapter import Adapter
from cfedge.runtime.early_exit import gaps, trunk_decides
from cfedge.train.workspace import WorkspaceFolder

__all__ = ["right_answers"]


def right_answers(
    workspace: WorkspaceFolder, matches: Mapping[str, TaskMatches], router: Finder
) -> dict[str, NDArray[np.bool_]]:
    """Return, by task, whether each of its N held-out examples is answered rightly, bool [N].

    Where labels of several tasks mean the same (`cfedge.train.meanings`), an input that goes to
    another task is right if that one's head gives it such a label.

    Parameters
    ----------
    matches
        By task, what the lookup makes of its held-out examples.
    router
        What looked them up.
    """
    meanings = workspace.meanings()
    right: dict[str, NDArray[np.bool_]] = {}
    for name, found in matches.items():
        held_out, labels = workspace.held_out(name), workspace.record(name).classes
        task = np.array(router.tasks)[found.task]
        right[name] = (held_out.answers == held_out.classes) & (task == name)
        for rival in sorted(set(task) - {name}) if meanings.any else ():
            rows = np.flatnonzero(task == rival)
            theirs = _labels_of(workspace, rival, [held_out.inputs[row] for row in rows])
            right[name][rows] = [
                meanings.same(name, labels[held_out.classes[row]], rival, label)
                for row, label in zip(rows, theirs, strict=True)
            ]
    return right


def _labels_of(workspace: WorkspaceFolder, task: str, inputs: list[str]) -> list[str]:
    """Return what a task's own head answers."""
    encoder, adapter = workspace.encoder(), Adapter.from_arrays(workspace.adapter(task))
    encoded = encoder(inputs)
    adapted = adapter.adapted(np.stack(encoder.adapted(encoded.hidden, adapter.slots)))
    trunk = adapter.trunk(np.stack(encoded.features))
    alone = trunk_decides(gaps(trunk), adapter.exit_margin)
    scores = np.where(np.asarray(alone)[:, None], trunk, trunk + adapted)
    classes = workspace.record(task).classes
    return [classes[index] for index in scores.argmax(axis=1)]
