"""How well does an input fit each class's own shape? Class Gaussians: one shared covariance,
shrunk, and of each class a low-rank part of its own.

With S the within-class covariance of all tasks, t = tr S / D, P = (S + tau t I)^-1, and F_c the
factor of class c's scatter, its covariance is taken to be Sigma_c = (1 - a) (S + tau t I) + a F_c'
F_c / n_c. Of A_c = F_c P^1/2 / sqrt(n_c) let A_c A_c' = U diag(s^2) U', V = diag(1/s) U' A_c and
gamma_i = a s_i^2 / (1 - a + a s_i^2). Then the log-density is, but for what all classes have in
common::

    v_ci = sqrt(gamma_i / (1 - a)) P^1/2 V_i        h_ci = v_ci . m_c        u_c = P m_c / (1 - a)
    b_c  = - m_c' P m_c / (2 (1 - a)) - 1/2 sum_i log(1 + a s_i^2 / (1 - a))
    g_c(x) = x . u_c + b_c + 1/2 sum_i (x . v_ci - h_ci)^2

(cf. LR-RGDA, arXiv 2602.00144, and FeCAM, arXiv 2309.14062). What tasks ship is added up; nothing
is refitted (docs/decisions/0036-class-gaussians.md).

As log-likelihoods the g are over-confident: they add up features that are far from independent. The
evidence for a task is the log-sum over its classes at the temperature `TEMPERATURE`, which is on
the scale of one g.

Inputs are scored one by one, as in `cfedge.lookup.lookup`.

Letters: D width, C classes, K factor rows, T tasks.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cfedge.lookup.finite import finite
from cfedge.lookup.lda import pool
from cfedge.lookup.signature import ClusterStatistics

__all__ = ["ClassGaussians", "OWN_SHAPE", "SHRINKAGE", "TEMPERATURE", "task_evidence"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

#: tau: of the mean variance that is added to the shared covariance; a: the share of a class's own
#: shape in its covariance.
SHRINKAGE, OWN_SHAPE = 0.3, 0.3
#: Of the evidence, in nats.
TEMPERATURE = 16.0


class _Classes(NamedTuple):
    """Classes ready to score: u [C, D] and b [C]; and of all rows of their shapes v [K, D] and h
    [K], and the class [K] of each row, ascending.
    """

    linear: Floats
    offsets: Floats
    directions: Floats
    centers: Floats
    owners: NDArray[np.intp]

    def scores(self, row: Floats) -> Floats:
        """G of each, float32 [C]."""
        g: Floats = self.linear.dot(row)
        g += self.offsets
        apart = self.directions.dot(row)
        apart -= self.centers
        apart *= apart
        g += np.bincount(self.owners, apart, len(g)) / 2
        return g


class ClassGaussians:
    """The classes of all tasks, ready to score.

    Parameters
    ----------
    signatures
        By task name; at least one, all of one width. Each is asked for twice.

    Attributes
    ----------
    tasks
        Names, sorted.
    """

    def __init__(self, signatures: Mapping[str, ClusterStatistics]) -> None:
        self.tasks: tuple[str, ...] = tuple(sorted(signatures))
        pooled = pool(signatures[name] for name in self.tasks)
        root = _whitening(pooled.scatter / pooled.examples)
        bounds = np.cumsum([0, *(len(counts) for counts in pooled.counts)]).tolist()
        self._spans = [slice(start, stop) for start, stop in itertools.pairwise(bounds)]
        parts = [_of_task(signatures[name], root) for name in self.tasks]
        self._all = _Classes(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))
        self._all.owners[:] += np.repeat(bounds[:-1], [len(part.owners) for part in parts])
        rows = np.searchsorted(self._all.owners, bounds).tolist()
        self._rows = [slice(start, stop) for start, stop in itertools.pairwise(rows)]

    def classes_of(self, tasks: Sequence[int] | None) -> list[int]:
        """Return how many classes each of some tasks has, or all."""
        chosen = range(len(self.tasks)) if tasks is None else tasks
        return [self._spans[task].stop - self._spans[task].start for task in chosen]

    def scores(self, row: Floats, tasks: Sequence[int] | None, position: int = 0) -> Floats:
        """Return g of the classes of some tasks one after another, or of all, float32 [C], for one
        unit-length vector [D].

        Raises
        ------
        InputError
            It holds NaN or infinity; `position` names the input.
        """
        if tasks is None:
            scores = self._all.scores(row)
        else:
            scores = np.concatenate([self._of(task).scores(row) for task in tasks])
        finite(float(scores.sum()), position)
        return scores

    def _of(self, task: int) -> _Classes:
        """One task's part of all classes."""
        span, rows = self._spans[task], self._rows[task]
        return _Classes(
            self._all.linear[span],
            self._all.offsets[span],
            self._all.directions[rows],
            self._all.centers[rows],
            self._all.owners[rows] - span.start,
        )


