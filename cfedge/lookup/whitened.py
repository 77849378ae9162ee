"""The space in which distances to classes are measured in one stage, and what the background is
like there (`cfedge.lookup.familiarity`). To find it takes most of a first answer's time, and it is
the same each time.

Letters: D width, G centres.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cfedge.lookup.fitted import moments
from cfedge.lookup.kept import Arrays, check_arrays

__all__ = ["BackgroundRows", "Whitened", "background_of"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

#: Of the arrays to keep: dtype and sizes.
_KINDS = {
    "lower": (np.float64, "DD"),
    "center": (np.float64, "D"),
    "rows": (np.float32, "DD"),
    "shares": (np.float64, "D"),
}


class Whitened(NamedTuple):
    """The space of L' (x - m_0).

    Attributes
    ----------
    lower
        float64 [D, D], L of L L' = P.
    center
        float64 [D], m_0.
    rows, shares
        See `BackgroundRows`; float32 and float64.
    """

    lower: Doubles
    center: Doubles
    rows: Floats
    shares: Doubles

    @classmethod
    def of(
        cls, precision: Doubles, class_means: tuple[Doubles, Doubles], background: Floats | None
    ) -> Whitened:
        """Compute it of P, of mean and covariance of the class means, and of a broad corpus's
        centres [G, D].
        """
        lower: Doubles = np.asarray(np.linalg.cholesky(precision), np.float64)
        among = [class_means]
        if background is not None:
            among.append(moments([background]))
        center: Doubles = np.mean([mean for mean, _ in among], axis=0)
        rows, shares = background_of(among, center, lower)
        return cls(lower, center, np.ascontiguousarray(rows, np.float32), shares)

    @property
    def extent(self) -> tuple[int, ...]:
        """The width of features."""
        return (len(self.center),)

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return the arrays to keep."""
        return dict(self._asdict())

    @classmethod
    def from_arrays(cls, arrays: Arrays, what: str) -> Whitened:
        """Wrap what `arrays` returned; errors as of `cfedge.lookup.kept.check_arrays`."""
        check_arrays(arrays, _KINDS, what)
        found: dict[str, Any] = dict(arrays)
        return cls(**found)


class BackgroundRows(NamedTuple):
    """What else there is: rows that make z of x - m_0, and of each square of z the share that lies
    inside the background's spread.
    """

    rows: Doubles
    shares: Doubles


def background_of(
    among: list[tuple[Doubles, Doubles]], center: Doubles, lower: Doubles
) -> BackgroundRows:
    """What all else is like, of groups of vectors that count alike: mean [D] and covariance [D, D]
    of each. `lower` is L of L L' = P.
    """
    spread = np.zeros_like(lower)
    for mean, covariance in among:
        spread += covariance + np.outer(mean - center, mean - center)
    values, vectors = np.linalg.eigh(lower.T @ (spread / len(among)) @ lower)
    values = np.maximum(values, 0.0)
    return BackgroundRows(np.asarray(vectors.T @ lower.T), values / (1 + values))
