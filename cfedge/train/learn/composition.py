"""Reuse earlier tasks' low-rank units: which there are, how a new task mixes them in, and what is
left as its own A, B.

A *unit* is one rank-1 part a b' of an earlier task's update of one site, |a| = |b| = 1; its
singular value says how much it did there. A new task k computes, per site (METHOD of PROTEUS, arXiv
2603.13235; without d x d products)::

    y = x W + ((x A_pool) * s) B_pool + (x A_new) B_new

with the pool frozen and only s, A_new, B_new learned. Since (x A_pool) * s and x A_new stand side
by side, this is one pair A = [A_pool, A_new], B = [diag(s) B_pool; B_new]: the tail needs no new
operator, and a step costs as the width of the pool does, whatever the number of tasks that it came
from. For export the sum is folded and recompressed: a task's file never needs another task's file.

Letters: P units in the pool, R new rank.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cfedge.bundle.manifest import Slot
from cfedge.train.examples.labels import NEW_UNITS

__all__ = [
    "Folded",
    "KEPT_ENERGY",
    "SitePool",
    "contributions",
    "fold",
    "pool",
    "units",
]

Floats = NDArray[np.float32]

#: Share of an update's energy that folding keeps, where the rank allows it.
KEPT_ENERGY = 0.999

#: Of a unit's strength: what the chosen ones must leave of it for it to be chosen too. A task that
#: reused another's unit has it in its own update, and one direction need not be there twice.
_NEW_SHARE = 0.1


@dataclass(frozen=True)
class SitePool:
    """Units of one site: `a` float32 [rows, P] and `b` float32 [P, columns] of unit length, and the
    task each came from.
    """

    a: Floats
    b: Floats
    owners: tuple[str, ...]


@dataclass(frozen=True)
class Folded:
    """One site's update as A float32 [1, rows, R'] and B [1, R', columns], and the share of its
    energy ||A B||_F^2 kept.
    """

    a: Floats
    b: Floats
    kept: float


def units(a: Floats, b: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the singular value decomposition of A B from its factors: U [rows, R], s [R]
    descending, V' [R, columns].

    By QR of both factors and an SVD of R x R: nothing of size rows x columns is made.
    """
    q_a, r_a = np.linalg.qr(a.astype(np.float64))
    q_b, r_b = np.linalg.qr(b.astype(np.float64).T)
    u, s, v = np.linalg.svd(r_a @ r_b.T)
    return (q_a @ u).astype(np.float32), s.astype(np.float32), (v @ q_b.T).astype(np.float32)


def pool(
    adapters: Mapping[str, Mapping[str, Floats]], slots: tuple[Slot, ...], limit: int
) -> dict[str, SitePool]:
    """Gather earlier tasks' units by site: one after the other the one that says most that those
    before it do not.

    What a unit a b' says is its singular value squared, less what the chosen units span of it
    (pivoted Cholesky on their inner products (a' a2)(b' b2)). Units of one task are orthogonal: of
    one task alone those with the largest singular values are chosen.

    Parameters
    ----------
    adapters
        By task: ``a.<site>`` [1, rows, R], ``b.<site>`` [1, R, columns].
    limit
        Most units of a site, >= 0.

    Returns
    -------
    dict of SitePool
        By site; equal inputs in any order give equal pools.
    """
    found: dict[str, SitePool] = {}
    for slot in slots:
        parts: list[tuple[Floats, Floats, Floats]] = []
        owners: list[str] = []
        for name in sorted(adapters):
            u, s, v = units(
                adapters[name][f"a.{slot.name}"][0], adapters[name][f"b.{slot.name}"][0]
            )
            strong = s > s[0] * 1e-4
            parts.append((u[:, strong], s[strong], v[strong]))
            owners += [name] * int(strong.sum())
        a = np.concatenate(
            [np.zeros((slot.rows, 0), np.float32), *(one[0] for one in parts)], axis=1
        )
        b = np.concatenate([np.zeros((0, slot.columns), np.float32), *(one[2] for one in parts)])
        strength = np.concatenate([np.zeros(0, np.float32), *(one[1] for one in parts)])
        chosen = _most_telling(a, b, strength, limit)
        found[slot.name] = SitePool(
            a[:, chosen], b[chosen], tuple(owners[index] for index in chosen)
        )
    return found


def _most_telling(a: Floats, b: Floats, strength: Floats, limit: int) -> list[int]:
    """Positions of at most `limit` of the units a [rows, P], b [P, columns], the most telling
    first; of equal ones the first.
    """
    power = strength.astype(np.float64) ** 2
    left = np.ones(len(power))
    spanned = np.zeros((0, len(power)))
    chosen: list[int] = []
    while len(chosen) < min(limit, len(power)):
        telling = np.where(left >= _NEW_SHARE, power * left, -1.0)
        best = int(telling.argmax())
        if telling[best] < 0:
            break
        products = (a.T @ a[:, best]).astype(np.float64) * (b @ b[best])
        row = (products - spanned[:, best] @ spanned) / np.sqrt(left[best])
        spanned = np.concatenate([spanned, row[None]])
        left = np.maximum(left - row**2, 0.0)
        left[best] = 0.0
        chosen.append(best)
    return chosen


def fold(
    reused: SitePool,
    scalars: Floats,
    a: Floats,
    b: Floats,
    *,
    rank: int,
    energy: float = KEPT_ENERGY,
) -> Folded:
    """Fold ``A_pool diag(s) B_pool + A B`` into one pair of the least rank that keeps `energy`, at
    most `rank`.

    Parameters
    ----------
    scalars
        float32 [P].
    a, b
        float32 [rows, R] and [R, columns], the new units.
    """
    u, s, v = units(np.concatenate([reused.a * scalars, a], axis=1), np.concatenate([reused.b, b]))
    power = s.astype(np.float64) ** 2
    total = float(power.sum())
    if total == 0:
        return Folded(
            np.zeros((1, len(a), 1), np.float32), np.zeros((1, 1, b.shape[1]), np.float32), 1.0
        )
    share = np.cumsum(power) / total
    kept = min(rank, int(np.searchsorted(share, energy - 1e-12)) + 1)
    root = np.sqrt(s[:kept])
    return Folded(
        (u[:, :kept] * root)[None], (root[:, None] * v[:kept])[None], float(share[kept - 1])
    )


def contributions(
    pools: Mapping[str, SitePool],
    scalars: Mapping[str, Floats],
    new: Mapping[str, tuple[Floats, Floats]],
) -> dict[str, float]:
    """Return the share of each earlier task in an update dW, and of the new units under
    `NEW_UNITS`; they sum to 1.

    The share of a part is <part, dW> / |dW|^2, summed over sites: its own share of the energy where
    the parts are orthogonal, and below 0 where it works against the others. An update of nothing
    has shares of 0.
    """
    power: dict[str, float] = {NEW_UNITS: 0.0}
    largest = 0.0
    for site, reused in pools.items():
        a, b = (one.astype(np.float64) for one in new[site])
        size = scalars[site].astype(np.float64)
        crossed = ((reused.a.T @ a) * (reused.b @ b.T)).sum(axis=1) * size
        among = size * (((reused.a.T @ reused.a) * (reused.b @ reused.b.T)) @ size)
        own = float(((a.T @ a) * (b @ b.T)).sum())
        for owner, share in zip(reused.owners, (among + crossed).tolist(), strict=True):
            power[owner] = power.get(owner, 0.0) + share
        power[NEW_UNITS] += own + float(crossed.sum())
        largest += float((size**2).sum()) + own
    total = sum(power.values())
    something = total > largest * 1e-9
    return {name: value / total if something else 0.0 for name, value in sorted(power.items())}
