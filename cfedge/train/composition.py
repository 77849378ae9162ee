"""Reuse earlier tasks' low-rank units: which there are, how a new task mixes them in, and what is left as its own A, B.

A *unit* is one rank-1 part a b' of an earlier task's update of one site, |a| = |b| = 1; its singular value says how much it did
there. A new task k computes, per site (METHOD of PROTEUS, arXiv 2603.13235; without d x d products)::

    y = x W + ((x A_pool) * s) B_pool + (x A_new) B_new

with the pool frozen and only s, A_new, B_new learned. Since (x A_pool) * s and x A_new stand side by side, this is one pair
A = [A_pool, A_new], B = [diag(s) B_pool; B_new]: the tail needs no new operator, and a step costs as the width of the pool
does, whatever the number of tasks that it came from. For export the sum is folded and recompressed: a task's file never
needs another task's file.

Letters: P units in the pool, R new rank.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cfedge.bundle.manifest import Slot

__all__ = ["Folded", "SitePool", "contributions", "fold", "pool", "units"]

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class SitePool:
    """Units of one site: `a` float32 [rows, P] and `b` float32 [P, columns] of unit length, and the task each came from."""

    a: Floats
    b: Floats
    owners: tuple[str, ...]


@dataclass(frozen=True)
class Folded:
    """One site's update as A float32 [1, rows, R'] and B [1, R', columns], and the share of its energy ||A B||_F^2 kept."""

    a: Floats
    b: Floats
    kept: float


def units(a: Floats, b: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the singular value decomposition of A B from its factors: U [rows, R], s [R] descending, V' [R, columns].

    By QR of both factors and an SVD of R x R: nothing of size rows x columns is made.
    """
    q_a, r_a = np.linalg.qr(a.astype(np.float64))
    q_b, r_b = np.linalg.qr(b.astype(np.float64).T)
    u, s, v = np.linalg.svd(r_a @ r_b.T)
    return (q_a @ u).astype(np.float32), s.astype(np.float32), (v @ q_b.T).astype(np.float32)


def pool(adapters: Mapping[str, Mapping[str, Floats]], slots: tuple[Slot, ...], limit: int) -> dict[str, SitePool]:
    """Gather earlier tasks' units by site, the `limit` with the largest singular values.

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
        candidates: list[tuple[float, str, int, Floats, Floats]] = []
        for name in sorted(adapters):
            u, s, v = units(adapters[name][f"a.{slot.name}"][0], adapters[name][f"b.{slot.name}"][0])
            candidates += [(-float(s[rank]), name, rank, u[:, rank], v[rank]) for rank in range(len(s)) if s[rank] > s[0] * 1e-4]
        chosen = sorted(candidates, key=lambda one: one[:3])[:limit]
        found[slot.name] = SitePool(
            a=np.stack([one[3] for one in chosen], axis=1) if chosen else np.zeros((slot.rows, 0), np.float32),
            b=np.stack([one[4] for one in chosen]) if chosen else np.zeros((0, slot.columns), np.float32),
            owners=tuple(one[1] for one in chosen),
        )
    return found


def fold(reused: SitePool, scalars: Floats, a: Floats, b: Floats, *, rank: int, energy: float = 0.999) -> Folded:
    """Fold ``A_pool diag(s) B_pool + A B`` into one pair of the least rank that keeps `energy`, at most `rank`.

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
        return Folded(np.zeros((1, len(a), 1), np.float32), np.zeros((1, 1, b.shape[1]), np.float32), 1.0)
    share = np.cumsum(power) / total
    kept = min(rank, int(np.searchsorted(share, energy - 1e-12)) + 1)
    root = np.sqrt(s[:kept])
    return Folded((u[:, :kept] * root)[None], (root[:, None] * v[:kept])[None], float(share[kept - 1]))


def contributions(
    pools: Mapping[str, SitePool], scalars: Mapping[str, Floats], new: Mapping[str, tuple[Floats, Floats]]
) -> dict[str, float]:
    """Return the share of each earlier task in an update, and of the new units under the key ``new``; they sum to 1.

    A task's energy is the sum over sites of s^2 of its units (their a, b have length 1); the new units' is ||A B||_F^2.
    """
    power: dict[str, float] = {"new": 0.0}
    for site, reused in pools.items():
        for owner, scalar in zip(reused.owners, scalars[site].tolist(), strict=True):
            power[owner] = power.get(owner, 0.0) + scalar**2
        a, b = new[site]
        power["new"] += float((units(a, b)[1].astype(np.float64) ** 2).sum())
    total = sum(power.values())
    return {name: value / total if total else 0.0 for name, value in sorted(power.items())}
