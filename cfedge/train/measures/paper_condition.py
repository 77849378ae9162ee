"""The paper's sufficient condition for finding the task, cluster by cluster, as its authors' checker
computes it (PROTEUS, arXiv 2603.13235). Pure.

For a cluster t of task k, of width d numbers, among m tasks i with tau_i clusters each::

    delta   = min over i != k, s of (1/d) (h_i - mu_i^s)' (Lambda_i^s)^-1 (h_i - mu_i^s)  -  1
    kappa   = min over i != k, s of log det Lambda_i^s  -  log det Lambda_k^t
    sigma^2 = max over i != k of the largest variance of a coordinate of the cluster under adapter i
    N       = (m - 1) sum of tau_i + 1
    M       = 3 d sigma^2 - kappa
    t1      = (M + sqrt(M^2 - 24 d sigma^2 kappa)) / 4 - kappa
    t2      = log((N / eps) (sqrt(1 + 4 d / log(N / eps)) + 1))
    holds where delta > (2 / d) max(t1, t2): then at most eps of the cluster's inputs go elsewhere

with h_i the mean of the cluster's inputs under adapter i. Where the root is of a negative number the
condition is not met. Covariances are shrunk, and one for all clusters of a task.

Letters: D width (d above), C clusters, N inputs of a cluster.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Adapted", "EPSILON", "PaperTerms", "paper_terms"]

Doubles = NDArray[np.float64]
#: The retrieval error that the paper's condition is asked to promise.
EPSILON = 0.01


@dataclass(frozen=True)
class Adapted:
    """A task's clusters in the space of its own adapter: means [C, D], and their covariance [D, D].

    Raises
    ------
    numpy.linalg.LinAlgError
        The covariance is singular.
    """

    means: Doubles
    covariance: Doubles

    @property
    def log_determinant(self) -> float:
        """Of the covariance."""
        return float(np.linalg.slogdet(self.covariance)[1])

    def nearest(self, point: Doubles) -> float:
        """The least squared Mahalanobis distance of a point [D] to a cluster, by the width."""
        apart = self.means - point
        squares = np.einsum("cd,cd->c", apart, np.linalg.solve(self.covariance, apart.T).T)
        return float(squares.min()) / len(point)


@dataclass(frozen=True)
class PaperTerms:
    """What the condition is made of, for one cluster; see the module.

    Attributes
    ----------
    clusters
        N of the module.
    t1
        None: the root is of a negative number.
    needed
        (2 / d) max(t1, t2), what delta must exceed; None likewise.
    holds
        Whether it does.
    """

    delta: float
    kappa: float
    variance: float
    clusters: int
    t1: float | None
    t2: float
    needed: float | None
    holds: bool


def paper_terms(
    own: Adapted,
    others: Mapping[str, Adapted],
    inputs: Mapping[str, NDArray[np.floating]],
    *,
    epsilon: float = EPSILON,
) -> PaperTerms:
    """Compute the condition for one cluster.

    Parameters
    ----------
    own
        The cluster's task.
    others
        All other tasks, at least one.
    inputs
        By other task, the cluster's inputs under its adapter, [N, D], N >= 1.
    epsilon
        The error that is to be promised, in (0, 1).
    """
    width = own.means.shape[1]
    under = {name: inputs[name].astype(np.float64) for name in others}
    delta = min(other.nearest(under[name].mean(axis=0)) for name, other in others.items()) - 1
    kappa = min(other.log_determinant for other in others.values()) - own.log_determinant
    variance = max(float(rows.var(axis=0).max()) for rows in under.values())
    total = len(own.means) + sum(len(other.means) for other in others.values())
    clusters = len(others) * total + 1
    odds = math.log(clusters / epsilon)
    t2 = odds + math.log(math.sqrt(1 + 4 * width / odds) + 1)
    spread = width * variance
    middle = 3 * spread - kappa
    square = middle**2 - 24 * spread * kappa
    several = all(len(rows) > 1 for rows in under.values())  # of one the variance is not known
    t1 = (middle + math.sqrt(square)) / 4 - kappa if several and square >= 0 else None
    needed = None if t1 is None else 2 / width * max(t1, t2)
    holds = needed is not None and delta > needed
    return PaperTerms(delta, kappa, variance, clusters, t1, t2, needed, holds)
