"""Score an input under every task: class clusters with one shared, shrunk covariance.

All tasks' statistics live in one space: pooled features x of length 1. A task leaves a
`ClusterStatistics`: counts and means of its clusters (one a class) and its pooled within-cluster
scatter as low-rank factor + diagonal. Statistics of several tasks are sums, taken in the order of
the tasks' names: the same tasks give the same lookup to the last bit, whatever the order in which
they came.

Scores, with S, S_0, U and v of `cfedge.lookup.lda`, P = U U' (the inverse of S in the directions
that are kept), P_0 = U diag(1/v) U' and y = x - m_0::

    score_c(x) = y' P (m_c - m_0) - (m_c - m_0)' P (m_c - m_0) / 2
    distance(x) = min_c (x - m_c)' P (x - m_c) - y' P_0 y

The task is that of the best cluster. `distance` is the relative Mahalanobis distance (Ren et al.
2021, arXiv 2106.09022): the nearest cluster against one background Gaussian (m_0, S_0). Where v is
near 1 both distances are the same. With w = 1 - 1/v, one product z = diag(w)^1/2 U' y serves all of
it::

    score_c = z' diag(1/w) z_c - z_c' diag(1/w) z_c / 2        distance = z' z - 2 max_c score_c

Inputs are scored one by one: matrix products of another shape round otherwise, and an answer must
not depend on its batch.

Longer than other files: what is scored coarsely and what exactly must agree, and is read together.

Letters: B batch, D width, C clusters, K kept directions, T tasks.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cfedge.errors import IncompatibleError, UsageError
from cfedge.lookup.cluster_statistics import ClusterStatistics
from cfedge.lookup.cluster_table import ClusterTable, MakeCoarse
from cfedge.lookup.finite import finite, finite_rows
from cfedge.lookup.fitted import Fitted
from cfedge.lookup.kept import Keep
from cfedge.lookup.lda import MIN_SPREAD
from cfedge.lookup.match import TaskMatch, TaskMatches
from cfedge.lookup.projection import Projection
from cfedge.lookup.scored import Scored, best_outside, largest, least_of_best

__all__ = ["Lookup"]

Floats = NDArray[np.float32]


class Lookup:
    """The scores of all tasks, ready to run.

    Parameters
    ----------
    signatures
        By task name; at least one, all of one width. Each is asked for once, and none but the
        counts and means is kept meanwhile.
    shrinkage
        Of the shared covariance, in [0, 1]; None: computed from the signatures
        (docs/decisions/0003-lookup.md).
    min_spread
        Of the directions that are kept. With 0 the scores are those of linear discriminant analysis
        exactly.
    coarse
        Makes coarse scores of many clusters, which come first; the best of them are scored exactly,
        so that the answers are nearly always the same (`cfedge.lookup.cluster_table`).
    keep
        Gives what was computed of these very signatures before, or has it computed.

    Attributes
    ----------
    tasks
        Names, sorted.
    counts
        Of each task int64 [C], the examples of its clusters.
    spans
        Of each task, where its clusters are among all.
    width
        D, of an input.
    directions
        How many are kept.
    shrinkage
        Of the shared covariance.
    task_of
        int64 [C], the task of each cluster.
    within
        float64 [D, D], the shared covariance before it is shrunk.
    factor_rows
        The most that one cluster's factor has.
    class_means
        float64 [D] and [D, D], mean and covariance of the clusters' means, each counted once.
    """

    def __init__(
        self,
        signatures: Mapping[str, ClusterStatistics],
        *,
        shrinkage: float | None = None,
        min_spread: float = MIN_SPREAD,
        coarse: MakeCoarse | None = None,
        keep: Keep[Fitted] | None = None,
    ) -> None:
        if shrinkage is not None and not 0 <= shrinkage <= 1:
            raise UsageError(f"lookup: expected a shrinkage in [0, 1], found {shrinkage}")
        if not signatures:
            raise IncompatibleError(
                "lookup: expected at least one task, found none; add one with: cfedge add"
            )
        self.tasks: tuple[str, ...] = tuple(sorted(signatures))

        def made() -> Fitted:
            inputs = (signatures[name] for name in self.tasks)
            return Fitted.of(inputs, shrinkage=shrinkage, min_spread=min_spread)

        fitted = made() if keep is None else keep(made)
        self.shrinkage, self.factor_rows = fitted.space.shrinkage, fitted.factor_rows
        self.within, self.class_means = fitted.within, (fitted.mean, fitted.spread)
        bounds = np.cumsum([0, *fitted.sizes]).tolist()
        self.counts = np.split(fitted.counts, bounds[1:-1])
        self.spans = [slice(start, stop) for start, stop in itertools.pairwise(bounds)]
        self._starts = np.array(bounds[:-1])
        self.task_of = np.repeat(np.arange(len(self.tasks)), np.diff(bounds))
        self._project = Projection(fitted.space)
        self._table = ClusterTable(fitted.clusters, fitted.offsets, coarse, self._project.weight)
        self.directions, self.width = self._project.basis.shape

    def scored(self, row: Floats, position: int = 0) -> Scored:
        """Score one unit-length vector float32 [D] under all clusters.

        Raises
        ------
        InputError
            It holds NaN or infinity; `position` names the input.
        """
        z = self._project(row)
        square = finite(float(z.dot(z)), position)
        if self._table.coarse is None:
            return Scored(z, square, self._table.exact(z))
        return Scored(z, square, self._table.coarse(z), coarse=True)

    def match(self, scored: Scored) -> TaskMatch:
        """Return the two best tasks; of coarse scores, among the clusters that are not far below the
        second best one's.
        """
        _, square, scores, coarse = scored
        nearest = int(scores.argmax())
        task: int = self.task_of.item(nearest)
        if coarse:
            return self._match_exactly(scored, self.spans[task])
        best: float = scores.item(nearest)
        if len(self.tasks) == 1:
            return TaskMatch(task, -1, best, math.inf, square - 2.0 * best)
        rival = best_outside(scores, self.spans[task])
        runner_up: int = self.task_of.item(rival)
        return TaskMatch(task, runner_up, best, best - scores.item(rival), square - 2.0 * best)

    def _match_exactly(self, scored: Scored, likely: slice) -> TaskMatch:
        """The two best tasks, where the clusters of one are `likely` the best."""
        z, square, scores, _ = scored
        kept = self._table.near(scores, scores.item(best_outside(scores, likely)))
        exact, tasks = self._table.some(z, kept), self.task_of.take(kept)
        first = int(exact.argmax())
        task, best = int(tasks[first]), float(exact[first])
        if len(self.tasks) == 1:
            return TaskMatch(task, -1, best, math.inf, square - 2.0 * best)
        exact[tasks == task] = -math.inf
        second = int(exact.argmax())
        margin = best - float(exact[second])
        return TaskMatch(task, int(tasks[second]), best, margin, square - 2.0 * best)

    def match_given(self, scored: Scored, task: int) -> TaskMatch:
        """Return a match with the task given: its margin is negative where another task's score is
        better.
        """
        scores = self.task_scores(scored)
        score = float(scores[task])
        distance = scored.square - 2.0 * score
        if len(self.tasks) == 1:
            return TaskMatch(task, -1, score, math.inf, distance)
        scores[task] = -math.inf
        rival = int(scores.argmax())
        return TaskMatch(task, rival, score, score - float(scores[rival]), distance)

    def task_scores(self, scored: Scored) -> Floats:
        """Return the best cluster score of all tasks, float32 [T]."""
        exact = self._table.exact(scored.z) if scored.coarse else scored.clusters
        scores: Floats = np.maximum.reduceat(exact, self._starts)
        return scores

    def best_clusters(
        self, scored: Scored, count: int, runner_up: int = -1
    ) -> tuple[NDArray[np.intp], Floats]:
        """Return the `count` clusters with the best scores, ascending (all, where there are no
        more), and their scores.

        Parameters
        ----------
        runner_up
            A task of which one cluster at least is to be among them: its best takes the place of
            none.
        """
        kept, scores = self._best(scored, min(count, len(self.task_of)))
        if runner_up < 0 or runner_up in self.task_of.take(kept).tolist():
            return kept, scores
        span = self.spans[runner_up]
        own = np.arange(span.start, span.stop)
        exact = self._table.some(scored.z, own)
        best = int(exact.argmax())
        at = int(np.searchsorted(kept, own[best]))
        return np.insert(kept, at, own[best]), np.insert(scores, at, exact[best])

    def _best(self, scored: Scored, count: int) -> tuple[NDArray[np.intp], Floats]:
        z, _, scores, coarse = scored
        if not coarse:
            scores = scores[: len(self.task_of)]
            kept = np.arange(count) if count == len(scores) else largest(scores, count)
            return kept, scores.take(kept)
        likely = self._table.near(scores, least_of_best(scores, count))
        exact = self._table.some(z, likely)
        among = largest(exact, count)
        return likely[among], exact[among]

    def of_clusters(
        self, row: Floats, kept: NDArray[np.intp], position: int = 0
    ) -> tuple[Floats, float]:
        """Return the scores of the clusters `kept` for one vector [D], and z' z; for errors see
        `scored`.
        """
        z = self._project(row)
        square = finite(float(z.dot(z)), position)
        return self._table.some(z, kept), square

    def __call__(self, features: Floats) -> TaskMatches:
        """Look unit-length features float32 [B, D] up; for errors see `scored`."""
        rows = enumerate(features)
        return TaskMatches.stacked([self.match(self.scored(row, at)) for at, row in rows])

    def scores(self, features: Floats) -> Floats:
        """Return the best cluster score of all tasks, float32 [B, T]; for errors see `scored`."""
        scores = np.empty((len(features), len(self.tasks)), np.float32)
        for position, row in enumerate(features):
            scores[position] = self.task_scores(self.scored(row, position))
        return scores

    def cluster_scores(self, features: Floats) -> Floats:
        """Return float32 [B, C], the scores of all tasks' clusters, concatenated."""
        finite_rows(features)
        scores = np.empty((len(features), len(self._table.offsets)), np.float32)
        for position, row in enumerate(features):
            scores[position] = self._table.exact(self._project(row))[: len(self._table.offsets)]
        return scores

    def linear(self) -> tuple[Floats, Floats]:
        """Return W float32 [D, C] and b [C]: the cluster scores of features x are x W + b, up to
        rounding.
        """
        weight = self._table.clusters.astype(np.float64) @ self._project.basis
        bias = (
            -(self._table.clusters.astype(np.float64) @ self._project.center) - self._table.offsets
        )
        return weight.T.astype(np.float32), bias.astype(np.float32)

    def squares(self, cluster: int) -> Floats:
        """Return the squared distances float32 [C] of all cluster means from that of one, in units
        of the covariance.
        """
        means, offsets = self._table.clusters, self._table.offsets
        row = (means[cluster] * self._project.weight**2).astype(np.float32)
        found: Floats = 2 * (offsets + offsets[cluster] - means.dot(row))
        return np.maximum(found, 0, out=found)

    @cached_property
    def whitened(self) -> NDArray[np.float64]:
        """The cluster means about the mean of all, float64 [C, K], in units of the covariance."""
        return np.asarray(self._table.clusters * self._project.weight, np.float64)
