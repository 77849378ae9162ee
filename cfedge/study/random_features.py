"""Ridge regression on random features: a rule to compare the lookup with.

Letters: N examples, D width, C classes of one task, M random features.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cfedge.lookup.finite import finite_rows
from cfedge.study.rule import Floats, Scorer, Statistics, checked, ordered

__all__ = ["RandomFeatures"]

#: Of a Gram matrix's largest eigenvalue, what its sums in float32 do not tell from 0.
_LOST = 1e-6


@dataclass(frozen=True)
class RandomFeatures:
    """Ridge regression on random features relu(x W) (RanPAC, McDonnell et al. 2023, arXiv
    2307.02251).

    A strength that float32 loses in the Gram matrix is not chosen, though it may miss least where
    examples lie well apart.

    A task leaves its part of the Gram matrix [M, M] and of the class sums [C, M], both sums, and
    for every strength of the ridge by how much it misses (squares) the targets of a fifth of the
    task's own examples when learned from the rest, which adds up too. Its authors choose the
    strength by these squares as well, on the newest task alone. They have 10,000 features, whose
    Gram matrix takes 400 MB a task; 5,000 take a quarter.
    """

    seed: int = 0
    width: int = 5000
    _STRENGTHS = 10.0 ** np.arange(-8, 9)

    def statistics(self, features: Floats, classes: NDArray[np.int64]) -> Statistics:
        """Return Gram matrix, class sums and squared misses a strength."""
        finite_rows(features)
        lifted = self._lift(features)
        targets = np.eye(int(classes.max()) + 1, dtype=np.float32)[classes]
        test = self._fifth(classes)
        # Of N examples learned from, in their span: (L L' + s I)^-1 for all strengths by one
        # decomposition of N x N.
        rest = lifted[~test].astype(np.float64)
        values, vectors = np.linalg.eigh(rest @ rest.T)
        least = _LOST * max(float(values[-1]), 0.0)
        seen = (lifted[test].astype(np.float64) @ rest.T) @ vectors
        turned = vectors.T @ targets[~test]
        misses = [
            float(((seen / (np.maximum(values, 0) + strength) @ turned - targets[test]) ** 2).sum())
            if strength >= least
            else np.inf
            for strength in self._STRENGTHS
        ]
        return {"gram": lifted.T @ lifted, "sums": targets.T @ lifted, "misses": np.array(misses)}

    def _fifth(self, classes: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Of each class a fifth of its rows, drawn, bool [N]; of one row none."""
        rng = np.random.default_rng(self.seed)
        chosen = np.zeros(len(classes), np.bool_)
        for label in range(int(classes.max()) + 1):
            rows = rng.permutation(np.flatnonzero(classes == label))
            chosen[rows[: max(1, round(len(rows) / 5)) if len(rows) > 1 else 0]] = True
        return chosen

    def columns(self, statistics: Statistics) -> int:
        """Return C."""
        return len(statistics["sums"])

    def scorer(self, tasks: Mapping[str, Statistics]) -> Scorer:
        """Return the regression's outputs."""
        left = ordered(tasks)
        misses = np.sum([statistics["misses"] for statistics in left], axis=0)
        strongest = len(misses) - 1 - int(misses[::-1].argmin())  # of equals
        gram = functools.reduce(np.add, [statistics["gram"] for statistics in left])
        sums = np.concatenate([statistics["sums"] for statistics in left])
        weight = _ridge(gram, sums, self._STRENGTHS[strongest])
        return checked(lambda features: self._lift(features) @ weight)

    def _lift(self, features: Floats) -> Floats:
        rng = np.random.default_rng(self.seed)
        directions = rng.normal(size=(features.shape[1], self.width)).astype(np.float32)
        lifted: Floats = np.maximum(features @ directions, 0)
        return lifted


def _ridge(
    gram: NDArray[np.generic], sums: NDArray[np.generic], strength: float
) -> NDArray[np.float64]:
    """Return (gram + strength I)^-1 sums', float64 [M, C]."""
    regular: NDArray[np.float64] = gram.astype(np.float64)
    regular[np.diag_indices(len(regular))] += strength
    return np.asarray(np.linalg.solve(regular, sums.astype(np.float64).T), np.float64)
