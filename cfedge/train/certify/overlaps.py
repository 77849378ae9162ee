"""Which tasks coincide, at least in part? By the held-out inputs, and by the lookup's own model.

The model is sure of itself (docs/decisions/0008-certificates.md): where it gives a rival a tenth of
a task's inputs, their clusters do coincide.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Set
from dataclasses import dataclass

import numpy as np

from cfedge.lookup import TaskMatches
from cfedge.lookup.finder import Finder
from cfedge.train.measures.certificate import Certified

__all__ = ["OVERLAP_SHARE", "Overlap", "overlaps", "shared_by"]

#: Of a task's inputs, by the first stage's own model or among the held-out ones, that a rival
#: takes: less is not an overlap.
OVERLAP_SHARE = 0.1


@dataclass(frozen=True)
class Overlap:
    """Two tasks whose clusters coincide, at least in part.

    Attributes
    ----------
    task, rival
        Inputs of `task` go to `rival`.
    share
        Of its inputs, by the first stage's model: a union bound, at most 1.
    taken, held_out
        Of its held-out inputs, those that the lookup that ships gives to the rival, and all.
    wrong_task_at_most, rival_wrong_task_at_most
        What the certificates of the two say now.
    shared
        Examples that both were learned from, where they are `OVERLAP_SHARE` of either's: no lookup
        tells the two tasks apart by these.
    """

    task: str
    rival: str
    share: float
    taken: int
    held_out: int
    wrong_task_at_most: float
    rival_wrong_task_at_most: float
    shared: int = 0


def overlaps(
    router: Finder,
    found: Mapping[str, TaskMatches],
    certified: Mapping[str, Certified],
    of: Collection[str],
) -> list[Overlap]:
    """Return each task and rival that overlap by `OVERLAP_SHARE`, one of the two in `of`, the
    largest share first.

    Parameters
    ----------
    router, found, certified
        Of all tasks together, as they ship: what looked the held-out inputs up, what it found, what
        that certifies.
    """
    pairs = []
    for name in router.tasks:
        certificate = certified[name].certificate
        taken = np.bincount(found[name].task, minlength=len(router.tasks))
        for rival, share in router.confusions(name, None if name in of else of).items():
            errors = int(taken[router.tasks.index(rival)])
            if max(share, errors / certificate.held_out) >= OVERLAP_SHARE:
                bounds = (
                    certificate.wrong_task_at_most,
                    certified[rival].certificate.wrong_task_at_most,
                )
                pairs.append(
                    Overlap(name, rival, min(1.0, share), errors, certificate.held_out, *bounds)
                )
    return sorted(
        pairs, key=lambda one: (-max(one.share, one.taken / one.held_out), one.task, one.rival)
    )


def shared_by(known: Mapping[str, Set[int]], pair: Overlap) -> int:
    """Return `Overlap.shared` of two tasks by what marks the examples that each was learned from."""
    one, other = known[pair.task], known[pair.rival]
    shared = len(one & other)
    return shared if shared >= OVERLAP_SHARE * min(len(one), len(other)) else 0
