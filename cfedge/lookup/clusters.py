"""Score an input under every task: class clusters with one shared, shrunk covariance.

All tasks' statistics live in one space: pooled features x of length 1. A task leaves a `ClusterStatistics`:
counts and means of its clusters (one a class) and its pooled within-cluster scatter as low-rank
factor + diagonal. Statistics of several tasks are sums, taken in the order of the tasks' names: the
same tasks give the same lookup to the last bit, whatever the order in which they came.

Scores, with m_c the cluster means, m_0 the mean of all, S the shared within-cluster covariance
(Ledoit-Wolf shrunk), P its inverse and y = x - m_0::

    score_c(x) = y' P (m_c - m_0) - (m_c - m_0)' P (m_c - m_0) / 2        task = the task of the best cluster
    distance(x) = min_c (x - m_c)' P (x - m_c) - y' P_0 y

`distance` is the relative Mahalanobis distance (Ren et al. 2021, arXiv 2106.09022): the nearest
cluster against one background Gaussian (m_0, S_0 = S + between-cluster covariance). P and P_0 are
diagonal in one basis (P = U U', P_0 = U diag(1/v) U', v >= 1). Where v is near 1 the cluster means
hardly differ and both distances are the same, so only directions whose v - 1, the clusters'
variance in units of the variance within them, is above `MIN_SPREAD` are kept. With w = 1 - 1/v, one
product z = diag(w)^1/2 U' y of that size serves all of it::

    score_c = z' diag(1/w) z_c - z_c' diag(1/w) z_c / 2        distance = z' z - 2 max_c score_c

Inputs are scored one by one: matrix products of another shape round otherwise, and an answer must
not depend on its batch.

Letters: B batch, D width, C clusters, K factor rank or kept directions, T tasks.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cfedge.errors import IncompatibleError, InputError, UsageError
from cfedge.lookup.signature import ClusterStatistics

__all__ = [
    "Lookup",
    "MIN_SPREAD",
    "RIDGE",
    "ROUGH_FROM",
    "SHRINKAGE_FACTOR",
    "Table",
    "TaskMatch",
    "TaskMatches",
    "finite",
    "finite_rows",
    "shared_covariance",
]

Floats = NDArray[np.float32]

#: Added to the shared covariance, relative to its mean variance, so that it can be inverted
#: whatever the data.
RIDGE = 1e-6

#: Times Ledoit and Wolf's intensity, which is best for the covariance itself; telling classes apart
#: wants more where examples are few and does not mind where they are many
#: (docs/decisions/0003-lookup.md).
SHRINKAGE_FACTOR = 4.0

#: Least variance between clusters, in units of that within them, of a direction that is kept; at
#: most a twentieth of the largest.
MIN_SPREAD = 0.1


#: Tasks whose signatures are held, and multiplied, at once: ten products in one take half the time,
#: and of a thousand tasks no more memory is needed than of these.
_AT_ONCE = 16


@dataclass(frozen=True)
class TaskMatches:
    """The lookup's answer for B inputs.

    Attributes
    ----------
    task, runner_up
        int64 [B], positions in `Lookup.tasks`; `runner_up` is -1 where there is one task only.
    score
        float32 [B], the task's best cluster score; after more stages what `cfedge.lookup.Router`
        makes of theirs.
    margin
        float32 [B], the task's score minus the runner-up's, in nats; infinity where there is one
        task only.
    distance
        float32 [B], relative Mahalanobis distance to the nearest cluster of the chosen task, the
        mean of the first and the third stage where there was one; large means unknown.
    stages
        int64 [B], 1 to 3.
    """

    task: NDArray[np.int64]
    runner_up: NDArray[np.int64]
    score: Floats
    margin: Floats
    distance: Floats
    stages: NDArray[np.int64]

    @classmethod
    def stacked(cls, found: list[TaskMatch]) -> TaskMatches:
        """Put the answers of single inputs together."""
        task, runner_up, score, margin, distance, stages = (
            zip(*found, strict=True) if found else ((),) * 6
        )
        return cls(
            np.array(task, np.int64),
            np.array(runner_up, np.int64),
            np.array(score, np.float32),
            np.array(margin, np.float32),
            np.array(distance, np.float32),
            np.array(stages, np.int64),
        )


class TaskMatch(NamedTuple):
    """`TaskMatches` of one input; `runner_up` is -1 and `margin` infinite where there is one task
    only.
    """

    task: int
    runner_up: int
    score: float
    margin: float
    distance: float
    stages: int = 1


#: Where Q is taken from its bound exp(-x^2 / 2) / (x sqrt(2 pi)): above it by a share of 1 / x^2 at
#: most.
_FAR = 6.0


def _upper_tail(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Q(x), the upper tail of the standard normal distribution, for x >= 0; beyond `_FAR`
    what it is at most.
    """
    safe = np.maximum(x, _FAR)
    with np.errstate(under="ignore"):
        tail: NDArray[np.float64] = np.exp(-(safe**2) / 2) / (safe * math.sqrt(2 * math.pi))
    near = x < _FAR
    tail[near] = [math.erfc(one / math.sqrt(2)) / 2 for one in x[near].tolist()]
    return tail


