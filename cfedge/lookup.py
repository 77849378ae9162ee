"""Which task is an input of? Class clusters with one shared, shrunk covariance. Pure NumPy.

All tasks' statistics live in one space: pooled trunk features x, scaled to length 1. A task leaves a `Signature`: counts and means
of its clusters (one a class) and its pooled within-cluster scatter as low-rank factor + diagonal. Statistics of several
tasks are sums, taken in the order of the tasks' names: the same tasks give the same lookup to the last bit, whatever
the order in which they came.

Scores, with m_c the cluster means, m_0 the mean of all, S the shared within-cluster covariance (Ledoit-Wolf shrunk),
P its inverse and y = x - m_0::

    score_c(x) = y' P (m_c - m_0) - (m_c - m_0)' P (m_c - m_0) / 2        task = the task of the best cluster
    distance(x) = min_c (x - m_c)' P (x - m_c) - y' P_0 y

`distance` is the relative Mahalanobis distance (Ren et al. 2021, arXiv 2106.09022): the nearest cluster against one
background Gaussian (m_0, S_0 = S + between-cluster covariance). P and P_0 are diagonal in one basis
(P = U U', P_0 = U diag(1/v) U', v >= 1). Where v = 1 the cluster means do not differ and both distances are the same, so
only the at most C - 1 directions with v > 1 are kept. With w = 1 - 1/v, one product z = diag(w)^1/2 U' y of that size
serves all of it, exactly::

    score_c = z' diag(1/w) z_c - z_c' diag(1/w) z_c / 2        distance = z' z - 2 max_c score_c

**Second look** (`Router`). Where the two best tasks are closer than a margin, the input's features from behind the frozen
tail are looked up in a second space of the same kind, and the scores of both spaces are added: one more run of the tail for
the few inputs that need it.

Inputs are scored one by one: matrix products of another shape round otherwise, and an answer must not depend on its batch.

Reading and writing files, and learning signatures, are for others.
Letters: B batch, D width, C clusters, K factor rank or kept directions, T tasks.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cfedge.errors import IncompatibleError, InputError

__all__ = ["Found", "Looks", "Lookup", "Pair", "Retrieval", "Router", "Signature"]

Floats = NDArray[np.float32]

#: Added to the shared covariance, relative to its mean variance, so that it can be inverted whatever the data.
RIDGE = 1e-6

#: Times Ledoit and Wolf's intensity, which is best for the covariance itself; telling classes apart wants more where
#: examples are few and does not mind where they are many (docs/decisions/lookup.md).
SHRINKAGE_FACTOR = 4.0


@dataclass(frozen=True)
class Signature:
    """What one task leaves for the lookup.

    Attributes
    ----------
    counts
        int64 [C], examples a cluster.
    means
        float16 [C, D], cluster means of unit-length features.
    factor
        float16 [K, D], F with F' F + diag(diagonal) ~ the within-cluster scatter sum_i r_i r_i'.
    diagonal
        float32 [D], >= 0, what the factor leaves out of the scatter's diagonal.
    quartic
        sum_i |r_i|^4, for the shrinkage.
    """

    counts: NDArray[np.int64]
    means: NDArray[np.float16]
    factor: NDArray[np.float16]
    diagonal: NDArray[np.float32]
    quartic: float

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return the arrays to store."""
        return {
            "counts": self.counts,
            "means": self.means,
            "factor": self.factor,
            "diagonal": self.diagonal,
            "quartic": np.array([self.quartic], np.float64),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]], what: str, width: int) -> Signature:
        """Check and wrap stored arrays.

        Raises
        ------
        IncompatibleError
            Naming `what` and the array that does not fit.
        """
        clusters = max(1, arrays["counts"].shape[0]) if "counts" in arrays and arrays["counts"].ndim == 1 else 1
        rank = arrays["factor"].shape[0] if "factor" in arrays and arrays["factor"].ndim == 2 else 0
        expected = {
            "counts": ((clusters,), np.int64),
            "means": ((clusters, width), np.float16),
            "factor": ((rank, width), np.float16),
            "diagonal": ((width,), np.float32),
            "quartic": ((1,), np.float64),
        }
        if set(arrays) != set(expected):
            raise IncompatibleError(f"{what}: expected arrays {sorted(expected)}, found {sorted(arrays)}; learn the task again")
        for name, (shape, dtype) in expected.items():
            array = arrays[name]
            if array.shape != shape or array.dtype != dtype:
                raise IncompatibleError(
                    f"{what}: expected {name} {np.dtype(dtype).name} {shape}, found {array.dtype} {array.shape}; learn the task again"
                )
            if not np.isfinite(array.astype(np.float64)).all():
                raise IncompatibleError(f"{what}: expected {name} of finite numbers, found NaN or infinity; learn the task again")
        if (arrays["counts"].astype(np.int64) < 1).any() or (arrays["diagonal"].astype(np.float32) < 0).any():
            raise IncompatibleError(f"{what}: expected counts >= 1 and a diagonal >= 0, found others; learn the task again")
        return cls(
            counts=arrays["counts"].astype(np.int64, copy=False),
            means=arrays["means"].astype(np.float16, copy=False),
            factor=arrays["factor"].astype(np.float16, copy=False),
            diagonal=arrays["diagonal"].astype(np.float32, copy=False),
            quartic=float(arrays["quartic"][0]),
        )


