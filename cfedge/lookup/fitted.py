"""What a lookup computes of all tasks' statistics before it looks anything up: of a thousand tasks a
second's work, and the same each time. As arrays it can be kept.

Letters: T tasks, C clusters, D width, K kept directions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cfedge.errors import IncompatibleError
from cfedge.lookup.lda import MIN_SPREAD, Pooled, Space, discriminants, pool
from cfedge.lookup.signature import ClusterStatistics

__all__ = ["Fitted", "Keep", "KeepPart", "moments"]

Arrays = Mapping[str, NDArray[np.generic]]
Doubles = NDArray[np.float64]

#: Of the arrays to keep: dtype and sizes.
_KINDS = {
    "sizes": (np.int64, "T"),
    "counts": (np.int64, "C"),
    "center": (np.float64, "D"),
    "basis": (np.float64, "DK"),
    "variances": (np.float64, "K"),
    "within": (np.float64, "DD"),
    "clusters": (np.float32, "CK"),
    "offsets": (np.float32, "C"),
    "mean": (np.float64, "D"),
    "spread": (np.float64, "DD"),
    "numbers": (np.float64, "N"),
}


class Fitted(NamedTuple):
    """What follows from the signatures of all tasks.

    Attributes
    ----------
    sizes
        int64 [T], how many clusters each task has, in the order of the tasks' names.
    counts
        int64 [C], the examples of each cluster.
    space
        The directions in which clusters differ.
    within
        float64 [D, D], the shared covariance before it is shrunk.
    factor_rows
        The most that one cluster's factor has.
    clusters, offsets
        float32 [C, K] and [C], see `cfedge.lookup.cluster_table`.
    mean, spread
        float64 [D] and [D, D]: of the class means, each of which counts once.
    """

    sizes: NDArray[np.int64]
    counts: NDArray[np.int64]
    space: Space
    within: NDArray[np.float64]
    factor_rows: int
    clusters: NDArray[np.float32]
    offsets: NDArray[np.float32]
    mean: NDArray[np.float64]
    spread: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        signatures: Iterable[ClusterStatistics],
        *,
        shrinkage: float | None = None,
        min_spread: float = MIN_SPREAD,
    ) -> Fitted:
        """Compute it of statistics in the order of their tasks' names.

        Parameters
        ----------
        shrinkage, min_spread
            See `cfedge.lookup.Lookup`.
        """
        pooled = pool(signatures)
        space = discriminants(pooled, shrinkage=shrinkage, min_spread=min_spread)
        clusters, offsets = _scored_by(pooled, space)
        mean, spread = moments(pooled.means)
        return cls(
            np.array([len(counts) for counts in pooled.counts], np.int64),
            np.concatenate(pooled.counts),
            space,
            pooled.scatter / pooled.examples,
            pooled.factor_rows,
            clusters,
            offsets,
            mean,
            spread,
        )

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return the arrays to keep."""
        return {
            "sizes": self.sizes,
            "counts": self.counts,
            "center": self.space.center,
            "basis": self.space.basis,
            "variances": self.space.spread,
            "within": self.within,
            "clusters": self.clusters,
            "offsets": self.offsets,
            "mean": self.mean,
            "spread": self.spread,
            "numbers": np.array([self.space.shrinkage, self.factor_rows], np.float64),
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays, what: str) -> Fitted:
        """Wrap what `arrays` returned.

        Raises
        ------
        IncompatibleError
            Naming `what`: it is something else.
        """
        found: dict[str, Any] = dict(arrays)
        _check(found, what)
        shrinkage, rows = found.pop("numbers").tolist()
        center, basis = found.pop("center"), found.pop("basis")
        space = Space(center, basis, found.pop("variances"), shrinkage)
        return cls(**found, space=space, factor_rows=int(rows))


#: Returns what was computed before, or what the function given to it computes.
Keep: TypeAlias = Callable[[Callable[[], Fitted]], Fitted]
#: The same of a part, ``trunk`` or ``tail``.
KeepPart: TypeAlias = Callable[[str, Callable[[], Fitted]], Fitted]


def _check(arrays: Mapping[str, NDArray[np.generic]], what: str) -> None:
    """Refuse arrays of other names, types or sizes."""
    if set(arrays) != set(_KINDS):
        raise _odd(what, f"{sorted(_KINDS)}", f"{sorted(arrays)!s:.200}")
    sizes: dict[str, int] = {}
    for name, (dtype, letters) in _KINDS.items():
        array = arrays[name]
        fits = array.dtype == dtype and array.ndim == len(letters)
        if not fits or any(
            sizes.setdefault(letter, size) != size
            for letter, size in zip(letters, array.shape, strict=True)
        ):
            expected = f"{name} {np.dtype(dtype).name} [{', '.join(letters)}]"
            raise _odd(what, expected, f"{array.dtype} {list(array.shape)}")
    if int(arrays["sizes"].astype(np.int64).sum()) != sizes["C"] or sizes["N"] != 2:
        raise _odd(what, f"as many clusters as tasks have, {sizes['C']}", "others")


def _odd(what: str, expected: str, found: str) -> IncompatibleError:
    return IncompatibleError(f"{what}: expected {expected}, found {found}; delete it")


def _scored_by(pooled: Pooled, space: Space) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What the scores of clusters are linear in, float32 [C, K], and their offsets [C]."""
    count, weight = sum(map(len, pooled.counts)), space.weight
    clusters, offsets = np.empty((count, len(weight)), np.float32), np.empty(count, np.float32)
    start = 0
    for means in pooled.means:
        span = slice(start, start := start + len(means))
        whitened = (means - space.center) @ space.basis
        clusters[span] = whitened / weight
        offsets[span] = 0.5 * np.einsum("ck,ck->c", whitened, whitened)
    return clusters, offsets


def moments(groups: Sequence[NDArray[np.floating]]) -> tuple[Doubles, Doubles]:
    """Return mean and covariance of vectors, of which [.., D] are there at a time."""
    count = sum(map(len, groups))
    mean = sum(rows.sum(axis=0, dtype=np.float64) for rows in groups) / count
    spread = np.zeros((len(mean), len(mean)))
    for rows in groups:
        apart = rows - mean
        spread += apart.T @ apart
    return mean, spread / count
