"""What every false-reject rate would give: thresholds, unknown inputs that are caught, own inputs that
are rejected, and how wrong the rest is. Pure.

The thresholds are those that ``cfedge export --false-reject RATE`` would write: of each task's held-out
inputs that the lookup gives to it, an order statistic, or its mean with all tasks' where that is larger
(`cfedge.train.measures.calibrating`). So of each task's at most the rate is rejected, by
construction; the share of unknown inputs that is caught is measured.

Letters: N known inputs, M unknown ones, R rates, T tasks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cfedge.report.evidence import TaskThresholds, Thresholds
from cfedge.report.held_out import Answered
from cfedge.train.measures.calibrating import Terms, thresholds_of
from cfedge.train.measures.certificate import FALSE_REJECT_RATE
from cfedge.train.measures.risk_coverage import risk_coverage

__all__ = ["RATES", "thresholds"]

RATES = (
    0.001, 0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.1, 0.12, 0.15, 0.2, 0.25, 0.3,
)  # fmt: skip
assert FALSE_REJECT_RATE in RATES
#: Tasks that are told of one by one: those that most unknown inputs were given to.
_MOST_TASKS = 100
#: Shares of the answers that the risk is told of.
_COVERAGE = tuple(round(0.02 * step, 2) for step in range(1, 51))


def thresholds(
    tasks: Sequence[str],
    known: Sequence[Answered],
    right: Sequence[NDArray[np.bool_]],
    unknown: Answered | None,
    source: str,
    terms: Terms,
) -> Thresholds:
    """Return what each of `RATES` would give.

    Parameters
    ----------
    known, right
        In the order of `tasks`: answers to each task's held-out inputs, and whether they are right.
    unknown
        Answers to inputs of no task; None: there are none.
    source
        See `cfedge.report.evidence.Thresholds`.
    terms
        By task, of those of its held-out inputs that the lookup gives to it
        (`cfedge.train.measures.calibrating.held_out_terms`).
    """
    found = np.concatenate([one.task for one in known])
    score = np.concatenate([one.score for one in known])
    good = np.concatenate(right)
    if unknown is None:
        nothing = np.zeros(0, np.int64)
        unknown = Answered(nothing, nothing, np.zeros(0))
    limits = thresholds_of(terms, RATES)
    limit = np.stack([limits[name] for name in tasks])  # [T, R]
    above = score[:, None] > limit[found]  # [N, R]
    caught = unknown.score[:, None] > limit[unknown.task]  # [M, R]
    at = RATES.index(FALSE_REJECT_RATE)
    apart = score - limit[found, at], unknown.score - limit[unknown.task, at]
    told = set(np.argsort(-np.bincount(unknown.task, minlength=len(tasks)))[:_MOST_TASKS].tolist())
    with_unknown = np.concatenate([good, np.zeros(len(unknown.score), np.bool_)])
    scores = np.concatenate([score, unknown.score])
    return Thresholds(
        source=source,
        rates=RATES,
        known=len(score),
        unknown=len(unknown.score),
        rejected=_shares(above),
        caught=_shares(caught),
        wrong=tuple(_wrong(good, above[:, column]) for column in range(len(RATES))),
        auroc=_auroc(*apart) if len(apart[1]) else None,
        tasks=tuple(
            _of_task(name, limit[task], above[found == task], caught[unknown.task == task])
            for task, name in enumerate(tasks)
            if task in told
        ),
        coverage=_COVERAGE,
        risk=tuple(_curve(good, score)),
        risk_with_unknown=tuple(_curve(with_unknown, scores)) if len(unknown.score) else (),
    )


def _shares(above: NDArray[np.bool_]) -> tuple[float, ...]:
    if not len(above):
        return tuple(0.0 for _ in RATES)
    return tuple(round(float(share), 6) for share in above.mean(axis=0))


def _wrong(good: NDArray[np.bool_], above: NDArray[np.bool_]) -> float:
    kept = ~above
    return round(float((~good[kept]).mean()), 6) if kept.any() else 0.0


def _auroc(known: NDArray[np.float64], unknown: NDArray[np.float64]) -> float:
    """Return the probability that an unknown input scores higher, ties counted half."""
    ordered = np.sort(known)
    below = np.searchsorted(ordered, unknown, "left") + np.searchsorted(ordered, unknown, "right")
    return round(float(below.mean()) / 2 / len(known), 6)


def _curve(good: NDArray[np.bool_], score: NDArray[np.float64]) -> list[float]:
    """Return the risk at each of `_COVERAGE`."""
    risk = risk_coverage(good.tolist(), (-score).tolist()).risk
    places = [max(0, math.ceil(share * len(risk) - 1e-9) - 1) for share in _COVERAGE]
    return [round(risk[place], 6) for place in places]


def _of_task(
    name: str,
    limits: NDArray[np.float64],
    above: NDArray[np.bool_],
    caught: NDArray[np.bool_],
) -> TaskThresholds:
    """What one task's limits do to the known and unknown inputs that it answers, [N, R]."""
    return TaskThresholds(
        name,
        len(above),
        len(caught),
        tuple(round(float(limit), 4) for limit in limits),
        tuple(int(count) for count in above.sum(axis=0)),
        tuple(int(count) for count in caught.sum(axis=0)),
    )
