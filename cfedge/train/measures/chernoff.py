"""Chernoff's bound for Gaussian mixtures whose covariances differ: how often would the likelier
mixture be the wrong one?

For mixtures p = sum_j w_j N(m_j, S_j) and p', and any a in [0, 1]::

    P_p(p'(x) >= p(x)) <= integral of p^(1-a) p'^a
                       <= sum over j, j' of w_j^(1-a) w'_j'^a exp(-C_a(j, j'))
    C_a = a (1-a) / 2 d' [a S + (1-a) S']^-1 d
          + 1/2 ln(|a S + (1-a) S'| / (|S|^a |S'|^(1-a))),   d = m - m'

and the least over a (Chernoff 1952; a = 1/2 is Bhattacharyya's). It is a statement about the rule
that compares likelihoods, not about the lookup that ships; for the lookup's one shared covariance
see `cfedge.lookup.bounds.confusions`.

Letters: D width, C components, A exponents.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Components", "chernoff", "log_likelihood"]

#: The exponents that are tried. Any of them is a bound; a finer grid gains little.
_EXPONENTS = np.linspace(0.05, 0.95, 19)


@dataclass(frozen=True)
class Components:
    """Components of a mixture that have a covariance in common: `weights` [C], shares of the whole
    mixture, `means` [C, D], `covariance` [D, D], positive definite; float64.
    """

    weights: NDArray[np.float64]
    means: NDArray[np.float64]
    covariance: NDArray[np.float64]


def chernoff(own: Sequence[Components], rival: Sequence[Components]) -> float:
    """Bound the probability that an input of the mixture `own` is at least as likely under `rival`.
    Not capped: >= 1 says nothing.

    A general mixture is given with one `Components` a covariance.
    """
    total = np.zeros(len(_EXPONENTS))
    for one in own:
        for other in rival:
            total += _union(one, other)
    return float(total.min())


def log_likelihood(mixture: Sequence[Components], x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return log p(x) float64 [N] of inputs [N, D], up to a constant of the width."""
    parts = []
    for one in mixture:
        root = np.linalg.cholesky(one.covariance)
        size = np.log(np.diag(root)).sum()
        for weight, mean in zip(one.weights, one.means, strict=True):
            parts.append(
                np.log(weight) - size - (np.linalg.solve(root, (x - mean).T) ** 2).sum(axis=0) / 2
            )
    return np.asarray(np.logaddexp.reduce(parts, axis=0), np.float64)


def _union(own: Components, rival: Components) -> NDArray[np.float64]:
    """The sum over pairs of components for each exponent, float64 [A].

    In coordinates with S = I and S' = diag(v) (both are diagonal there at once), of which distances
    are sums.
    """
    whiten = np.linalg.inv(np.linalg.cholesky(own.covariance))
    turned = whiten @ rival.covariance @ whiten.T
    values, vectors = np.linalg.eigh((turned + turned.T) / 2)
    spread = np.maximum(values, np.finfo(np.float64).tiny)
    coordinates = whiten.T @ vectors
    apart = (own.means @ coordinates)[:, None, :] - (rival.means @ coordinates)[None]
    found = np.empty(len(_EXPONENTS))
    for index, a in enumerate(_EXPONENTS):
        between = a + (1 - a) * spread
        shape = 0.5 * (np.log(between).sum() - (1 - a) * np.log(spread).sum())
        exponent = a * (1 - a) / 2 * (apart**2 / between).sum(axis=2) + shape
        weight = own.weights[:, None] ** (1 - a) * rival.weights[None] ** a
        with np.errstate(under="ignore"):  # what is below the least number is 0
            found[index] = float((weight * np.exp(-exponent)).sum())
    return found
