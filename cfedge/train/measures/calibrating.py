"""From which out-of-distribution score on is an input unknown, and which inputs are known without
asking the frozen tail? Each task's rule from held-out inputs. Pure.

Terms are put in units of the held-out inputs of all tasks together, which few examples of one task
could not tell. A threshold is the conformal quantile of the task's own scores, or where that of all
tasks' is larger, their mean weighted by examples: so it keeps the promise that split conformal
prediction gives, and few examples do not make it too low (docs/decisions/0041-unknown.md). The
trunk alone accepts as many inputs as other tasks' held-out inputs allow
(docs/decisions/0053-trunk-accepts.md).

Letters: N held-out inputs of a task.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cfedge.calibration import CERTAIN, RATES, TERMS, Calibration
from cfedge.lookup import Background, Features, TaskMatches
from cfedge.lookup.finder import Finder
from cfedge.lookup.ood import joined
from cfedge.lookup.rules import DEFAULT, RULES, LookupRule
from cfedge.train.measures.conformal import conformal_threshold
from cfedge.train.measures.folds import Folds, Without

__all__ = [
    "ACCEPTED_SHARES",
    "MISSED",
    "Terms",
    "calibrations",
    "held_out_terms",
    "thresholds_of",
]

#: float64 [N, TERMS] by task: of each held-out input that the lookup gives to its own task.
Terms = Mapping[str, NDArray[np.float64]]

#: Of held-out inputs, those that the trunk alone may accept: of all tasks, and of one. The first is
#: for those who have no inputs of other tasks to ask.
ACCEPTED_SHARES = ((0.7, 0.8), (0.8, 0.85), (0.85, 0.9), (0.9, 0.95))
#: Of other tasks' inputs, those that may pass for known by the trunk alone though the whole rule
#: would call them unknown; at the default false-reject rate.
MISSED = 0.005
#: Examples of its own at which a task's quantile counts as much as that of all tasks.
_EVEN = 100
#: The place of the default false-reject rate.
_USUAL = RATES.index(0.05)
#: Of a lookup that does not read the trunk, whose terms there are all 0.
_ACCEPTS_NONE = -1.0
#: Least scales, in the order of `cfedge.calibration.TERMS`: of squared distances, and of a cosine.
#: One held-out input, or some that are alike, show no spread; in these units each term counts.
_LEAST = np.array([1.0, 1.0, 0.01, 1.0, 1.0])


def held_out_terms(
    signatures: Mapping[str, Any],
    matches: Mapping[str, TaskMatches],
    held_out: Mapping[str, Features],
    folds: Mapping[str, Folds] | None = None,
    background: Background | None = None,
    *,
    rule: LookupRule = RULES[DEFAULT],
) -> dict[str, NDArray[np.float64]]:
    """Compare each task's held-out inputs with it: those that the lookup gives to it, or all where
    it gives none; each by signatures that it is not in.

    Parameters
    ----------
    signatures, held_out, folds, background
        See `cfedge.train.measures.margins.route`.
    matches
        What that made of the held-out inputs.
    rule
        The lookup whose signatures they are.
    """
    names = sorted(signatures)
    rows = {name: _own(matches[name], position) for position, name in enumerate(names)}
    terms = {name: np.zeros((len(rows[name]), TERMS)) for name in names}
    parts = 1 if folds is None else max(len(one.without) for one in folds.values())
    for part in range(parts):
        known = signatures if folds is None else Without(signatures, folds, part)
        router = rule.router(known, background=background)
        for position, name in enumerate(names):
            inside = np.ones(len(rows[name]), np.bool_)
            if folds is not None:
                inside = folds[name].of[rows[name]] == part
            chosen = rows[name][inside]
            features = Features(held_out[name].trunk[chosen], held_out[name].tail[chosen])
            terms[name][inside] = terms_of(router, features, position)
    return terms


def _own(found: TaskMatches, position: int) -> NDArray[np.intp]:
    """Which inputs the lookup gives to their own task; all where it gives none."""
    routed = np.flatnonzero(found.task == position)
    return routed if len(routed) else np.arange(len(found.task))


def terms_of(router: Finder, features: Features, task: int) -> NDArray[np.float64]:
    """Compare inputs with the task at position `task`: float64 [N, TERMS]."""
    found = [joined(trunk, tail) for trunk, tail in router.behind(features, task)]
    return np.array(found, np.float64).reshape(-1, TERMS)


def calibrations(terms: Terms, pseudo_unknown: Terms | None = None) -> dict[str, Calibration]:
    """Return each task's rule.

    Parameters
    ----------
    pseudo_unknown
        By task, of inputs of other tasks (`cfedge.train.measures.pseudo_unknown`). The trunk accepts the
        largest of `ACCEPTED_SHARES` that lets no more than `MISSED` of them pass; None or empty:
        the first.
    """
    center, scale = _units(terms)
    scores = {name: _scores(own, center, scale) for name, own in terms.items()}
    limits = _thresholds({name: tail for name, (_, tail) in scores.items()}, RATES)
    foreign = {name: _scores(own, center, scale) for name, own in (pseudo_unknown or {}).items()}
    thresholds = {name: float(own[_USUAL]) for name, own in limits.items()}
    accepted = _accepted({name: trunk for name, (trunk, _) in scores.items()}, foreign, thresholds)
    silent = all(not own[:, :2].any() for own in terms.values())
    return {
        name: Calibration(
            centers=tuple(center.tolist()),
            scales=tuple(scale.tolist()),
            accepted=_ACCEPTS_NONE if silent else accepted[name],
            thresholds=tuple(np.minimum.accumulate(limits[name]).tolist()),
            odds=CERTAIN,
        )
        for name in scores
    }


def _accepted(
    trunk: Mapping[str, NDArray[np.float64]],
    pseudo_unknown: Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]],
    thresholds: Mapping[str, float],
) -> dict[str, float]:
    """Of each task, the largest score behind the trunk that is known without the tail."""
    every = np.concatenate(list(trunk.values()))
    asked = sum(len(own) for own, _ in pseudo_unknown.values())
    chosen: dict[str, float] = {}
    for of_all, of_one in ACCEPTED_SHARES if asked else ACCEPTED_SHARES[:1]:
        most = float(np.quantile(every, of_all))
        limits = {name: _short(min(most, np.quantile(own, of_one))) for name, own in trunk.items()}
        missed = sum(
            int(((near <= limits[name]) & (whole > thresholds[name])).sum())
            for name, (near, whole) in pseudo_unknown.items()
        )
        if chosen and missed > MISSED * asked:
            break
        chosen = limits
    return chosen


def thresholds_of(terms: Terms, rates: Sequence[float]) -> dict[str, NDArray[np.float64]]:
    """Return each task's thresholds at rates that its rule may not list, float64 [rates]."""
    center, scale = _units(terms)
    return _thresholds({name: _scores(own, center, scale)[1] for name, own in terms.items()}, rates)


