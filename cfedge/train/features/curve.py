"""How many more examples? A learning curve: what a closed form answers rightly when it is made of a
quarter, a half and all of a task's examples, and what twice as many may bring.

It is measured when the task is learned, behind the frozen tail, as the examples are not kept. An
adapter is mostly better at each point; the slope is what the curve is for. Pure.

Letters: N examples, D width, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cfedge.lookup import Lookup
from cfedge.train.features.signature import exact_statistics

__all__ = ["Outlook", "Point", "curve", "outlook"]

Floats = NDArray[np.float32]

_SHARES = (0.25, 0.5, 1.0)
_DRAWS = 2000


@dataclass(frozen=True)
class Point:
    """Held-out examples that were answered rightly after so many examples."""

    examples: int
    right: int


@dataclass(frozen=True)
class Outlook:
    """What `examples` may bring: the error rate by a power law through the curve, and an interval
    that holds nine of ten laws which the held-out counts allow.
    """

    examples: int
    error: float
    low: float
    high: float


def curve(
    features: Floats,
    classes: NDArray[np.int64],
    held_out: Floats,
    truth: NDArray[np.int64],
    rng: np.random.Generator,
) -> tuple[Point, ...]:
    """Measure the curve; a share that leaves a class without an example is left out.

    Parameters
    ----------
    features, classes
        To learn from: float32 [N, D], int64 [N] in 0..C-1.
    held_out, truth
        To answer: likewise.

    Returns
    -------
    tuple of Point
        None where there is one class.
    """
    if classes.max() == 0:
        return ()
    points = []
    by_class = [rng.permutation(np.flatnonzero(classes == one)) for one in range(classes.max() + 1)]
    for share in _SHARES:
        if min(len(rows) for rows in by_class) * share < 1:
            continue
        rows = np.concatenate([rows[: max(1, round(share * len(rows)))] for rows in by_class])
        statistics = exact_statistics(features[rows], classes[rows], together=True)
        weight, bias = Lookup({"": statistics}, min_spread=0.0).linear()
        right = (held_out @ weight + bias).argmax(axis=1) == truth
        points.append(Point(len(rows), int(right.sum())))
    return tuple(points)


def outlook(points: Sequence[Point], held_out: int, rng: np.random.Generator) -> Outlook | None:
    """Extrapolate to twice the examples; None where there are fewer than two points.

    Parameters
    ----------
    held_out
        Examples that each point counts.
    """
    if len(points) < 2:
        return None
    examples = np.log([point.examples for point in points])
    wrong = np.array([held_out - point.right for point in points], np.float64)
    rates = rng.beta(wrong + 0.5, held_out - wrong + 0.5, size=(_DRAWS, len(points)))
    laws = np.polyfit(examples, np.log(rates).T, 1)
    # more examples do not make it worse: a slope above 0 is taken for 0
    slope = np.minimum(laws[0], 0.0)
    last = np.log(rates[:, -1])
    errors = np.exp(last + slope * np.log(2.0))
    low, middle, high = (float(value) for value in np.quantile(errors, [0.05, 0.5, 0.95]))
    return Outlook(2 * points[-1].examples, middle, low, high)