class Pair(NamedTuple):
    """Unit-length features float32 [B, D] of the same B inputs: from behind the trunk, and from behind the frozen tail."""

    trunk: Floats
    tail: Floats


class Looks(NamedTuple):
    """What one task leaves for both looks."""

    trunk: Signature
    tail: Signature

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return the arrays to store: ``trunk.<name>`` and ``tail.<name>``."""
        return {f"{look}.{name}": array for look, one in self._asdict().items() for name, array in one.arrays().items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]], what: str, width: int) -> Looks:
        """Check and wrap stored arrays; see `Signature.from_arrays`."""
        found = []
        for look in cls._fields:
            own = {name.partition(".")[2]: array for name, array in arrays.items() if name.partition(".")[0] == look}
            found.append(Signature.from_arrays(own, f"{look}'s part of the {what}", width))
        strangers = sorted(name for name in arrays if name.partition(".")[0] not in cls._fields)
        if strangers:
            raise IncompatibleError(f"{what}: expected arrays of trunk and tail, found {strangers[0]!r}; learn the task again")
        if not np.array_equal(found[0].counts, found[1].counts):
            raise IncompatibleError(f"{what}: expected equal counts of trunk and tail, found others; learn the task again")
        return cls(*found)


@dataclass(frozen=True)
class Retrieval:
    """The lookup's answer for B inputs.

    Attributes
    ----------
    task, runner_up
        int64 [B], positions in `Lookup.tasks`; `runner_up` is -1 where there is one task only.
    score
        float32 [B], the task's best cluster score; after a second look the sum of both.
    margin
        float32 [B] >= 0, best task's score minus the runner-up's, in nats; infinity where there is one task only.
    distance
        float32 [B], relative Mahalanobis distance to the nearest cluster of the chosen task behind the trunk; large means
        unknown.
    looks
        int64 [B], 1 or 2.
    """

    task: NDArray[np.int64]
    runner_up: NDArray[np.int64]
    score: Floats
    margin: Floats
    distance: Floats
    looks: NDArray[np.int64]


class Found(NamedTuple):
    """`Retrieval` of one input; `runner_up` is -1 and `margin` infinite where there is one task only."""

    task: int
    runner_up: int
    score: float
    margin: float
    distance: float
    looks: int = 1


class Lookup:
    """The scores of all tasks, ready to run.

    Parameters
    ----------
    signatures
        By task name; at least one, all of one width.
    shrinkage
        Of the shared covariance, in [0, 1]; None: computed from the signatures (docs/decisions/lookup.md).
    """

    def __init__(self, signatures: Mapping[str, Signature], *, shrinkage: float | None = None) -> None:
        if not signatures:
            raise IncompatibleError("lookup: expected at least one task, found none; add one with: cfedge add")
        self.tasks: tuple[str, ...] = tuple(sorted(signatures))
        ordered = [signatures[name] for name in self.tasks]
        covariance, self.shrinkage = _shared_covariance(ordered, shrinkage)
        means = np.concatenate([one.means.astype(np.float64) for one in ordered])
        counts = np.concatenate([one.counts for one in ordered]).astype(np.float64)
        center = counts @ means / counts.sum()
        between = (means - center).T @ ((means - center) * (counts / counts.sum())[:, None])
        basis, spread = _discriminants(covariance, between)
        whitened = (means - center) @ basis
        bounds = np.cumsum([0, *(len(one.counts) for one in ordered)]).tolist()
        self._spans = [slice(start, stop) for start, stop in itertools.pairwise(bounds)]
        self._starts = np.array(bounds[:-1])
        self._task_of = [task for task, span in enumerate(self._spans) for _ in range(span.start, span.stop)]
        weight = np.sqrt(1.0 - 1.0 / spread)
        self._whitened = whitened
        self._basis = np.ascontiguousarray((basis * weight).T, np.float32)
        self._center = (center @ basis * weight).astype(np.float32)
        self._clusters = np.ascontiguousarray(whitened / weight, np.float32)
        self._offset = (0.5 * np.einsum("ck,ck->c", whitened, whitened)).astype(np.float32)

    def scores(self, features: Floats) -> Floats:
        """Return float32 [B, T], each task's best cluster score for unit-length features [B, D]."""
        scores = np.empty((len(features), len(self.tasks)), np.float32)
        for position, row in enumerate(features):
            scores[position] = self.of_tasks(row)[0]
        return scores

    def of_tasks(self, row: Floats) -> tuple[Floats, float]:
        """Return each task's best cluster score, float32 [T], for one vector [D], and z' z: distance = z' z - 2 score."""
        z = self._project(row)
        scores: Floats = np.maximum.reduceat(self._cluster_scores(z), self._starts)
        return scores, float(z.dot(z))

    def linear(self) -> tuple[Floats, Floats]:
        """Return W float32 [D, C] and b [C]: the cluster scores of features x are x W + b, up to rounding."""
        weight = self._clusters.astype(np.float64) @ self._basis
        bias = -(self._clusters.astype(np.float64) @ self._center) - self._offset
        return weight.T.astype(np.float32), bias.astype(np.float32)

    def separations(self, task: str) -> dict[str, NDArray[np.float64]]:
        """Return, by rival task, the Mahalanobis distances float64 [C, C'] of `task`'s cluster means to the rival's.

        A Gaussian input of cluster c with the shared covariance scores higher for cluster c' with probability
        Q(distance / 2), Q being the upper tail of the standard normal.
        """
        own = self._whitened[self._spans[self.tasks.index(task)]]
        apart: dict[str, NDArray[np.float64]] = {}
        for rival, span in zip(self.tasks, self._spans, strict=True):
            if rival != task:
                apart[rival] = np.linalg.norm(own[:, None, :] - self._whitened[None, span, :], axis=2)
        return apart

    def cluster_scores(self, features: Floats) -> Floats:
        """Return float32 [B, C], the scores of all tasks' clusters, concatenated."""
        scores = np.empty((len(features), len(self._offset)), np.float32)
        for position, row in enumerate(features):
            scores[position] = self._cluster_scores(self._project(row))
        return scores

    def __call__(self, features: Floats) -> Retrieval:
        """Look unit-length features float32 [B, D] up."""
        found = [self.one(row, position) for position, row in enumerate(features)]
        return _stacked(found)

    def one(self, row: Floats, position: int = 0) -> Found:
        """Look one unit-length vector float32 [D] up.

        Raises
        ------
        InputError
            It holds NaN or infinity; `position` names the input.
        """
        z = self._project(row)
        scores = self._cluster_scores(z)
        nearest = int(scores.argmax())
        task, best = self._task_of[nearest], float(scores[nearest])
        if not math.isfinite(best):
            raise InputError(
                f"features of input {position}: expected finite numbers, found NaN or infinity; check this machine with: cfedge bench"
            )
        distance = float(z.dot(z)) - 2.0 * best
        if len(self.tasks) == 1:
            return Found(task, -1, best, math.inf, distance)
        scores[self._spans[task]] = -math.inf
        second = int(scores.argmax())
        return Found(task, self._task_of[second], best, best - float(scores[second]), distance)

    def _project(self, row: Floats) -> Floats:
        z: Floats = self._basis.dot(row)
        z -= self._center
        return z

    def _cluster_scores(self, z: Floats) -> Floats:
        scores: Floats = self._clusters.dot(z)
        scores -= self._offset
        return scores


