"""Where the tasks of two sites meet since a merge: pairs that the lookup may take for each other.
Pure.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from cfedge.publish.restate_golden import Restated

__all__ = ["Overlap", "overlaps_of"]

#: Of a task's inputs, by the lookup's own model, that another one takes: less is not reported.
OVERLAP_SHARE = 0.01


@dataclass(frozen=True)
class Overlap:
    """Two tasks that the lookup may take for each other since the merge.

    Attributes
    ----------
    task, rival
        Inputs of `task` may go to `rival`.
    share
        Of its inputs, by the lookup's model: a union bound for Gaussian clusters, at most 1. No
        measurement.
    moved, inputs
        Of the task's golden inputs, those that went to it and now go to another task.
    """

    task: str
    rival: str
    share: float
    moved: int
    inputs: int


def overlaps_of(here: Collection[str], restated: Restated) -> tuple[Overlap, ...]:
    """Return the pairs of tasks, one `here` and one not, that the lookup may take for each other,
    and those whose golden inputs moved; the surest first.
    """
    found = []
    for (name, rival), share in restated.confusions.items():
        moved = restated.moved.get((name, rival), 0)
        apart = (name in here) != (rival in here)
        if moved or (apart and share >= OVERLAP_SHARE):
            found.append(Overlap(name, rival, min(1.0, share), moved, restated.inputs[name]))
    return tuple(sorted(found, key=lambda overlap: (-overlap.moved, -overlap.share, overlap.task)))
