"""How many inputs of no task does each task's rule catch? Measured on public inputs that belong to
no task, and on the other tasks' held-out inputs. It is put into the certificates.

Letters: N inputs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from cfedge.lookup import Features
from cfedge.lookup.finder import Finder
from cfedge.lookup.ood import ood_score
from cfedge.train.measures.calibrating import terms_of
from cfedge.train.measures.certificate import Certified

__all__ = ["with_caught"]

#: Inputs of other tasks that each task is asked about: at most, and of all tasks together.
_OTHERS, _ALL_OTHERS = 200, 20_000


def with_caught(
    certified: Mapping[str, Certified],
    router: Finder,
    held_out: Mapping[str, Features],
    foreign: Features | None,
) -> dict[str, Certified]:
    """Return the certificates with what each task catches.

    Parameters
    ----------
    certified, held_out
        By task, all of the router's.
    foreign
        Of public inputs of no task: each counts for the task that the lookup gives it to. None:
        there are none for this backbone.
    """
    found = None if foreign is None else router(foreign).task
    counted = {}
    for position, name in enumerate(router.tasks):
        one = certified[name]
        theirs = _others(held_out, name, len(router.tasks))
        others = _rejected(one, router, theirs, position)
        ours, caught = 0, 0
        if foreign is not None and found is not None:
            rows = np.flatnonzero(found == position)
            features = Features(foreign.trunk[rows], foreign.tail[rows])
            ours, caught = len(rows), _rejected(one, router, features, position)
        certificate = dataclasses.replace(
            one.certificate,
            foreign=ours,
            foreign_caught=caught,
            others=len(theirs.tail),
            others_caught=others,
        )
        counted[name] = dataclasses.replace(one, certificate=certificate)
    return counted


def _rejected(one: Certified, router: Finder, features: Features, position: int) -> int:
    """How many of N inputs the task would call unknown, were they given to it."""
    terms = terms_of(router, features, position)
    return int((ood_score(one.calibration, terms) > one.threshold).sum())


def _others(held_out: Mapping[str, Features], name: str, tasks: int) -> Features:
    """Held-out inputs of the other tasks, as many of each, evenly spread over its own."""
    others = [features for task, features in held_out.items() if task != name]
    if not others:
        some = held_out[name]
        return Features(some.trunk[:0], some.tail[:0])
    each = max(1, min(_OTHERS, _ALL_OTHERS // tasks) // len(others))
    rows = [
        np.unique(np.linspace(0, len(one.tail) - 1, min(each, len(one.tail))).astype(int))
        for one in others
    ]
    return Features(
        np.concatenate([one.trunk[kept] for one, kept in zip(others, rows, strict=True)]),
        np.concatenate([one.tail[kept] for one, kept in zip(others, rows, strict=True)]),
    )
