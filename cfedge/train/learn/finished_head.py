"""A head as it is kept: with what of it is in closed form, its scores made probabilities, its exit
chosen, and what it answers to the held-out examples.

What is in closed form is made of all examples. So each held-out one is judged by a head of all but
its part's (cross-fitting), as in the lookup's statistics (`cfedge.train.measures.folds`).

Letters: D width, C classes, N held-out examples.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cfedge.runtime.adapter import Adapter
from cfedge.train.features.statistics import TaskStatistics
from cfedge.train.learn.closed_part import Seen, whole
from cfedge.train.measures.early_exit import choose_exit, no_exit
from cfedge.train.measures.folds import dealt
from cfedge.train.measures.temperature import factor, probabilities, scaled
from cfedge.train.workspace.learned_task import HeldOut

__all__ = ["finished", "judged_scores"]

Floats = NDArray[np.float32]


def judged_scores(
    arrays: Mapping[str, Floats], statistics: TaskStatistics, evidence: HeldOut, behind: Floats
) -> tuple[Floats, Floats]:
    """Return what both parts of a head say of the held-out examples, float32 [N, C], the trunk's
    and the tail's: each by a head that does not know the example's part.

    Parameters
    ----------
    arrays
        Of the head, as of `cfedge.train.learn.closed_part.whole`.
    statistics
        Of the examples that it was learned from; `adapted` is of what the head reads.
    evidence, behind
        Held-out examples, and what the head reads of them behind the tail, float32 [N, D].
    """
    seen = _seen(evidence, behind)
    parts = dealt(evidence.features, evidence.classes)
    trunk = np.zeros((len(parts), len(statistics.trunk.counts)), np.float32)
    adapted = trunk.copy()
    for part in range(int(parts.max(initial=-1)) + 1):
        mine = parts == part
        made = whole(arrays, statistics, seen.some(~mine))
        head = Adapter.from_arrays({**made, **no_exit()})
        trunk[mine], adapted[mine] = head.trunk(seen.trunk[mine]), head.adapted(behind[mine])
    return trunk, adapted


def finished(
    arrays: Mapping[str, Floats],
    statistics: TaskStatistics,
    evidence: HeldOut,
    behind: Floats,
    exit_share: float,
) -> tuple[dict[str, Floats], HeldOut]:
    """Return slots, head and exit, and the evidence with what they answer.

    Parameters
    ----------
    arrays
        Slots and head; the rest as of `judged_scores`.
    exit_share
        See `cfedge.train.measures.early_exit.choose_exit`.
    """
    trunk, adapted = judged_scores(arrays, statistics, evidence, behind)
    by = factor(trunk + adapted, evidence.classes)
    trunk, adapted = trunk * by, adapted * by
    made = whole(scaled(arrays, by), statistics, _seen(evidence, behind))
    made |= choose_exit(trunk, adapted, exit_share)
    answered = Adapter.from_arrays(made).scores(adapted, trunk)
    confidences, likelihoods = probabilities(answered, evidence.classes)
    return made, dataclasses.replace(
        evidence,
        answers=answered.argmax(axis=1).astype(np.int64),
        confidences=confidences,
        likelihoods=likelihoods,
    )


def _seen(evidence: HeldOut, behind: Floats) -> Seen:
    return Seen(evidence.features.trunk, behind, evidence.classes)
