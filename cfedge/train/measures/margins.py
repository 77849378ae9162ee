"""Below which margins does the lookup that ships look closer? From held-out inputs, without their
labels.

Those with the thinnest margins get a second stage: the least of `SECOND_SHARES` that leaves out no
more than `UNSEEN_CHANGES` of all whose task further stages would change, among the largest of these
shares; where `MANY` inputs are held out it may be one of `LESS_SHARES`. Of them some get a third: so
many that all but `UNSEEN_CHANGES` of all get one where it says another task than the second, but no
more than a share of all, since a third stage runs the frozen tail. Where so few inputs are held out
that not one such change may go unseen, the largest margin that was seen is not the largest there
is: then all that get a second stage get a third, if it changes any (docs/decisions/0065-few.md).
That asks for no labels, so what the labels then count (`cfedge.train.measures.certificate`) is not
chosen by them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from cfedge.errors import UsageError
from cfedge.lookup import (
    Background,
    Features,
    Router,
    TaskMatch,
    TaskMatches,
    TaskSignature,
    decide,
)
from cfedge.margins import SECOND_SHARES, TAIL_SHARE, Margins
from cfedge.runtime.coarse_table import CoarseTable
from cfedge.train.measures.conformal import conformal_threshold
from cfedge.train.measures.folds import Folds, Without

__all__ = [
    "LESS_SHARES",
    "MANY",
    "UNSEEN_CHANGES",
    "check_tail_share",
    "margin_quantile",
    "route",
]

Floats = NDArray[np.float32]

#: Of all held-out inputs, those that may go without further stages though these would say another
#: task than the first, and likewise without a third.
UNSEEN_CHANGES = 0.002
#: Held-out inputs from which on fewer than the least of `SECOND_SHARES` may get a second stage: 20
#: changes may go unseen then, enough to go by their number. Among a thousand tasks, most of which
#: lie far apart, a tenth is enough (docs/decisions/0059-single-classes.md).
MANY = 10_000
LESS_SHARES = 0.1, 0.2
#: Of a stage's classes in memory: so those of ten thousand tasks are made once each.
_CLASS_BYTES = 1 << 30


def route(
    signatures: Mapping[str, TaskSignature],
    held_out: Mapping[str, Features],
    folds: Mapping[str, Folds] | None = None,
    background: Background | None = None,
    *,
    tail_share: float | None = None,
) -> tuple[Router, dict[str, TaskMatches]]:
    """Return the router that ships, and what is made of each task's held-out inputs: by the lookup
    of signatures that they are not in, with the margins of the one that ships.

    Where the margin of the third stage is that of one input, that one alone is answered by its
    second: a third that it gets by setting the margin says nothing of inputs to come.

    Parameters
    ----------
    signatures
        That ship, by task; they are asked for when they are needed.
    held_out
        Features of the N held-out inputs, by task.
    folds
        By task, in which parts its held-out inputs count in its signature; None: they do not.
    background
        See `cfedge.lookup.Router`.
    tail_share
        Of all held-out inputs, those that may get a third stage, in [0, 1]; None: `TAIL_SHARE`, and
        of few all that get a second.

    Raises
    ------
    UsageError
        It is not.
    """
    check_tail_share(tail_share)
    make = partial(Router, coarse=CoarseTable, class_bytes=_CLASS_BYTES)
    router = make(signatures, background=background)
    rows = [row for pair in held_out.values() for row in zip(pair.trunk, pair.tail, strict=True)]
    parts = _parts(rows, held_out, folds)
    judges = dict.fromkeys(sorted(set(parts)), router)
    if folds:
        judges = {part: make(Without(signatures, folds, part)) for part in judges}
    # Of each input what is decided, and no more: the scores of a thousand tasks' clusters take 50 kB.
    pairs = zip(parts, rows, strict=True)
    found = [decide(judges[part].begin(trunk)) for part, (trunk, _) in pairs]
    #: A distance is a sum over directions, and each lookup keeps its own.
    scale = [router.first.directions / judges[part].first.directions for part in parts]
    if len(router.tasks) > 1:
        router.margins = _look_closer(judges, parts, found, rows, tail_share)
    matches = [
        match._replace(distance=match.distance * times)
        for match, times in zip(found, scale, strict=True)
    ]
    return router, _by_task(matches, held_out)


def check_tail_share(tail_share: float | None) -> None:
    """Refuse what is no share of the inputs (UsageError)."""
    if tail_share is not None and not 0 <= tail_share <= 1:
        raise UsageError(f"tail share: expected a share in [0, 1], found {tail_share}; such as 0.4")


def _look_closer(
    judges: dict[int, Router],
    parts: Sequence[int],
    found: list[TaskMatch],
    rows: Sequence[tuple[Floats, Floats]],
    tail_share: float | None,
) -> Margins:
    """Return the margins that the first stages of all rows, `found`, lead to, and put what further
    stages make of the thin ones in their places; `rows` are features behind trunk and tail.
    """
    begun = list(found)
    near = _below(begun, margin_quantile(begun, SECOND_SHARES[-1]))
    closer, deeper = _further(judges, parts, near, rows)
    changed = [row for row in near if deeper[row].task != begun[row].task]
    share, second = _second(begun, changed)
    thin = _below(begun, second)
    once, twice = ([stage[row] for row in thin] for stage in (closer, deeper))
    if tail_share is None and int(UNSEEN_CHANGES * len(found)) == 0:
        tail_share = max(TAIL_SHARE, share)
        third, setter = _every(once, twice)
    else:
        tail_share = TAIL_SHARE if tail_share is None else tail_share
        third, setter = _third(once, twice, len(found), tail_share)
    for place, row in enumerate(thin):
        needed = place != setter and once[place].margin < third
        found[row] = deeper[row] if needed else closer[row]
    return Margins(second, third, tail_share, share)


def _by_task(matches: list[TaskMatch], held_out: Mapping[str, Features]) -> dict[str, TaskMatches]:
    left = iter(matches)
    return {
        name: TaskMatches.stacked(list(itertools.islice(left, len(pair.trunk))))
        for name, pair in held_out.items()
    }


def _further(
    judges: dict[int, Router],
    parts: Sequence[int],
    thin: Sequence[int],
    rows: Sequence[tuple[Floats, Floats]],
) -> tuple[dict[int, TaskMatch], dict[int, TaskMatch]]:
    """What a second and a third stage, if there is one, say of thin rows, by the judge of their
    part. Each judge is let go when it has answered, and its further stages with it.
    """
    closer, deeper = {}, {}
    for part in sorted(judges):
        judge = judges.pop(part)
        for row in thin:
            if parts[row] != part:
                continue
            trunk, tail = rows[row]
            evidence = judge.refine(judge.begin(trunk))
            closer[row] = deeper[row] = decide(evidence)
            if not judge.reads_whole:
                deeper[row] = decide(judge.deepen(evidence, tail))
    return closer, deeper


def _parts(
    rows: Sequence[object], held_out: Mapping[str, Features], folds: Mapping[str, Folds] | None
) -> list[int]:
    """The part of each held-out input of all tasks one after another."""
    if folds is None:
        return [0] * len(rows)
    return [part for name in held_out for part in folds[name].of.tolist()]


def _below(matches: list[TaskMatch], margin: float) -> list[int]:
    """The rows of those whose margin is below."""
    return [row for row, match in enumerate(matches) if match.margin < margin]


def _second(begun: list[TaskMatch], changed: list[int]) -> tuple[float, float]:
    """The share of inputs that get a second stage and the margin of the first below which they do,
    of what the first says of all, and the rows whose task further stages change.
    """
    unseen = int(UNSEEN_CHANGES * len(begun))
    shares = LESS_SHARES + SECOND_SHARES if len(begun) >= MANY else SECOND_SHARES
    for share in shares[:-1]:
        second = margin_quantile(begun, share)
        if sum(begun[row].margin >= second for row in changed) <= unseen:
            return share, second
    return SECOND_SHARES[-1], margin_quantile(begun, SECOND_SHARES[-1])


def _every(closer: list[TaskMatch], deeper: list[TaskMatch]) -> tuple[float, int | None]:
    """As `_third`, for all if a third stage changes any."""
    if all(one.task == other.task for one, other in zip(closer, deeper, strict=True)):
        return 0.0, None
    widest = max(range(len(closer)), key=lambda place: closer[place].margin)
    return math.nextafter(closer[widest].margin, math.inf), widest


def _third(
    closer: list[TaskMatch], deeper: list[TaskMatch], held_out: int, tail_share: float
) -> tuple[float, int | None]:
    """The margin of the second stage below which a third is taken, from what both say of the same
    inputs, of `held_out` in all; and which of them it is just above, if its answer is why.
    """
    if not closer:
        return 0.0, None
    allowed = int(tail_share * held_out)
    most = margin_quantile(closer, tail_share * held_out / len(closer)) if allowed else 0.0
    pairs = zip(closer, deeper, strict=True)
    changed = sorted(
        (match.margin, place)
        for place, (match, other) in enumerate(pairs)
        if match.task != other.task
    )
    unseen = int(UNSEEN_CHANGES * held_out)
    if len(changed) <= unseen:
        return 0.0, None
    margin, setter = changed[-1 - unseen]
    needed = math.nextafter(margin, math.inf)
    if allowed >= len(closer) or needed <= most:
        return needed, setter
    return most, None


def margin_quantile(matches: list[TaskMatch], share: float) -> float:
    """Return the margin below which at most so many are: an order statistic, as `cfedge.runtime.drift`
    supposes.
    """
    return -conformal_threshold(np.array([-match.margin for match in matches], np.float64), share)
