"""Where the tasks of two sites meet since a merge: pairs that the lookup may take for each other.
Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
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
    labels
        That both tasks have.
    same
        Of these, those that whoever merged said mean the same: an input of one that goes to the
        other gets a label that is right.
    """

    task: str
    rival: str
    share: float
    moved: int
    inputs: int
    labels: tuple[str, ...] = ()
    same: tuple[str, ...] = ()


def overlaps_of(
    here: Collection[str],
    restated: Restated,
    classes: Mapping[str, Sequence[str]],
    same_labels: Collection[str] = (),
) -> tuple[Overlap, ...]:
    """Return the pairs of tasks, one `here` and one not, that the lookup may take for each other,
    and those whose golden inputs moved; the surest first.

    Parameters
    ----------
    classes
        Labels of all tasks.
    same_labels
        Labels that mean the same wherever they stand.
    """
    found = []
    for (name, rival), share in restated.confusions.items():
        moved = restated.moved.get((name, rival), 0)
        apart = (name in here) != (rival in here)
        if moved or (apart and share >= OVERLAP_SHARE):
            both = tuple(label for label in classes[name] if label in classes[rival])
            same = tuple(label for label in both if label in same_labels)
            inputs = restated.inputs[name]
            found.append(Overlap(name, rival, min(1.0, share), moved, inputs, both, same))
    return tuple(sorted(found, key=lambda overlap: (-overlap.moved, -overlap.share, overlap.task)))