def _units(terms: Terms) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centers and scales, in few digits, as they travel with every task."""
    every = np.concatenate(list(terms.values()))
    units = every.mean(axis=0), np.maximum(every.std(axis=0), _LEAST)
    center, scale = (np.array([float(f"{one:.4g}") for one in part]) for part in units)
    return center, scale


def _scores(
    terms: NDArray[np.float64], center: NDArray[np.float64], scale: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    z = (terms - center) / scale
    return z[:, :2].sum(axis=1), z[:, 1:].sum(axis=1)


def _thresholds(
    scores: Mapping[str, NDArray[np.float64]], rates: Sequence[float]
) -> dict[str, NDArray[np.float64]]:
    """The larger of each task's own quantile and its mean with that of all tasks."""
    every = np.concatenate(list(scores.values()))
    together = [conformal_threshold(every, rate) for rate in rates]
    found = {}
    for name, own in scores.items():
        mine = [conformal_threshold(own, rate) for rate in rates]
        both = [
            (len(own) * one + _EVEN * all_of_them) / (len(own) + _EVEN)
            for one, all_of_them in zip(mine, together, strict=True)
        ]
        found[name] = np.array([_short(max(*pair)) for pair in zip(mine, both, strict=True)])
    return found


def _short(number: float) -> float:
    """The next number of four decimals that is not below."""
    return math.ceil(number * 1e4) / 1e4
