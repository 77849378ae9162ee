"""A task's signature from its features: of each class a mean and the leading directions of its own
scatter, and what these leave out as one diagonal.

The full scatters would cost C D (D + 1) / 2 numbers (docs/decisions/0036-class-gaussians.md has
what ranks lose). Letters: N examples, D width, C classes, K factor rows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cfedge.lookup import ClusterStatistics, Features, Slices, TaskSignature
from cfedge.lookup.finite import finite_rows
from cfedge.lookup.packing import from_first, on_grid
from cfedge.train.settings import CLASS_RANK

__all__ = ["MANY", "compressed", "exact_statistics", "leading", "learn_signature", "signature"]

Doubles = NDArray[np.float64]

#: Examples whose residuals are all kept at once: of 1,152 numbers in float64 .1 GB.
MANY = 10_000


def learn_signature(
    features: Features,
    classes: NDArray[np.int64],
    rank: int = CLASS_RANK,
    lookup_width: int | None = None,
    slices: Slices | None = None,
) -> TaskSignature:
    """Summarise a task's features for all stages.

    Parameters
    ----------
    features
        Of N examples; behind the trunk what the lookup reads counts.
    classes
        int64 [N] in 0..C-1, each at least once.
    rank
        Directions of a class's own shape, at most.
    lookup_width, slices
        Of the backbone, see `cfedge.train.features.statistics.TaskStatistics.of`; a width of None:
        that of the tail's features.

    Raises
    ------
    InputError
        A feature is NaN or infinite.
    """
    width = lookup_width or features.tail.shape[1]
    near = exact_statistics(features.trunk[:, :width], classes)
    if slices is not None:
        return TaskSignature.of_slices(compressed(near, rank, cut_off=True), slices)
    trunk = compressed(near, rank)
    return TaskSignature(trunk, signature(features.tail, classes, rank))


def exact_statistics(
    features: NDArray[np.float32], classes: NDArray[np.int64], *, together: bool = False
) -> ClusterStatistics:
    """Summarise features without loss: the factor's rows are the residuals themselves, in the order
    of the examples. Of more than `MANY` examples they are in the order of the classes, and of each
    class at most D rows with the same scatter, so that memory follows what is returned.

    Parameters
    ----------
    features
        float32 [N, D].
    classes
        int64 [N] in 0..C-1, each at least once.
    together
        Of more than `MANY` examples, the scatter of all classes together is enough: D rows, under
        the first class.

    Raises
    ------
    InputError
        A feature is NaN or infinite.
    """
    finite_rows(features)
    if len(features) > MANY:
        return _thin_statistics(features, classes, together)
    x = features.astype(np.float64)
    counts = np.bincount(classes)
    means = np.zeros((len(counts), x.shape[1]))
    np.add.at(means, classes, x)
    means /= counts[:, None]
    residuals = x - means[classes]
    return ClusterStatistics(
        counts=counts.astype(np.int64),
        means=means,
        factor=residuals,
        factor_classes=classes.astype(np.int64),
        diagonal=np.zeros(x.shape[1], np.float32),
        quartic=float(((residuals**2).sum(axis=1) ** 2).sum()),
    )


def _thin_statistics(
    features: NDArray[np.float32], classes: NDArray[np.int64], together: bool
) -> ClusterStatistics:
    """Summarise class by class."""
    counts, width = np.bincount(classes), features.shape[1]
    means, quartic = np.zeros((len(counts), width)), 0.0
    parts: list[Doubles] = []
    waiting = 0
    order = np.argsort(classes, kind="stable")
    for label, rows in enumerate(np.split(order, np.cumsum(counts)[:-1])):
        x = features[rows].astype(np.float64)
        means[label] = x.mean(axis=0)
        x -= means[label]
        quartic += float(((x**2).sum(axis=1) ** 2).sum())
        parts.append(x if together else _rows_of(x))
        waiting += len(x) if together else 0
        if waiting > MANY:
            parts, waiting = [_rows_of(np.concatenate(parts))], 0
    kept = [_rows_of(np.concatenate(parts))] if together else parts
    return ClusterStatistics(
        counts=counts.astype(np.int64),
        means=means,
        factor=np.concatenate(kept),
        factor_classes=np.repeat(np.arange(len(kept)), [len(rows) for rows in kept]),
        diagonal=np.zeros(width, np.float32),
        quartic=quartic,
    )


def _rows_of(residuals: Doubles) -> Doubles:
    """Return residuals [N, D], or where there are more than D of them D rows of the same scatter."""
    examples, width = residuals.shape
    return np.asarray(np.linalg.qr(residuals, mode="r")) if examples > width else residuals


def signature(
    features: NDArray[np.float32], classes: NDArray[np.int64], rank: int = CLASS_RANK
) -> ClusterStatistics:
    """Summarise features in a signature that travels; parameters and errors as of
    `exact_statistics`.

    Parameters
    ----------
    rank
        Rows of each class's factor, at most; fewer where its scatter has fewer dimensions.

    Returns
    -------
    ClusterStatistics
        `factor` holds the leading eigenvectors of each class's scatter times the roots of their
        eigenvalues, `diagonal` the rest of the diagonal of all, so that the diagonal is kept up to
        rounding.
    """
    return compressed(exact_statistics(features, classes), rank)


def compressed(
    exact: ClusterStatistics, rank: int = CLASS_RANK, *, cut_off: bool = False
) -> ClusterStatistics:
    """Return what travels of exact statistics; see `signature`, and `cfedge.lookup.packing.on_grid`
    for `cut_off`.
    """
    rows, owners = leading(exact, rank)
    factor = on_grid(rows, cut_off=cut_off)
    rest = (exact.factor**2).sum(axis=0) - (factor.astype(np.float64) ** 2).sum(axis=0)
    return ClusterStatistics(
        counts=exact.counts,
        means=from_first(exact.means, cut_off=cut_off),
        factor=factor,
        factor_classes=owners,
        diagonal=np.maximum(rest, 0.0).astype(np.float32),
        quartic=exact.quartic,
    )


def leading(exact: ClusterStatistics, rank: int) -> tuple[Doubles, NDArray[np.int64]]:
    """Return the leading directions of each class's own scatter, float64 [K, D], at most `rank` of
    each, as long as the roots of their eigenvalues, the longest first; and the class of each, int64
    [K], ascending.
    """
    order = np.argsort(exact.factor_classes, kind="stable")
    rows = np.bincount(exact.factor_classes, minlength=len(exact.counts))
    parts = np.split(exact.factor[order].astype(np.float64), np.cumsum(rows)[:-1])
    found = [_leading(residuals, rank) for residuals in parts]
    owners = np.repeat(np.arange(len(found)), [len(some) for some in found])
    return np.concatenate(found), owners


def _leading(residuals: Doubles, rank: int) -> Doubles:
    """The leading eigenvectors of a scatter times the roots of their eigenvalues, [K, D]."""
    examples, width = residuals.shape
    few = examples < width
    values, vectors = np.linalg.eigh(residuals @ residuals.T if few else residuals.T @ residuals)
    kept = min(rank, int((values > values[-1] * 1e-10).sum()) if values[-1] > 0 else 0)
    chosen = np.argsort(values)[::-1][:kept]
    if few:
        return np.asarray(vectors[:, chosen].T @ residuals)
    return np.asarray((vectors[:, chosen] * np.sqrt(values[chosen])).T)
