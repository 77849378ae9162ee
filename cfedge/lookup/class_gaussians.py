"""How well does an input fit each class's own shape? Class Gaussians: one shared covariance,
shrunk, and of each class a low-rank part of its own. Pure.

With S the within-class covariance of all tasks, t = tr S / D, P = (S + tau t I)^-1, and F_c the
factor of class c's scatter, its covariance is taken to be Sigma_c = (1 - a) (S + tau t I) + a F_c'
F_c / n_c. With the Cholesky factor N N' = (1 - a) I + (a / n_c) F_c P F_c', of as many rows as F_c
has, the log-density is, but for what all classes have in common (Woodbury)::

    V_c = (a / ((1 - a) n_c))^1/2 N^-1 F_c P        h_c = V_c m_c        u_c = P m_c / (1 - a)
    b_c  = - m_c' P m_c / (2 (1 - a)) - log |N| + R / 2 log(1 - a)
    g_c(x) = x . u_c + b_c + 1/2 |V_c x - h_c|^2

(cf. LR-RGDA, arXiv 2602.00144, and FeCAM, arXiv 2309.14062). What tasks ship is added up; nothing
is refitted (docs/decisions/0036-class-gaussians.md).

As log-likelihoods the g are over-confident: they add up features that are far from independent. The
evidence for a task is the log-sum over its classes at the temperature `TEMPERATURE`, which is on
the scale of one g.

Letters: D width, C classes, R factor rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cfedge.lookup.signature import ClusterStatistics

__all__ = ["ClassShape", "OWN_SHAPE", "SHRINKAGE", "TEMPERATURE", "precision", "task_evidence"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

#: tau: of the mean variance that is added to the shared covariance; a: the share of a class's own
#: shape in its covariance.
SHRINKAGE, OWN_SHAPE = 0.3, 0.3
#: Of the evidence, in nats.
TEMPERATURE = 16.0


class ClassShape(NamedTuple):
    """One class, ready to score: V [R, D], h [R], u [D] and b."""

    directions: Doubles
    centers: Doubles
    linear: Doubles
    offset: float

    @classmethod
    def of(cls, statistics: ClusterStatistics, place: int, shared: Doubles) -> ClassShape:
        """Make the class at `place` of its task ready; `shared` is P [D, D]."""
        start, stop = np.searchsorted(statistics.factor_classes, [place, place + 1]).tolist()
        rows = statistics.factor[start:stop].astype(np.float64)
        mean = statistics.means[place].astype(np.float64)
        own = OWN_SHAPE / float(statistics.counts[place])
        projected = rows @ shared
        inner = own * (projected @ rows.T)
        inner[np.diag_indices(len(rows))] += 1 - OWN_SHAPE
        lower = np.linalg.cholesky(inner)
        directions = math.sqrt(own / (1 - OWN_SHAPE)) * np.linalg.solve(lower, projected)
        linear = shared @ mean / (1 - OWN_SHAPE)
        spread = float(np.log(lower.diagonal()).sum())
        offset = 0.5 * len(rows) * math.log(1 - OWN_SHAPE) - spread - 0.5 * float(mean @ linear)
        return cls(directions, directions @ mean, linear, offset)


def precision(within: Doubles) -> Doubles:
    """Return P, symmetric float64 [D, D], of the within-class covariance; the identity where all
    examples of each class are the same.
    """
    width = len(within)
    level = float(np.trace(within)) / width
    if level <= 0:
        return np.eye(width)
    inverse = np.linalg.inv(within + SHRINKAGE * level * np.eye(width))
    return np.asarray((inverse + inverse.T) / 2)


def task_evidence(scores: Sequence[float], tasks: Sequence[int]) -> dict[int, float]:
    """Return the evidence for each task: the log-sum over its classes at `TEMPERATURE`.

    Plain numbers: of two dozen classes NumPy's steps would take longer than their arithmetic.

    Parameters
    ----------
    scores, tasks
        Of each class its g, and its task; tasks ascend.
    """
    most: dict[int, float] = {}
    for task, score in zip(tasks, scores, strict=True):
        if task not in most or score > most[task]:
            most[task] = score
    sums = dict.fromkeys(most, 0.0)
    for task, score in zip(tasks, scores, strict=True):
        sums[task] += math.exp((score - most[task]) / TEMPERATURE)
    return {task: most[task] + TEMPERATURE * math.log(total) for task, total in sums.items()}
