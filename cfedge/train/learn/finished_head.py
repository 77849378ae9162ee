"""A head as it is kept: its scores made probabilities, its exit chosen, and what it answers to the
held-out examples.

Letters: D width, N held-out examples.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cfedge.runtime.adapter import Adapter
from cfedge.train.measures.early_exit import choose_exit, no_exit
from cfedge.train.measures.temperature import calibrated, probabilities
from cfedge.train.workspace.learned_task import HeldOut

__all__ = ["finished"]

Floats = NDArray[np.float32]


def finished(
    arrays: Mapping[str, Floats], evidence: HeldOut, behind: Floats, exit_share: float
) -> tuple[dict[str, Floats], HeldOut]:
    """Return slots, head and exit, and the evidence with what they answer.

    Parameters
    ----------
    arrays
        Slots and head.
    evidence, behind
        Held-out examples, and what the head reads of them behind the tail, float32 [N, D].
    exit_share
        See `cfedge.train.measures.early_exit.choose_exit`.
    """
    raw = Adapter.from_arrays({**arrays, **no_exit()})
    scores = raw.trunk(evidence.features.trunk) + raw.adapted(behind)
    made = calibrated(dict(arrays), scores, evidence.classes)
    head = Adapter.from_arrays(made)
    trunk, adapted = head.trunk(evidence.features.trunk), head.adapted(behind)
    made |= choose_exit(trunk, adapted, exit_share)
    answered = Adapter.from_arrays(made).scores(adapted, trunk)
    confidences, likelihoods = probabilities(answered, evidence.classes)
    return made, dataclasses.replace(
        evidence,
        answers=answered.argmax(axis=1).astype(np.int64),
        confidences=confidences,
        likelihoods=likelihoods,
    )
