"""How well inputs of no task are told apart, and what leaving the most distant answers out
saves.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cfedge.runtime.prediction import Prediction
from cfedge.train.measures.risk_coverage import RiskCoverage, risk_coverage

__all__ = ["OpenSet", "RiskCoverage", "Unknown", "open_set", "risk_coverage", "unknown_detection"]


@dataclass(frozen=True)
class Unknown:
    """Unknown detection: area under the ROC curve of `ood_score`, false-positive rate at 95 %
    detection, and the shares called unknown at the thresholds that ship (`detected` of the unknown
    inputs, `false_rejects` of the known ones).
    """

    auroc: float
    fpr95: float
    detected: float
    false_rejects: float


@dataclass(frozen=True)
class OpenSet:
    """How well inputs of no task are told apart, and what leaving the most distant answers out
    would save.
    """

    detection: Unknown
    risk_coverage: RiskCoverage


def unknown_detection(known: Sequence[Prediction], out_of_domain: Sequence[Prediction]) -> Unknown:
    """Compare answers to known inputs with answers to inputs of no task."""
    inside, outside = (
        np.sort([one.ood_score for one in known]),
        np.array([one.ood_score for one in out_of_domain]),
    )
    below = np.searchsorted(inside, outside, "left")
    upto = np.searchsorted(inside, outside, "right")
    return Unknown(
        auroc=int((below + upto).sum()) / (2 * len(inside) * len(outside)),
        fpr95=float(
            (inside >= np.sort(outside)[len(outside) - math.ceil(0.95 * len(outside))]).mean()
        ),
        detected=_share(one.unknown for one in out_of_domain),
        false_rejects=_share(one.unknown for one in known),
    )


def open_set(
    labels: Mapping[str, Sequence[str]],
    answers: Mapping[str, Sequence[Prediction]],
    out_of_domain: Sequence[Prediction],
) -> OpenSet:
    """Score answers given by task name, with their true labels, together with answers to inputs of
    no task.
    """
    inside = [one for name in labels for one in answers[name]]
    truth = [(name, label) for name in labels for label in labels[name]]
    right = [(one.task, one.label) == pair for one, pair in zip(inside, truth, strict=True)]
    familiar = [-one.ood_score for one in [*inside, *out_of_domain]]
    return OpenSet(
        unknown_detection(inside, out_of_domain),
        risk_coverage([*right, *(False for _ in out_of_domain)], familiar),
    )


def _share(values: object) -> float:
    return float(np.mean(list(values)))  # type: ignore[call-overload]
