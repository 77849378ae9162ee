"""How often do tasks take each other's inputs, by the model of the lookup's scores? Bounds, pure.

A Gaussian input of cluster c with the shared covariance scores higher for cluster c' with
probability Q(d(c, c') / 2), d being the Mahalanobis distance of their means in the directions that
the lookup keeps, and Q the upper tail of the standard normal distribution.

Letters: C clusters, K kept directions.
"""

from __future__ import annotations

import math
from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from cfedge.lookup.lookup import Lookup

__all__ = ["confusions", "distances", "nearest", "upper_tail"]

#: Where Q is taken from its bound exp(-x^2 / 2) / (x sqrt(2 pi)): above it by a share of 1 / x^2 at
#: most.
_FAR = 6.0


def nearest(lookup: Lookup, task: str) -> tuple[str, float] | None:
    """Return the rival of which a cluster is nearest to one of `task`, and that distance; of rivals
    that are equally near the first by name, None of one task alone.
    """
    starts = [span.start for span in lookup.spans]
    apart = np.minimum.reduceat(distances(lookup, task).min(axis=0), starts).tolist()
    rivals = ((least, rival) for rival, least in zip(lookup.tasks, apart, strict=True))
    found = min(((least, rival) for least, rival in rivals if rival != task), default=None)
    return None if found is None else (found[1], found[0])


def confusions(lookup: Lookup, task: str, among: Collection[str] | None = None) -> dict[str, float]:
    """Return, by rival task (of those `among`, otherwise all), a bound on the share of `task`'s
    inputs that it takes.

    sum over the task's clusters c, weighted by their counts, of sum over the rival's clusters c' of
    Q(d(c, c') / 2): a union bound for Gaussian clusters. It is not capped: >= 1 says nothing.
    """
    counts = lookup.counts[lookup.tasks.index(task)]
    found = [
        (name, span)
        for name, span in zip(lookup.tasks, lookup.spans, strict=True)
        if among is None or name in among
    ]
    if not found:
        return {}
    spans = [span for _, span in found]
    clusters: NDArray[np.intp] | slice = slice(None)
    if among is not None:
        clusters = np.concatenate([np.arange(span.start, span.stop) for span in spans])
    starts = np.cumsum([0, *(span.stop - span.start for span in spans[:-1])])
    with np.errstate(under="ignore"):  # below the least number is 0
        taken = np.add.reduceat(
            counts / counts.sum() @ upper_tail(distances(lookup, task, clusters) / 2), starts
        )
    return {
        rival: float(share) for (rival, _), share in zip(found, taken, strict=True) if rival != task
    }


def upper_tail(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Q(x) for x >= 0; beyond `_FAR` what it is at most."""
    safe = np.maximum(x, _FAR)
    with np.errstate(under="ignore"):
        tail: NDArray[np.float64] = np.exp(-(safe**2) / 2) / (safe * math.sqrt(2 * math.pi))
    near = x < _FAR
    tail[near] = [math.erfc(value / math.sqrt(2)) / 2 for value in x[near].tolist()]
    return tail


def distances(
    lookup: Lookup, task: str, to: NDArray[np.intp] | slice = slice(None)
) -> NDArray[np.float64]:
    """Return the distances float64 [C, C'] of `task`'s cluster means to the clusters `to`, otherwise
    to all.
    """
    others = lookup.whitened[to]
    own = lookup.whitened[lookup.spans[lookup.tasks.index(task)]]
    square = (own**2).sum(axis=1)[:, None] + (others**2).sum(axis=1) - 2 * own @ others.T
    return np.asarray(np.sqrt(np.maximum(square, 0.0)), np.float64)
