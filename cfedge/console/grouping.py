"""Group inputs by likeness, so that forty alike are one decision: average linkage over the cosine
distance of their frozen features. Pure.

Letters: N inputs, D width.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["ALIKE", "groups"]

Floats = NDArray[np.float32]

#: Cosine distance below which groups are one. On CLINC150's validation split, 3 classes of 20 inputs
#: among 10 of no class, 99.9 % of a group's members are then of one class, and 93 % of a class are
#: in groups of three or more (docs/decisions/0038-console.md).
ALIKE = 0.6
#: Added to a length before it divides.
_EPSILON = 1e-12


def groups(features: Floats, alike: float = ALIKE) -> list[list[int]]:
    """Return groups of rows, the largest first; in a group the most typical row first.

    Two groups are one while the mean cosine distance between their members is below `alike`:
    average linkage, by the nearest-neighbour chain (Murtagh 1983), in O(N^2) time and memory.

    Parameters
    ----------
    features
        float32 [N, D], of any length each.
    alike
        In [0, 2].
    """
    count = len(features)
    if not count:
        return []
    rows = features.astype(np.float32)
    rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), _EPSILON)
    likeness = rows @ rows.T
    owner = np.arange(count)
    for height, one, other in _merges(1.0 - likeness):
        if height < alike:
            owner[owner == owner[other]] = owner[one]
    found = [np.flatnonzero(owner == number) for number in np.unique(owner)]
    found.sort(key=lambda members: (-len(members), int(members[0])))
    return [_typical_first(members, likeness) for members in found]


def _typical_first(members: NDArray[np.int64], likeness: Floats) -> list[int]:
    mean = likeness[np.ix_(members, members)].mean(axis=1).round(4)  # equals come in their order
    order: list[int] = members[np.lexsort((members, -mean))].tolist()
    return order


def _merges(distance: Floats) -> list[tuple[float, int, int]]:
    """Merge all rows of distances [N, N] into one tree; return each merge's height with a member of
    both sides, from the lowest. The height of a merge is never below that of those under it.
    """
    count = len(distance)
    np.fill_diagonal(distance, np.inf)
    sizes = np.ones(count)
    alive = np.ones(count, bool)
    chain: list[int] = []
    found: list[tuple[float, int, int]] = []
    for _ in range(count - 1):
        if not chain:
            chain.append(int(alive.argmax()))
        while True:
            last = chain[-1]
            nearest = int(distance[last].argmin())
            # of equals the one that the chain came from, or it would go round for ever
            if len(chain) > 1 and distance[last, chain[-2]] <= distance[last, nearest]:
                nearest = chain[-2]
                break
            chain.append(nearest)
        del chain[-2:]
        found.append((float(distance[last, nearest]), last, nearest))
        whole = sizes[last] + sizes[nearest]
        merged = (distance[last] * sizes[last] + distance[nearest] * sizes[nearest]) / whole
        distance[last], distance[:, last] = merged, merged
        distance[last, last] = np.inf
        distance[nearest], distance[:, nearest] = np.inf, np.inf
        sizes[last], alive[nearest] = whole, False
    return sorted(found)
