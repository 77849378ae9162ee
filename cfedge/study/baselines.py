"""Rules that the lookup is compared with, behind one interface: what a task leaves, and scores from
what all of them left.

Every rule keeps the promises of `cfedge.lookup`: a task's statistics depend on no other task,
travel alone, and the same tasks give the same scores whatever the order in which they came; adding
and removing a task is adding and removing its statistics. `RULES` names them; one contract suite
tests them all. Choosing among them is `cfedge.study.compare`'s.

Letters: N examples, D width, C classes of one task, T tasks, M random features.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import BayesianGaussianMixture

from cfedge.lookup import ClusterStatistics, Lookup
from cfedge.lookup.finite import finite_rows
from cfedge.lookup.lda import MIN_SPREAD
from cfedge.train.signature import exact_statistics, signature

__all__ = ["RULES", "Rule", "Scorer", "Statistics"]

Floats = NDArray[np.float32]
Statistics = dict[str, NDArray[np.generic]]
#: A mean of less is of length 0: it has no direction.
_TINY = np.float32(1e-12)
#: Unit-length features float32 [B, D] -> scores [B, sum of the tasks' columns], tasks in the order
#: of their names.
Scorer = Callable[[Floats], NDArray[np.floating]]


class Rule(Protocol):
    """One way to find the task, or task and class, of an input. Features that are not finite are
    refused (InputError).
    """

    def statistics(self, features: Floats, classes: NDArray[np.int64]) -> Statistics:
        """Return what a task leaves: from unit-length features [N, D] and classes int64 [N] in
        0..C-1.
        """

    def columns(self, statistics: Statistics) -> int:
        """Return how many columns of the scores are this task's."""

    def scorer(self, tasks: Mapping[str, Statistics]) -> Scorer:
        """Return the scores of all tasks."""


def _checked(score: Scorer) -> Scorer:
    """The same scores, of finite features only."""

    def checked(features: Floats) -> NDArray[np.floating]:
        finite_rows(features)
        return score(features)

    return checked


def _ordered(tasks: Mapping[str, Statistics]) -> list[Statistics]:
    return [tasks[name] for name in sorted(tasks)]


@dataclass(frozen=True)
class ClassClusters:
    """The first stage that ships: one cluster a class, one shared covariance, shrunk; None: by the
    lookup's own rule.
    """

    shrinkage: float | None = None
    min_spread: float = MIN_SPREAD

    def statistics(self, features: Floats, classes: NDArray[np.int64]) -> Statistics:
        """Return the arrays of a `ClusterStatistics`."""
        return signature(features, classes).arrays()

    def columns(self, statistics: Statistics) -> int:
        """Return C."""
        return len(statistics["counts"])

    def scorer(self, tasks: Mapping[str, Statistics]) -> Scorer:
        """Return the cluster scores."""
        wrapped = {
            name: ClusterStatistics.from_arrays(one, name, len(one["diagonal"]))
            for name, one in tasks.items()
        }
        return Lookup(wrapped, shrinkage=self.shrinkage, min_spread=self.min_spread).cluster_scores


@dataclass(frozen=True)
class Discriminants(ClassClusters):
    """The same in all directions, from statistics that nothing was left out of: a baseline is not
    held to what a signature weighs.

    It is shrunk linear discriminant analysis; with `shrinkage` near 0 and its covariance over
    tasks, EPI (Wang et al. 2023, ACL).
    """

    min_spread: float = 0.0

    def statistics(self, features: Floats, classes: NDArray[np.int64]) -> Statistics:
        """Return counts, means [C, D], the triangular root [D, D] of the scatter, or fewer rows,
        and the sum of |r|^4.
        """
        exact = exact_statistics(features, classes)
        root: NDArray[np.float64] = np.asarray(np.linalg.qr(exact.factor, mode="r"))
        return {
            "counts": exact.counts,
            "means": exact.means,
            "root": root,
            "quartic": np.array([exact.quartic]),
        }

    def scorer(self, tasks: Mapping[str, Statistics]) -> Scorer:
        """Return the cluster scores."""
        wrapped = {
            name: ClusterStatistics(
                one["counts"].astype(np.int64), one["means"].astype(np.float64), one["root"].astype(np.float64),
                np.zeros(one["means"].shape[1], np.float32), float(one["quartic"][0]), np.zeros(len(one["root"]), np.int64),
            )
            for name, one in tasks.items()
        }  # fmt: skip
        return Lookup(wrapped, shrinkage=self.shrinkage, min_spread=self.min_spread).cluster_scores


@dataclass(frozen=True)
class NearestMean:
    """Cosine to the class means."""

    def statistics(self, features: Floats, classes: NDArray[np.int64]) -> Statistics:
        """Return the means [C, D], of length 1."""
        finite_rows(features)
        means = np.stack(
            [features[classes == one].mean(axis=0) for one in range(int(classes.max()) + 1)]
        )
        return {"means": means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), _TINY)}

    def columns(self, statistics: Statistics) -> int:
        """Return C."""
        return len(statistics["means"])

    def scorer(self, tasks: Mapping[str, Statistics]) -> Scorer:
        """Return the cosines."""
        means = np.concatenate([one["means"] for one in _ordered(tasks)]).T
        return _checked(lambda features: features @ means)


