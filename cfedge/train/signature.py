"""A task's signature from its trunk features: one cluster a class, scatter as low-rank factor + diagonal.

The full scatter would cost D (D + 1) / 2 numbers; with rank 64 the retrieval on CLINC150 is the same (.973) at 49 kB.
Letters: N examples, D width, C classes, K factor rank.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cfedge.errors import InputError
from cfedge.lookup import Signature

__all__ = ["FACTOR_RANK", "signature"]

FACTOR_RANK = 64


def signature(features: NDArray[np.float32], classes: NDArray[np.int64], rank: int = FACTOR_RANK) -> Signature:
    """Summarise unit-length features.

    Parameters
    ----------
    features
        float32 [N, D].
    classes
        int64 [N] in 0..C-1, each at least once.
    rank
        Rows of the factor, at most; fewer where the scatter has fewer dimensions.

    Raises
    ------
    InputError
        A feature is NaN or infinite.

    Returns
    -------
    Signature
        `factor` holds the leading eigenvectors of the scatter times the roots of their eigenvalues, `diagonal` the
        rest of its diagonal, so that the diagonal is kept up to float16's rounding.
    """
    x = features.astype(np.float64)
    if not np.isfinite(x).all():
        row = int((~np.isfinite(x)).any(axis=1).argmax())
        raise InputError(
            f"features of input {row}: expected finite numbers, found NaN or infinity; check this machine with: cfedge bench"
        )
    counts = np.bincount(classes)
    means = np.zeros((len(counts), x.shape[1]))
    np.add.at(means, classes, x)
    means /= counts[:, None]
    residuals = x - means[classes]
    scatter = residuals.T @ residuals
    values, vectors = np.linalg.eigh(scatter)
    kept = min(rank, int((values > values[-1] * 1e-10).sum()) if values[-1] > 0 else 0)
    order = np.argsort(values)[::-1][:kept]
    with np.errstate(under="ignore"):  # below float16's least number is 0
        factor = (vectors[:, order] * np.sqrt(values[order])).T.astype(np.float16)
        means16 = means.astype(np.float16)
    rest = np.diag(scatter) - (factor.astype(np.float64) ** 2).sum(axis=0)
    return Signature(
        counts=counts.astype(np.int64),
        means=means16,
        factor=factor,
        diagonal=np.maximum(rest, 0.0).astype(np.float32),
        quartic=float(((residuals**2).sum(axis=1) ** 2).sum()),
    )
