"""How well does an input fit each class's own shape? Class Gaussians: one shared covariance,
shrunk, and of each class a low-rank part of its own. Pure.

With S the within-class covariance of all tasks, t = tr S / D, P = (S + tau t I)^-1, and F_c the
factor of class c's scatter, its covariance is taken to be Sigma_c = (1 - a) (S + tau t I) + a F_c'
F_c / n_c. With the Cholesky factor N N' = (1 - a) I + (a / n_c) F_c P F_c', of as many rows as F_c
has, the log-density is, but for what all classes have in common (Woodbury)::

    V_c = (a / ((1 - a) n_c))^1/2 N^-1 F_c P        h_c = V_c m_c        u_c = P m_c / (1 - a)
    b_c  = - (m_c' P m_c - tr(P S) e_c) / (2 (1 - a)) - log |N| + R / 2 log(1 - a)
    g_c(x) = x . u_c + b_c + 1/2 |V_c x - h_c|^2

(cf. LR-RGDA, arXiv 2602.00144, and FeCAM, arXiv 2309.14062). What tasks ship is added up; nothing
is refitted (docs/decisions/0036-class-gaussians.md).

A mean of n_c examples is wrong by a draw of S / n_c, which makes m_c' P m_c too large by tr(P S) /
n_c in the mean: that is given back, or a class of twenty examples would lose to those of a hundred.
A class that is a task of its own is given a little besides, the less the nearer the next class is
(`alone`): e_c is 1 / n_c, and 1 / n_c + that (docs/decisions/0044-one-class.md).

As log-likelihoods the g are over-confident: they add up features that are far from independent. The
evidence for a task is the log-sum over its classes that are scored, at the features' `temperature`,
which is on the scale of one g, less `BREADTH` of what so many equal ones would add: a sum alone
favours a task of many classes, a mean one of few.

Letters: D width, C classes, R factor rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cfedge.lookup.cluster_statistics import ClusterStatistics
from cfedge.lookup.kept import Arrays, check_arrays

__all__ = [
    "ALONE",
    "BREADTH",
    "ClassShape",
    "NEAR",
    "OF_ALL_VIEWS",
    "OF_ONE_VIEW",
    "Shared",
    "Strength",
    "alone",
    "ridge",
    "tail_weight",
    "task_evidence",
    "temperature",
]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

#: Of the arrays to keep: dtype and sizes.
_KINDS = {"precision": (np.float64, "DD"), "doubt": (np.float64, "N"), "own": (np.float64, "N")}

#: tau for each unit of the first stage's intensity of shrinkage, and at most.
_RIDGE = 3.0, 3.0
#: By how much the tail's scores outweigh the trunk's where the shrinkage is 1.
_TAIL_OUTWEIGHS = 0.6
#: Of the evidence, in nats, for each root of the features' width.
_TEMPERATURE = 0.2
#: Of tr(P S), what a task of one class is given beforehand at most, and by the root of its examples
#: for each unit of the mean squared distance to the next class: who adds one class wants it found,
#: and its neighbours are whole tasks; but what is given moves the border towards them, and what it
#: takes is of those that lie near (docs/decisions/0044-one-class.md).
ALONE, NEAR = 0.15, 0.5
#: Half way between every class being as likely beforehand (0) and every task (1).
BREADTH = 0.5


class Strength(NamedTuple):
    """How much the examples say.

    Attributes
    ----------
    own
        a: the share of a class's own shape in its covariance.
    ridge
        tau, at least.
    """

    own: float
    ridge: float


OF_ONE_VIEW = Strength(0.45, 0.1)
#: Several times as many numbers of the same examples (docs/decisions/0057-all-views.md).
OF_ALL_VIEWS = Strength(0.2, 0.5)


def ridge(intensity: float, least: float = OF_ONE_VIEW.ridge) -> float:
    """Return tau, of the mean variance what is added to the shared covariance: the more, the less
    the examples say of it.

    `intensity` is the first stage's shrinkage (`cfedge.lookup.lda.shrunk`), which follows from
    examples and width. With 5 examples a class of MiniLM's features tau is some 1.5 behind the
    trunk and 2.7 behind the tail, with 130 it is .1 and .2 (docs/decisions/0042-all-examples.md).
    """
    times, most = _RIDGE
    return min(most, max(least, times * intensity))


def tail_weight(intensity: float) -> float:
    """Return by what a class's score behind the tail is multiplied where it is added to the one
    behind the trunk, which is multiplied by 2 less that: 1 with many examples, up to 1.6 with few.

    Fewer examples say less of a class's shape, and more of that is lost behind the trunk than
    behind the tail (docs/decisions/0058-label-and-looks.md). `intensity` is the tail's shrinkage,
    as of `ridge`.
    """
    return 1.0 + _TAIL_OUTWEIGHS * intensity


def temperature(width: int) -> float:
    """Return that of the evidence, in nats, where scores are of features [D]: sqrt(D) / 5.

    A log-likelihood of D numbers varies by sqrt(D). What is much larger gives tasks of many classes
    what inputs of tasks of few say.
    """
    return _TEMPERATURE * math.sqrt(width)


def alone(square: float, directions: int, examples: int) -> float:
    """Return what of tr(P S) a task of one class is given beforehand.

    Parameters
    ----------
    square
        Squared Mahalanobis distance to the nearest class of another task, by the first stage.
    directions
        In which it is a sum.
    examples
        That the class was learned of.
    """
    return min(ALONE, NEAR * square / directions / math.sqrt(examples))


class Shared(NamedTuple):
    """What all classes have in common: P, symmetric float64 [D, D], tr(P S), by how much a mean of one
    example lengthens m' P m, and a.
    """

    precision: Doubles
    doubt: float
    own: float

    @classmethod
    def of(cls, within: Doubles, intensity: float, strength: Strength = OF_ONE_VIEW) -> Shared:
        """Return it of the within-class covariance S and the first stage's intensity of shrinkage;
        P is the identity where all examples of each class are the same.
        """
        width = len(within)
        level = float(np.trace(within)) / width
        if level <= 0:
            return cls(np.eye(width), 0.0, strength.own)
        inverse = np.linalg.inv(within + ridge(intensity, strength.ridge) * level * np.eye(width))
        inverse = (inverse + inverse.T) / 2
        return cls(inverse, float(np.vdot(inverse, within)), strength.own)

    @property
    def extent(self) -> tuple[int, ...]:
        """The width of features."""
        return (len(self.precision),)

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return the arrays to keep."""
        numbers = {"doubt": np.array([self.doubt]), "own": np.array([self.own])}
        return {"precision": self.precision, **numbers}

    @classmethod
    def from_arrays(cls, arrays: Arrays, what: str) -> Shared:
        """Wrap what `arrays` returned; errors as of `cfedge.lookup.kept.check_arrays`."""
        check_arrays(arrays, _KINDS, what)
        found: dict[str, Any] = dict(arrays)
        return cls(found["precision"], float(found["doubt"][0]), float(found["own"][0]))


