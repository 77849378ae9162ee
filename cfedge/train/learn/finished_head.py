"""A head as it is kept: with the shapes of its classes, its scores made probabilities, its exit
chosen, and what it answers to the held-out examples.

Letters: D width, C classes, N held-out examples.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cfedge.runtime.adapter import Adapter
from cfedge.train.features.statistics import TaskStatistics
from cfedge.train.learn.class_shapes import parts_scores, shapes_of
from cfedge.train.learn.trunk_part import with_shapes
from cfedge.train.measures.early_exit import choose_exit, no_exit
from cfedge.train.measures.temperature import factor, probabilities, scaled
from cfedge.train.workspace.learned_task import HeldOut

__all__ = ["finished", "judged_scores"]

Floats = NDArray[np.float32]


def judged_scores(
    arrays: Mapping[str, Floats], statistics: TaskStatistics, evidence: HeldOut, behind: Floats
) -> tuple[Floats, Floats]:
    """Return what both parts of a head say of the held-out examples, float32 [N, C]: the trunk's,
    by shapes that do not know them (`cfedge.train.learn.class_shapes`), and the tail's.

    Parameters
    ----------
    arrays
        Of the head, with its trunk's part as of `cfedge.train.learn.trunk_part.trunk_part`.
    statistics
        Of the examples that it was learned from.
    evidence, behind
        Held-out examples, and what the head reads of them behind the tail, float32 [N, D].
    """
    head = Adapter.from_arrays({**with_shapes(arrays, None), **no_exit()})
    trunk = head.trunk(evidence.features.trunk)
    if trunk.shape[1] > 1:
        own = parts_scores(statistics, evidence.features, evidence.classes)
        trunk += (own * float(arrays["base.share"][0])).astype(np.float32)
    return trunk, head.adapted(behind)


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
    shapes = None
    if trunk.shape[1] > 1:  # else there is nothing to tell apart
        shapes = shapes_of(statistics, evidence.features.trunk, evidence.classes)
    made = with_shapes(scaled(arrays, by), shapes) | choose_exit(trunk, adapted, exit_share)
    answered = Adapter.from_arrays(made).scores(adapted, trunk)
    confidences, likelihoods = probabilities(answered, evidence.classes)
    return made, dataclasses.replace(
        evidence,
        answers=answered.argmax(axis=1).astype(np.int64),
        confidences=confidences,
        likelihoods=likelihoods,
    )
