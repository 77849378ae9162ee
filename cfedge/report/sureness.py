"""Do the held-out answers' probabilities come true? In bins, each by odds that its input had no share
in.
"""

from __future__ import annotations

from cfedge.report.evidence import Sureness, SurenessBin
from cfedge.train.measures.calibration_error import Bin, bins_of, error_of

__all__ = ["sureness"]


def sureness(probabilities: list[float], right: list[bool]) -> Sureness:
    """Return what a report says of N answers."""
    bins = bins_of(probabilities, right)
    return Sureness(len(right), error_of(bins), tuple(map(_shown, bins)))


def _shown(one: Bin) -> SurenessBin:
    return SurenessBin(one.answers, one.probability, one.right)