@dataclass(frozen=True)
class KMeansCentroids:
    """Nearest of a task's k-means centroids (S-Prompts, Wang et al. 2022, arXiv 2207.12819): as
    many as it has classes.
    """

    seed: int = 0

    def statistics(self, features: Floats, classes: NDArray[np.int64]) -> Statistics:
        """Return the centroids [C, D]; some are equal where fewer features differ."""
        finite_rows(features)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            found = KMeans(int(classes.max()) + 1, n_init=3, random_state=self.seed).fit(features)
        return {"centroids": found.cluster_centers_.astype(np.float32)}

    def columns(self, statistics: Statistics) -> int:
        """Return C."""
        return len(statistics["centroids"])

    def scorer(self, tasks: Mapping[str, Statistics]) -> Scorer:
        """Return the negative squared distances, up to a term of the input's."""
        centroids = np.concatenate([one["centroids"] for one in _ordered(tasks)])
        squares = (centroids**2).sum(axis=1)
        return _checked(lambda features: 2 * features @ centroids.T - squares)


@dataclass(frozen=True)
class Mixture:
    """A task's own Gaussian mixture by a Dirichlet process (scikit-learn), as PROTEUS has one: its
    log-likelihood.
    """

    seed: int = 0
    components: int = 8

    def statistics(self, features: Floats, classes: NDArray[np.int64]) -> Statistics:
        """Return weights, means and Cholesky factors of the precisions."""
        finite_rows(features)
        components = min(self.components, len(features) // 4, max(2, int(classes.max()) + 1))
        found = BayesianGaussianMixture(
            n_components=max(1, components), covariance_type="full", reg_covar=1e-4, max_iter=20, random_state=self.seed,
            weight_concentration_prior_type="dirichlet_process", init_params="k-means++",
        )  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            found.fit(features.astype(np.float64))
        return {
            "weights": found.weights_,
            "means": found.means_,
            "cholesky": found.precisions_cholesky_.astype(np.float32),
        }

    def columns(self, statistics: Statistics) -> int:
        """Return 1."""
        return 1

    def scorer(self, tasks: Mapping[str, Statistics]) -> Scorer:
        """Return the log-likelihoods, up to a constant of the width's."""
        ordered = _ordered(tasks)
        return _checked(
            lambda features: np.column_stack(
                [self.log_likelihood(one, features) for one in ordered]
            )
        )

    @staticmethod
    def log_likelihood(statistics: Statistics, features: Floats) -> NDArray[np.float64]:
        """Return log p(x) float64 [B] up to a constant."""
        parts = []
        x = features.astype(np.float64)
        for weight, mean, cholesky in zip(
            *(statistics[name] for name in ("weights", "means", "cholesky")), strict=True
        ):
            factor = cholesky.astype(np.float64)
            square = (((x - mean) @ factor) ** 2).sum(axis=1)
            parts.append(np.log(weight) + np.log(np.diag(factor)).sum() - square / 2)
        return np.logaddexp.reduce(np.array(parts), axis=0)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class RandomFeatures:
    """Ridge regression on random features relu(x W) (RanPAC, McDonnell et al. 2023, arXiv
    2307.02251).

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
        seen = (lifted[test].astype(np.float64) @ rest.T) @ vectors
        turned = vectors.T @ targets[~test]
        misses = [
            float(((seen / (np.maximum(values, 0) + strength) @ turned - targets[test]) ** 2).sum())
            for strength in self._STRENGTHS
        ]
        return {"gram": lifted.T @ lifted, "sums": targets.T @ lifted, "misses": np.array(misses)}

    def _fifth(self, classes: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Of each class a fifth of its rows, drawn, bool [N]; of one row none."""
        rng = np.random.default_rng(self.seed)
        chosen = np.zeros(len(classes), np.bool_)
        for one in range(int(classes.max()) + 1):
            rows = rng.permutation(np.flatnonzero(classes == one))
            chosen[rows[: max(1, round(len(rows) / 5)) if len(rows) > 1 else 0]] = True
        return chosen

    def columns(self, statistics: Statistics) -> int:
        """Return C."""
        return len(statistics["sums"])

    def scorer(self, tasks: Mapping[str, Statistics]) -> Scorer:
        """Return the regression's outputs."""
        ordered = _ordered(tasks)
        misses = np.sum([one["misses"] for one in ordered], axis=0)
        strength = self._STRENGTHS[
            len(misses) - 1 - int(misses[::-1].argmin())
        ]  # of equals the strongest
        gram = functools.reduce(np.add, [one["gram"] for one in ordered])
        weight = _ridge(gram, np.concatenate([one["sums"] for one in ordered]), strength)
        return _checked(lambda features: self._lift(features) @ weight)

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


RULES: dict[str, Rule] = {
    "class-clusters": ClassClusters(),
    "LDA": Discriminants(),
    "nearest-mean": NearestMean(),
    "k-means": KMeansCentroids(),
    "mixture": Mixture(),
    "epi": Discriminants(shrinkage=1e-3),
    "random-features": RandomFeatures(),
}