def task_evidence(scores: Floats, classes: Sequence[int]) -> Floats:
    """Return the evidence for each task, float32 [T], from the scores [C] of their classes: the
    log-sum at `TEMPERATURE`.

    Parameters
    ----------
    classes
        How many each task has, in the order of the scores.
    """
    starts = np.cumsum([0, *classes[:-1]])
    tempered = scores.astype(np.float64) / TEMPERATURE
    most = np.maximum.reduceat(tempered, starts)
    with np.errstate(under="ignore"):
        shares = np.add.reduceat(np.exp(tempered - np.repeat(most, classes)), starts)
    return np.asarray((most + np.log(shares)) * TEMPERATURE, np.float32)


def _whitening(covariance: Doubles) -> Doubles:
    """P^1/2, symmetric [D, D]; the identity where all examples of each class are the same."""
    width = len(covariance)
    level = float(np.trace(covariance)) / width
    if level <= 0:
        return np.eye(width)
    values, vectors = np.linalg.eigh(covariance)
    root = vectors / np.sqrt(np.maximum(values, 0.0) + SHRINKAGE * level)
    return np.asarray(root @ vectors.T)


def _of_task(statistics: ClusterStatistics, root: Doubles) -> _Classes:
    """One task's classes, of statistics and P^1/2."""
    means = statistics.means.astype(np.float64)
    white = means @ root
    offsets = -(white**2).sum(axis=1) / (2 * (1 - OWN_SHAPE))
    directions, centers, owners = [np.zeros((0, len(root)))], [np.zeros(0)], [np.zeros(0, np.intp)]
    places = np.arange(len(means) + 1)
    bounds = np.searchsorted(statistics.factor_classes, places).tolist()
    for place, count in enumerate(statistics.counts.tolist()):
        rows = statistics.factor[bounds[place] : bounds[place + 1]].astype(np.float64)
        shape = rows @ root / np.sqrt(count)
        squares, turn = np.linalg.eigh(shape @ shape.T)
        kept = squares > squares.max(initial=0.0) * 1e-10
        squares, turn = squares[kept], turn[:, kept]
        offsets[place] -= 0.5 * np.log1p(OWN_SHAPE * squares / (1 - OWN_SHAPE)).sum()
        gamma = OWN_SHAPE * squares / (1 - OWN_SHAPE + OWN_SHAPE * squares)
        weight = np.sqrt(gamma / ((1 - OWN_SHAPE) * squares))
        directions.append(weight[:, None] * (turn.T @ shape) @ root)
        centers.append(directions[-1] @ means[place])
        owners.append(np.full(len(squares), place, np.intp))
    return _Classes(
        (white @ root / (1 - OWN_SHAPE)).astype(np.float32),
        offsets.astype(np.float32),
        np.concatenate(directions).astype(np.float32),
        np.concatenate(centers).astype(np.float32),
        np.concatenate(owners),
    )