#: Of clusters float32 [C, K] and offsets [C], what scores them roughly: z -> scores float32 [C],
#: the caller's to keep, and their largest error.
Table = Callable[[Floats, Floats], Callable[[Floats], tuple[Floats, float]]]

#: Clusters from which on a rough table pays: with 6,000 it takes 30 us where exact scores take 43,
#: and as long in the wake of a trunk.
ROUGH_FROM = 6_000

#: Rows that a product takes at a time, or a divisor of it is: rows left over are rounded otherwise.
#: Whole blocks give every cluster the same bits, whichever others are scored beside it.
_BLOCK = 8


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
    table
        Scores `ROUGH_FROM` clusters or more roughly first; those that its error bound leaves are
        scored exactly, so that the answers are the same.

    Attributes
    ----------
    tasks
        Names, sorted.
    width
        D, of an input.
    directions
        How many are kept.
    """

    def __init__(
        self,
        signatures: Mapping[str, ClusterStatistics],
        *,
        shrinkage: float | None = None,
        min_spread: float = MIN_SPREAD,
        table: Table | None = None,
    ) -> None:
        if shrinkage is not None and not 0 <= shrinkage <= 1:
            raise UsageError(f"lookup: expected a shrinkage in [0, 1], found {shrinkage}")
        if not signatures:
            raise IncompatibleError(
                "lookup: expected at least one task, found none; add one with: cfedge add"
            )
        self.tasks: tuple[str, ...] = tuple(sorted(signatures))
        pooled = _pooled(signatures[name] for name in self.tasks)
        covariance, self.shrinkage = _shrunk(pooled, shrinkage)
        self._counts = pooled.counts
        bounds = np.cumsum([0, *(len(one) for one in pooled.counts)]).tolist()
        clusters = bounds[-1]
        center, basis, spread = _discriminants(covariance, pooled, clusters, min_spread)
        self._spans = [slice(start, stop) for start, stop in itertools.pairwise(bounds)]
        self._starts = np.array(bounds[:-1])
        self._task_of = np.repeat(np.arange(len(self.tasks)), np.diff(bounds))
        weight = np.sqrt(1.0 - 1.0 / spread)
        self._weight = weight
        self._basis = np.ascontiguousarray((basis * weight).T, np.float32)
        self._center = (center @ basis * weight).astype(np.float32)
        self._whole = np.zeros((-(-clusters // _BLOCK) * _BLOCK, len(spread)), np.float32)
        self._clusters = self._whole[:clusters]
        self._offsets = np.full(
            len(self._whole), np.inf, np.float32
        )  # no input is nearest to a row that fills a block up
        self._offset = self._offsets[:clusters]
        start = 0
        for means in pooled.means:
            span = slice(start, start := start + len(means))
            whitened = (means - center) @ basis
            self._clusters[span] = whitened / weight
            self._offset[span] = 0.5 * np.einsum("ck,ck->c", whitened, whitened)
        self.directions, self.width = self._basis.shape
        self._rough = (
            table(self._clusters, self._offset)
            if table and len(self._offset) >= ROUGH_FROM
            else None
        )

    def scores(self, features: Floats) -> Floats:
        """Return float32 [B, T], each task's best cluster score for unit-length features [B, D]."""
        scores = np.empty((len(features), len(self.tasks)), np.float32)
        for position, row in enumerate(features):
            scores[position] = self.of_tasks(row, position=position)[0]
        return scores

    def of_tasks(
        self, row: Floats, among: list[int] | None = None, position: int = 0
    ) -> tuple[Floats, float]:
        """Return the best cluster score of all tasks, float32 [T], or of those `among`, for one
        vector [D], and z' z.

        A task's distance is z' z - 2 score. For errors see `one`.
        """
        z = self._project(row)
        square = finite(float(z.dot(z)), position)
        if among is not None:
            spans = [self._spans[task] for task in among]
            best = [(self._clusters[span].dot(z) - self._offset[span]).max() for span in spans]
            return np.array(best, np.float32), square
        scores: Floats = np.maximum.reduceat(self._cluster_scores(z), self._starts)
        return scores, square

    def best_tasks(
        self, row: Floats, count: int, position: int = 0
    ) -> tuple[list[int] | None, Floats, float]:
        """Return the `count` tasks with the best scores, ascending (None: there are no more), their
        scores, and z' z.

        For errors see `one`.
        """
        if self._rough is None or len(self.tasks) <= count:
            scores, square = self.of_tasks(row, position=position)
            if len(scores) <= count:
                return None, scores, square
            among = _largest(scores, count)
            return among.tolist(), scores[among], square
        z = self._project(row)
        square = finite(float(z.dot(z)), position)
        rough, error = self._rough(z)
        least = (
            np.partition(np.maximum.reduceat(rough, self._starts), -count)[-count] - error
        )  # of the last of them, exactly
        kept = (rough >= least - error).nonzero()[0]
        tasks, starts = np.unique(self._task_of[kept], return_index=True)
        scores = np.maximum.reduceat(self._some_scores(z, kept), starts)
        among = _largest(scores, count)
        return tasks[among].tolist(), scores[among], square

    def linear(self) -> tuple[Floats, Floats]:
        """Return W float32 [D, C] and b [C]: the cluster scores of features x are x W + b, up to
        rounding.
        """
        weight = self._clusters.astype(np.float64) @ self._basis
        bias = -(self._clusters.astype(np.float64) @ self._center) - self._offset
        return weight.T.astype(np.float32), bias.astype(np.float32)

    def separations(self, task: str) -> dict[str, NDArray[np.float64]]:
        """Return, by rival task, the Mahalanobis distances float64 [C, C'] of `task`'s cluster
        means to the rival's.

        They are taken in the directions that are kept, as the scores are.

        A Gaussian input of cluster c with the shared covariance scores higher for cluster c' with
        probability Q(distance / 2), Q being the upper tail of the standard normal.
        """
        distances = self._distances(task)
        return {
            rival: distances[:, span]
            for rival, span in zip(self.tasks, self._spans, strict=True)
            if rival != task
        }

    def confusions(self, task: str, among: Collection[str] | None = None) -> dict[str, float]:
        """Return, by rival task (of those `among`, otherwise all), a bound on the share of `task`'s
        inputs that it takes, by the model of the scores.

        sum over own clusters c, weighted by their counts, of sum over the rival's clusters c' of
        Q(d(c, c') / 2), d as in `separations`: a union bound for Gaussian clusters. It is not
        capped: >= 1 says nothing.
        """
        counts = self._counts[self.tasks.index(task)]
        chosen = (
            list(self.tasks) if among is None else [name for name in self.tasks if name in among]
        )
        if not chosen:
            return {}
        clusters: NDArray[np.intp] | slice = slice(None)
        starts = self._starts
        if among is not None:
            spans = [self._spans[self.tasks.index(name)] for name in chosen]
            clusters = np.concatenate([np.arange(span.start, span.stop) for span in spans])
            starts = np.cumsum([0, *(span.stop - span.start for span in spans[:-1])])
        with np.errstate(under="ignore"):  # below the least number is 0
            taken = np.add.reduceat(
                counts / counts.sum() @ _upper_tail(self._distances(task, clusters) / 2), starts
            )
        return {
            rival: float(share) for rival, share in zip(chosen, taken, strict=True) if rival != task
        }

    @cached_property
    def _whitened(self) -> NDArray[np.float64]:
        return np.asarray(self._clusters * self._weight, np.float64)

    def _distances(
        self, task: str, to: NDArray[np.intp] | slice = slice(None)
    ) -> NDArray[np.float64]:
        """Of `task`'s clusters to the clusters `to`, otherwise all, float64 [C, those]."""
        others = self._whitened[to]
        own = self._whitened[self._spans[self.tasks.index(task)]]
        square = (own**2).sum(axis=1)[:, None] + (others**2).sum(axis=1) - 2 * own @ others.T
        return np.asarray(np.sqrt(np.maximum(square, 0.0)), np.float64)

    def cluster_scores(self, features: Floats) -> Floats:
        """Return float32 [B, C], the scores of all tasks' clusters, concatenated."""
        finite_rows(features)
        scores = np.empty((len(features), len(self._offset)), np.float32)
        for position, row in enumerate(features):
            scores[position] = self._cluster_scores(self._project(row))[: len(self._offset)]
        return scores

    def __call__(self, features: Floats) -> TaskMatches:
        """Look unit-length features float32 [B, D] up."""
        found = [self.one(row, position) for position, row in enumerate(features)]
        return TaskMatches.stacked(found)

    def one(self, row: Floats, position: int = 0) -> TaskMatch:
        """Look one unit-length vector float32 [D] up.

        Raises
        ------
        InputError
            It holds NaN or infinity; `position` names the input.
        """
        z = self._project(row)
        if self._rough is not None:
            return self._one_of_many(z, position)
        scores = self._cluster_scores(z)
        nearest = scores.argmax()
        best: float = scores.item(nearest)
        finite(best, position)
        task: int = self._task_of.item(nearest)
        distance = float(z.dot(z)) - 2.0 * best
        if len(self.tasks) == 1:
            return TaskMatch(task, -1, best, math.inf, distance)
        scores[self._spans[task]] = -math.inf
        second = scores.argmax()
        return TaskMatch(
            task, self._task_of.item(second), best, best - scores.item(second), distance
        )

    def _one_of_many(self, z: Floats, position: int) -> TaskMatch:
        """`one`, through the rough table.

        The two best tasks score no less than the lower of any two tasks' clusters, here the best
        roughly: the second of them is scored exactly, the first is far better mostly. What is
        roughly below that by more than the error is out.
        """
        assert self._rough is not None
        rough, error = self._rough(z)
        finite(error, position)
        likely = int(rough.argmax())
        span = self._spans[self._task_of[likely]]
        own = rough[span].copy()
        rough[span] = -math.inf
        rival = int(rough.argmax())
        rough[span] = own
        least = min(
            float(rough[likely]) - error,
            float(self._clusters[rival].dot(z)) - float(self._offset[rival]),
        )
        kept = (rough >= least - error).nonzero()[0]
        scores = self._some_scores(z, kept)
        nearest = int(scores.argmax())
        tasks = self._task_of[kept]
        task, best = int(tasks[nearest]), float(scores[nearest])
        distance = float(z.dot(z)) - 2.0 * best
        if len(self.tasks) == 1:
            return TaskMatch(task, -1, best, math.inf, distance)
        scores[tasks == task] = -math.inf
        second = int(scores.argmax())
        return TaskMatch(task, int(tasks[second]), best, best - float(scores[second]), distance)

    def given(self, row: Floats, task: int, position: int = 0) -> TaskMatch:
        """Look one vector up with its task given: the margin is negative where another task's score
        is better.
        """
        scores, square = self.of_tasks(row, position=position)
        score = float(scores[task])
        if len(self.tasks) == 1:
            return TaskMatch(task, -1, score, math.inf, square - 2.0 * score)
        scores[task] = -math.inf
        rival = int(scores.argmax())
        return TaskMatch(task, rival, score, score - float(scores[rival]), square - 2.0 * score)

    def _project(self, row: Floats) -> Floats:
        z: Floats = self._basis.dot(row)
        z -= self._center
        return z

    def _cluster_scores(self, z: Floats) -> Floats:
        """Of all clusters, and after them -inf for each row that fills the last block up."""
        scores: Floats = self._whole.dot(z)
        scores -= self._offsets
        return scores

    def _some_scores(self, z: Floats, kept: NDArray[np.intp]) -> Floats:
        """Of the clusters `kept`, to the bit those of `_cluster_scores`."""
        whole = np.zeros(-(-len(kept) // _BLOCK) * _BLOCK, np.intp)
        whole[: len(kept)] = kept
        scores: Floats = self._clusters.take(whole, axis=0).dot(z)[: len(kept)]
        scores -= self._offset[kept]
        return scores


def _largest(scores: Floats, count: int) -> NDArray[np.intp]:
    """Where the `count` largest are, ascending; of equal ones the first."""
    least = np.partition(scores, -count)[-count]
    above = np.flatnonzero(scores > least)
    return np.sort(np.concatenate([above, np.flatnonzero(scores == least)[: count - len(above)]]))


_NOT_FINITE = (
    "features of input {}: expected finite numbers, found NaN or infinity; check this machine with:"
    " cfedge bench"
)


def finite(score: float, position: int) -> float:
    """Return what was computed of an input, or refuse the input where that is not finite: its
    features were not.

    Raises
    ------
    InputError
        Naming the input.
    """
    if not math.isfinite(score):
        raise InputError(_NOT_FINITE.format(position))
    return score


def finite_rows(features: Floats) -> None:
    """Refuse features [N, D] of which a number is NaN or infinite.

    Raises
    ------
    InputError
        Naming the first input.
    """
    rows = np.isfinite(features).all(axis=1)
    if not rows.all():
        raise InputError(_NOT_FINITE.format(int(rows.argmin())))


class _Pooled(NamedTuple):
    """Sums over tasks: each task's counts, the means [C, D] of up to `_AT_ONCE` tasks at a time,
    and what `shared_covariance` needs.
    """

    counts: list[NDArray[np.int64]]
    means: list[NDArray[np.floating]]
    scatter: NDArray[np.float64]
    examples: float
    quartic: float


def _pooled(signatures: Iterable[ClusterStatistics]) -> _Pooled:
    counts: list[NDArray[np.int64]] = []
    means: list[NDArray[np.floating]] = []
    scatter = np.zeros((0, 0))
    examples, quartic = 0.0, 0.0
    rest = iter(signatures)
    while some := list(itertools.islice(rest, _AT_ONCE)):
        width = some[0].means.shape[1]
        if not means:
            scatter = np.zeros((width, width))
        counts += [one.counts for one in some]
        means.append(np.concatenate([one.means for one in some]))
        factor = np.concatenate([one.factor for one in some]).astype(np.float64, copy=False)
        scatter += factor.T @ factor
        for one in some:
            scatter[np.diag_indices(width)] += one.diagonal
            examples += float(one.counts.sum())
            quartic += one.quartic
        some.clear()  # before others are made
    return _Pooled(counts, means, scatter, examples, quartic)


def shared_covariance(
    signatures: Iterable[ClusterStatistics], shrinkage: float | None
) -> tuple[NDArray[np.float64], float]:
    """Pooled within-cluster covariance [D, D], shrunk to a scaled identity, and the shrinkage in
    [0, 1].

    The intensity is `SHRINKAGE_FACTOR` times Ledoit and Wolf's (2004), from the sums alone: with n
    examples, S = scatter / n and t = tr(S) / D, beta = (quartic / n - |S|^2) / (n D), delta =
    (|S|^2 - D t^2) / D, intensity = min(1, factor * beta / delta).
    """
    return _shrunk(_pooled(signatures), shrinkage)


def _shrunk(pooled: _Pooled, shrinkage: float | None) -> tuple[NDArray[np.float64], float]:
    examples, width = pooled.examples, len(pooled.scatter)
    covariance = pooled.scatter / examples
    level = float(np.trace(covariance)) / width
    if level <= 0:
        return np.eye(width), 1.0
    square = float((covariance**2).sum())
    beta = (pooled.quartic / examples - square) / (examples * width)
    delta = (square - width * level**2) / width
    if shrinkage is not None:
        intensity = shrinkage
    else:
        intensity = 1.0 if delta <= 0 else float(np.clip(SHRINKAGE_FACTOR * beta / delta, 0.0, 1.0))
    covariance = (1 - intensity) * covariance
    covariance[np.diag_indices(width)] += (intensity + RIDGE) * level
    return covariance, intensity


def _discriminants(
    covariance: NDArray[np.float64], pooled: _Pooled, clusters: int, min_spread: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """The mean of all [D]; U [D, K] and v [K] with U' S U = I and U' (S + A' A) U = diag(v): the
    directions in which clusters differ.

    A [C, D] holds the cluster means about the mean of all, weighted by the roots of their shares.
    Where there are fewer clusters than dimensions, (A S^-1 A') u = (v - 1) u gives U = S^-1 A' u /
    sqrt(v - 1), so that nothing of [D, D] is decomposed; otherwise A' A is summed, so that A is
    never there as a whole.
    """
    counts = np.concatenate(pooled.counts).astype(np.float64)
    ends = list(itertools.accumulate((len(means) for means in pooled.means), initial=0))
    parts = [
        (means, counts[start:stop])
        for means, (start, stop) in zip(pooled.means, itertools.pairwise(ends), strict=True)
    ]
    center: NDArray[np.float64] = (
        sum(own @ means.astype(np.float64) for means, own in parts) / counts.sum()
    )
    apart = ((means - center) * np.sqrt(own / counts.sum())[:, None] for means, own in parts)
    few = clusters < len(covariance)
    if few:
        among = np.concatenate(list(apart))
        solved = np.linalg.solve(covariance, among.T)
        gram = among @ solved
        spread, vectors = np.linalg.eigh((gram + gram.T) / 2)
    else:
        whiten = np.linalg.inv(np.linalg.cholesky(covariance)).T
        between = whiten.T @ sum(one.T @ one for one in apart) @ whiten
        spread, vectors = np.linalg.eigh((between + between.T) / 2)
    largest = float(spread[-1])
    kept = spread > max(min(min_spread, largest / 20), max(largest, 1.0) * 1e-9)
    if not kept.any():  # one cluster: it would be its own background, so the plain Mahalanobis distance is what is left
        return (
            center,
            np.linalg.inv(np.linalg.cholesky(covariance)).T,
            np.full(len(covariance), np.inf),
        )
    spread, vectors = spread[kept], vectors[:, kept]
    basis = solved @ vectors / np.sqrt(spread) if few else whiten @ vectors
    return center, basis, 1.0 + spread
