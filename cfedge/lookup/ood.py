"""How little does an input look like anything learned? One score of what the lookup knows of it.

With z the terms in units of the task's held-out inputs (`cfedge.calibration.Calibration`)::

    behind the trunk      t = z(relative) + z(density)
    behind the tail too   u = z(trunk's density) + z(cosine) + z(relative) + z(density)

Where t is at most the rule's `accepted` the input is known and the frozen tail is not asked; the
score is then below every threshold. Otherwise the score is u. Weights are all 1: they were chosen
by leaving tasks out (docs/decisions/0041-unknown.md).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cfedge.calibration import TERMS, Calibration
from cfedge.lookup.familiarity import Terms

__all__ = ["accepted_score", "joined", "ood_score", "tail_score", "trunk_score"]

_TRUNK, _TAIL = slice(0, 2), slice(1, TERMS)


def joined(trunk: Terms, tail: Terms) -> tuple[float, ...]:
    """Return the terms of both spaces in the order of `cfedge.calibration.TERMS`."""
    return (trunk.relative, trunk.density, *tail)


def trunk_score(rule: Calibration, trunk: Terms) -> float:
    """Return t."""
    (center, other), (scale, others) = rule.centers[_TRUNK], rule.scales[_TRUNK]
    return (trunk.relative - center) / scale + (trunk.density - other) / others


def tail_score(rule: Calibration, trunk: Terms, tail: Terms) -> float:
    """Return u."""
    return _sum(rule, joined(trunk, tail)[_TAIL], _TAIL)


def accepted_score(rule: Calibration, score: float) -> float:
    """Return the out-of-distribution score of an input whose score behind the trunk was
    accepted.
    """
    return rule.least + min(score - rule.accepted, 0.0)


def ood_score(rule: Calibration, terms: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the scores of N inputs, float64 [N], from all their terms, float64 [N, `TERMS`]."""
    z = (terms - np.array(rule.centers)) / np.array(rule.scales)
    trunk, both = z[:, _TRUNK].sum(axis=1), z[:, _TAIL].sum(axis=1)
    early = rule.least + np.minimum(trunk - rule.accepted, 0.0)
    return np.asarray(np.where(trunk <= rule.accepted, early, both))


def _sum(rule: Calibration, terms: Sequence[float], which: slice) -> float:
    parts = zip(terms, rule.centers[which], rule.scales[which], strict=True)
    return sum((term - center) / scale for term, center, scale in parts)
