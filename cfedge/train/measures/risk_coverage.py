"""How wrong are the answers that stay when the least confident are left out? Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cfedge.errors import UsageError

__all__ = ["RiskCoverage", "risk_coverage"]


@dataclass(frozen=True)
class RiskCoverage:
    """Share of wrong answers among the most confident ones: `risk` [N] at `coverage` [N] = 1/N, 2/N
    ... 1; `area` is its mean.

    Answers of equal confidence share their mean risk: none of them can be kept without the others.
    """

    coverage: list[float]
    risk: list[float]
    area: float


def risk_coverage(right: Sequence[bool], confidence: Sequence[float]) -> RiskCoverage:
    """Keep answers from the most confident on (El-Yaniv and Wiener 2010): how wrong are those that
    are kept?

    Parameters
    ----------
    right
        Whether each answer was; an answer to an input of no task is not.
    confidence
        Of each answer, for instance its negative ood_score.

    Raises
    ------
    UsageError
        There are no answers.
    """
    if not len(right):
        raise UsageError("risk by coverage: expected at least one answer, found none")
    order = np.argsort(-np.asarray(confidence, np.float64), kind="stable")
    wrong = 1.0 - np.asarray(right, np.float64)[order]
    _, group = np.unique(-np.asarray(confidence, np.float64)[order], return_inverse=True)
    wrong = (np.bincount(group, wrong) / np.bincount(group))[group]
    count = np.arange(1, len(wrong) + 1)
    risk = np.cumsum(wrong) / count
    return RiskCoverage((count / len(wrong)).tolist(), risk.tolist(), float(risk.mean()))