class ClassShape(NamedTuple):
    """One class, ready to score: V [R, D], h [R], u [D] and b."""

    directions: Doubles
    centers: Doubles
    linear: Doubles
    offset: float

    @classmethod
    def of(
        cls, statistics: ClusterStatistics, place: int, shared: Shared, given: float = 0.0
    ) -> ClassShape:
        """Make the class at `place` of its task ready; of tr(P S) so much is `given` beforehand."""
        start, stop = np.searchsorted(statistics.factor_classes, [place, place + 1]).tolist()
        rows = statistics.factor[start:stop].astype(np.float64)
        mean = statistics.means[place].astype(np.float64)
        count = float(statistics.counts[place])
        rest, own = 1 - shared.own, shared.own / count
        projected = rows @ shared.precision
        inner = own * (projected @ rows.T)
        inner[np.diag_indices(len(rows))] += rest
        lower = np.linalg.cholesky(inner)
        directions = math.sqrt(own / rest) * np.linalg.solve(lower, projected)
        linear = shared.precision @ mean / rest
        spread = float(np.log(lower.diagonal()).sum())
        offset = 0.5 * len(rows) * math.log(rest) - spread - 0.5 * float(mean @ linear)
        offset += shared.doubt * (1 / count + given) / (2 * rest)
        return cls(directions, directions @ mean, linear, offset)


def task_evidence(
    scores: Sequence[float], tasks: Sequence[int], temperature: float
) -> dict[int, float]:
    """Return the evidence for each task: the log-sum over its classes at a temperature, less
    `BREADTH` of what so many equal classes would add.

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
    sums, counts = dict.fromkeys(most, 0.0), dict.fromkeys(most, 0)
    for task, score in zip(tasks, scores, strict=True):
        sums[task] += math.exp((score - most[task]) / temperature)
        counts[task] += 1
    return {
        task: most[task] + temperature * (math.log(total) - BREADTH * math.log(counts[task]))
        for task, total in sums.items()
    }
