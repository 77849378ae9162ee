"""Below which margins does the lookup that ships look closer? From held-out inputs, without their
labels.

Those with the thinnest margins get a second stage, and of them a third: `THIRD_STAGE_SHARE` of all,
and so many more that all but `UNSEEN_CHANGES` of all get one where it says another task than the
second. That asks for no labels, so what the labels then count (`cfedge.train.certificate`) is not
chosen by them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

import numpy as np

from cfedge.lookup import Features, Router, TaskMatch, TaskMatches, TaskSignature, decide
from cfedge.lookup.router import SECOND_STAGE_SHARE, THIRD_STAGE_SHARE
from cfedge.margins import Margins
from cfedge.runtime.table import Int8Table
from cfedge.train.conformal import conformal_threshold

__all__ = ["UNSEEN_CHANGES", "route"]

#: Of all held-out inputs, those that may go without a third stage though it would say another task
#: than the second.
UNSEEN_CHANGES = 0.002


def route(
    signatures: Mapping[str, TaskSignature], held_out: Mapping[str, Features]
) -> tuple[Router, dict[str, TaskMatches]]:
    """Return the router that ships, and what it makes of each task's held-out inputs.

    Where the margin of the third stage is that of one input, that one alone is answered by its
    second: a third that it gets by setting the margin says nothing of inputs to come. No stage is
    taken twice.
    """
    router = Router(signatures, table=Int8Table)
    rows = [row for pair in held_out.values() for row in zip(pair.trunk, pair.tail, strict=True)]
    found = [router.begin(trunk) for trunk, _ in rows]
    if len(router.tasks) > 1:
        second = _quantile([evidence.first for evidence in found], SECOND_STAGE_SHARE)
        thin = [row for row, evidence in enumerate(found) if evidence.first.margin < second]
        closer = [router.refine(found[row]) for row in thin]
        deeper = [
            router.deepen(evidence, rows[row][1])
            for row, evidence in zip(thin, closer, strict=True)
        ]
        third, setter = 0.0, None
        if thin:
            third, setter = _third(
                [decide(evidence) for evidence in closer],
                [decide(evidence) for evidence in deeper],
                len(rows),
            )
        router.margins = Margins(second, third)
        for place, row in enumerate(thin):
            needed = place != setter and router.needs_tail(closer[place])
            found[row] = deeper[place] if needed else closer[place]
    answers = iter([decide(evidence) for evidence in found])
    return router, {
        name: TaskMatches.stacked(list(itertools.islice(answers, len(pair.trunk))))
        for name, pair in held_out.items()
    }


def _third(
    closer: list[TaskMatch], deeper: list[TaskMatch], held_out: int
) -> tuple[float, int | None]:
    """The margin of the second stage below which a third is taken, from what both say of the same
    inputs, of `held_out` in all; and which of them it is just above, if its answer is why.
    """
    least = _quantile(closer, min(1.0, THIRD_STAGE_SHARE * held_out / len(closer)))
    pairs = zip(closer, deeper, strict=True)
    changed = sorted(
        (match.margin, place)
        for place, (match, other) in enumerate(pairs)
        if match.task != other.task
    )
    unseen = int(UNSEEN_CHANGES * held_out)
    if len(changed) > unseen:
        margin, setter = changed[-1 - unseen]
        if margin >= least:
            return math.nextafter(margin, math.inf), setter
    return least, None


def _quantile(matches: list[TaskMatch], share: float) -> float:
    """The margin below which at most so many are: an order statistic, as `cfedge.runtime.drift`
    supposes.
    """
    return -conformal_threshold(np.array([-match.margin for match in matches], np.float64), share)