class Router:
    """Both looks.

    Parameters
    ----------
    tasks
        By name; at least one.
    margin
        In nats: an input whose first margin is below it is looked at again. 0: never.
    """

    def __init__(self, tasks: Mapping[str, Looks], margin: float) -> None:
        self.first = Lookup({name: one.trunk for name, one in tasks.items()})
        self.second = Lookup({name: one.tail for name, one in tasks.items()})
        self.tasks, self.margin = self.first.tasks, margin

    def again(self, trunk: Floats, tail: Floats, position: int = 0) -> Found:
        """Look one input up by both its features, float32 [D] each; for errors see `Lookup.one`."""
        near, square = self.first.of_tasks(trunk)
        far, _ = self.second.of_tasks(tail)
        both = near + far
        task = int(both.argmax())
        score, own = float(both[task]), float(near[task])
        if not math.isfinite(score):
            raise InputError(
                f"features of input {position}: expected finite numbers, found NaN or infinity; check this machine with: cfedge bench"
            )
        both[task] = -math.inf
        runner_up = int(both.argmax())
        return Found(task, runner_up, score, score - float(both[runner_up]), square - 2.0 * own, looks=2)

    def __call__(self, features: Pair) -> Retrieval:
        """Look B inputs up."""
        found = []
        for position, (trunk, tail) in enumerate(zip(features.trunk, features.tail, strict=True)):
            one = self.first.one(trunk, position)
            found.append(self.again(trunk, tail, position) if one.margin < self.margin else one)
        return _stacked(found)


