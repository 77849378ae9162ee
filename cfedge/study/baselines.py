"""Rules that the lookup is compared with, behind one interface (`cfedge.study.rule`).

Every rule keeps the promises of `cfedge.lookup`: a task's statistics depend on no other task,
travel alone, and the same tasks give the same scores whatever the order in which they came; adding
and removing a task is adding and removing its statistics. `RULES` names them; one contract suite
tests them all. Choosing among them is `cfedge.study.compare`'s.

Letters: N examples, D width, C classes of one task.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import BayesianGaussianMixture

from cfedge.lookup import ClusterStatistics, Lookup
from cfedge.lookup.finite import finite_rows
from cfedge.lookup.lda import MIN_SPREAD
from cfedge.study.random_features import RandomFeatures
from cfedge.study.rule import Floats, Rule, Scorer, Statistics, checked, ordered
from cfedge.train.features.signature import exact_statistics, signature

__all__ = ["RULES"]

#: A mean of less is of length 0: it has no direction.
_TINY = np.float32(1e-12)


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
            name: ClusterStatistics.from_arrays(left, name, len(left["diagonal"]))
            for name, left in tasks.items()
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
                left["counts"].astype(np.int64),
                left["means"].astype(np.float64),
                left["root"].astype(np.float64),
                np.zeros(left["means"].shape[1], np.float32),
                float(left["quartic"][0]),
                np.zeros(len(left["root"]), np.int64),
            )
            for name, left in tasks.items()
        }
        return Lookup(wrapped, shrinkage=self.shrinkage, min_spread=self.min_spread).cluster_scores


@dataclass(frozen=True)
class NearestMean:
    """Cosine to the class means."""

    def statistics(self, features: Floats, classes: NDArray[np.int64]) -> Statistics:
        """Return the means [C, D], of length 1."""
        finite_rows(features)
        means = np.stack(
            [features[classes == label].mean(axis=0) for label in range(int(classes.max()) + 1)]
        )
        return {"means": means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), _TINY)}

    def columns(self, statistics: Statistics) -> int:
        """Return C."""
        return len(statistics["means"])

    def scorer(self, tasks: Mapping[str, Statistics]) -> Scorer:
        """Return the cosines."""
        means = np.concatenate([left["means"] for left in ordered(tasks)]).T
        return checked(lambda features: features @ means)


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
            fitted = KMeans(int(classes.max()) + 1, n_init=3, random_state=self.seed).fit(features)
        return {"centroids": fitted.cluster_centers_.astype(np.float32)}

    def columns(self, statistics: Statistics) -> int:
        """Return C."""
        return len(statistics["centroids"])

    def scorer(self, tasks: Mapping[str, Statistics]) -> Scorer:
        """Return the negative squared distances, up to a term of the input's."""
        centroids = np.concatenate([left["centroids"] for left in ordered(tasks)])
        squares = (centroids**2).sum(axis=1)
        return checked(lambda features: 2 * features @ centroids.T - squares)


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
        mixture = BayesianGaussianMixture(
            n_components=max(1, components),
            covariance_type="full",
            reg_covar=1e-4,
            max_iter=20,
            random_state=self.seed,
            weight_concentration_prior_type="dirichlet_process",
            init_params="k-means++",
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            mixture.fit(features.astype(np.float64))
        return {
            "weights": mixture.weights_,
            "means": mixture.means_,
            "cholesky": mixture.precisions_cholesky_.astype(np.float32),
        }

    def columns(self, statistics: Statistics) -> int:
        """Return 1."""
        return 1

    def scorer(self, tasks: Mapping[str, Statistics]) -> Scorer:
        """Return the log-likelihoods, up to a constant of the width's."""
        left = ordered(tasks)
        return checked(
            lambda features: np.column_stack(
                [self.log_likelihood(statistics, features) for statistics in left]
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


RULES: dict[str, Rule] = {
    "class-clusters": ClassClusters(),
    "LDA": Discriminants(),
    "nearest-mean": NearestMean(),
    "k-means": KMeansCentroids(),
    "mixture": Mixture(),
    "epi": Discriminants(shrinkage=1e-3),
    "random-features": RandomFeatures(),
}