def _stacked(found: list[Found]) -> Retrieval:
    task, runner_up, score, margin, distance, looks = zip(*found, strict=True) if found else ((),) * 6
    return Retrieval(
        np.array(task, np.int64),
        np.array(runner_up, np.int64),
        np.array(score, np.float32),
        np.array(margin, np.float32),
        np.array(distance, np.float32),
        np.array(looks, np.int64),
    )


def _shared_covariance(signatures: list[Signature], shrinkage: float | None) -> tuple[NDArray[np.float64], float]:
    """Pooled within-cluster covariance [D, D], shrunk to a scaled identity, and the shrinkage in [0, 1].

    The intensity is `SHRINKAGE_FACTOR` times Ledoit and Wolf's (2004), from the sums alone: with n examples, S = scatter / n and t = tr(S) / D,
    beta = (quartic / n - |S|^2) / (n D), delta = (|S|^2 - D t^2) / D, intensity = min(1, factor * beta / delta).
    """
    width = signatures[0].means.shape[1]
    scatter = np.zeros((width, width))
    examples, quartic = 0.0, 0.0
    for one in signatures:
        factor = one.factor.astype(np.float64)
        scatter += factor.T @ factor
        scatter[np.diag_indices(width)] += one.diagonal
        examples += float(one.counts.sum())
        quartic += one.quartic
    covariance = scatter / examples
    level = float(np.trace(covariance)) / width
    if level <= 0:
        return np.eye(width), 1.0
    square = float((covariance**2).sum())
    beta = (quartic / examples - square) / (examples * width)
    delta = (square - width * level**2) / width
    if shrinkage is not None:
        intensity = shrinkage
    else:
        intensity = 1.0 if delta <= 0 else float(np.clip(SHRINKAGE_FACTOR * beta / delta, 0.0, 1.0))
    covariance = (1 - intensity) * covariance
    covariance[np.diag_indices(width)] += (intensity + RIDGE) * level
    return covariance, intensity


def _discriminants(
    covariance: NDArray[np.float64], between: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """U [D, K] and v [K] with U' S U = I and U' (S + between) U = diag(v): the directions with v > 1."""
    values, vectors = np.linalg.eigh(covariance)
    whiten = vectors / np.sqrt(values)
    spread, rotation = np.linalg.eigh(whiten.T @ between @ whiten)
    kept = spread > max(float(spread[-1]), 1.0) * 1e-9
    if not kept.any():  # one cluster: it would be its own background, so the plain Mahalanobis distance is what is left
        return whiten, np.full(len(values), np.inf)
    return whiten @ rotation[:, kept], 1.0 + spread[kept]
