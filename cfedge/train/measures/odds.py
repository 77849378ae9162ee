"""How probable is it that an answer is right, task and label? From held-out inputs of all tasks.
Pure.

With m the lookup's margin after s stages and c the probability that the head of the task found
gives to its label, the answer's is::

    p = sigmoid(offset_s + slope_s m) c

Offsets and slopes are those of the least cross entropy against whether the whole answer is right
(logistic calibration: Platt 1999), with Platt's targets (N+ + 1) / (N+ + 2) and 1 / (N- + 2) in the
place of 1 and 0, of N+ right and N- wrong answers, so that few inputs do not claim to be sure.
Heads bring their own temperature (`cfedge.train.measures.temperature`).

A set of answers holds all pairs of task and label with a probability of at least the `limits` of
their task: of N held-out inputs of it, the ceil((N + 1) coverage)-th largest probability that the
right answer got (split conformal: Vovk et al. 2005; by true class, as in Sadinle et al. 2019). Each
input is scored by odds that were fitted without its part of the held-out inputs.

Letters: N held-out inputs of all tasks, T tasks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cfedge.calibration import COVERAGES, STAGES, Odds, place_of
from cfedge.lookup.match import TaskMatch
from cfedge.lookup.shares import shares

__all__ = ["Outcomes", "fitted", "limits_of", "odds_of", "stated"]

Doubles = NDArray[np.float64]

#: Log-odds for each nat of margin where nothing is known, by stage.
_SLOPES = (0.15, 0.15, 0.15)
#: Inputs' worth of belief in these, for each unit of their logarithm squared, and in an offset of 0.
_BELIEF, _OFFSET_BELIEF = 1.0, 0.01
_STEPS = 100
_TINY = 1e-12


@dataclass(frozen=True)
class Outcomes:
    """What became of N held-out inputs of all tasks.

    Attributes
    ----------
    task
        Position of the task that each is of, int64 [N].
    part
        Of the held-out inputs of its task, int64 [N] (`cfedge.train.measures.folds`).
    matches
        What the lookup found of each.
    label
        Probability that the head of the task found gives to its label, float64 [N].
    right
        Whether task and label are right, bool [N].
    either
        Whether the runner-up has a label that means the same, so that the answer is the same
        whichever of the two tasks it is, bool [N].
    truth
        Probability that the head of the task that it is of gives to the right label, float64 [N].
    scores
        Of each task, float32 [T], where another task than its own was found; by position.
    """

    task: NDArray[np.int64]
    part: NDArray[np.int64]
    matches: list[TaskMatch]
    label: Doubles
    right: NDArray[np.bool_]
    either: NDArray[np.bool_]
    truth: Doubles
    scores: Mapping[int, NDArray[np.float32]]


def odds_of(outcomes: Outcomes, tasks: int) -> list[Odds]:
    """Return each task's odds, in the order of their positions 0..`tasks` - 1."""
    every = fitted(outcomes, np.ones(len(outcomes.task), np.bool_))
    _, truth = _by_others(outcomes)
    return [
        Odds(every.slopes, every.offsets, limits_of(truth[outcomes.task == position]))
        for position in range(tasks)
    ]


def fitted(outcomes: Outcomes, which: NDArray[np.bool_]) -> Odds:
    """Return slopes and offsets that some of the inputs ask for; without limits."""
    stages = np.array([match.stages for match in outcomes.matches], np.int64)
    margins = np.array([match.margin for match in outcomes.matches], np.float64)
    counted = which & ~outcomes.either & np.isfinite(margins)
    pairs = []
    for stage in range(STAGES):
        rows = counted & (stages == stage + 1)
        pairs.append(
            _fit(margins[rows], outcomes.label[rows], outcomes.right[rows], _SLOPES[stage])
        )
    slopes, offsets = zip(*pairs, strict=True)
    return Odds(tuple(map(_short, slopes)), tuple(map(_short, offsets)), ())


def limits_of(truth: Doubles) -> tuple[float, ...]:
    """Return the limits of one task: of the first of `COVERAGES`, as many as its N probabilities of
    the right answer, float64 [N], allow.
    """
    ordered = np.sort(truth)[::-1]
    return tuple(
        _below(float(ordered[place - 1]))
        for place in (place_of(len(ordered), coverage) for coverage in COVERAGES)
        if place <= len(ordered)
    )


def stated(outcomes: Outcomes) -> Doubles:
    """Return the probability of each input's answer, float64 [N], by odds that its part had no
    share in.
    """
    return _by_others(outcomes)[0]


def _by_others(outcomes: Outcomes) -> tuple[Doubles, Doubles]:
    """The probability of each input's answer and of its right answer, float64 [N] each, by odds that
    its part had no share in.
    """
    answer, truth = outcomes.label.copy(), outcomes.truth.copy()
    for part in np.unique(outcomes.part).tolist():
        odds = fitted(outcomes, outcomes.part != part)
        for row in np.flatnonzero(outcomes.part == part).tolist():
            match, own = outcomes.matches[row], int(outcomes.task[row])
            if match.runner_up < 0:
                continue
            found = odds.of_task(match.stages, match.margin)
            if not outcomes.either[row]:
                answer[row] *= found
            if match.task == own:
                truth[row] *= found
            else:
                truth[row] *= float(shares(odds, match, outcomes.scores[row])[own])
    return answer, truth


def _fit(
    margins: Doubles, label: Doubles, right: NDArray[np.bool_], slope: float
) -> tuple[float, float]:
    """Slope and offset by Fisher scoring, halving a step that does not lower the loss."""
    if not len(margins):
        return slope, 0.0
    yes = int(right.sum())
    target = np.where(right, (yes + 1) / (yes + 2), 1 / (len(right) - yes + 2))
    label = np.clip(label, _TINY, 1.0)
    at = np.array([0.0, math.log(slope)])
    prior = at[1]
    belief = np.array([_OFFSET_BELIEF, 2 * _BELIEF])

    def loss(at: Doubles) -> float:
        p = np.clip(_sigmoid(at[0] + math.exp(at[1]) * margins) * label, _TINY, 1 - _TINY)
        entropy = -(target * np.log(p) + (1 - target) * np.log1p(-p)).sum()
        return float(entropy + 0.5 * (belief * (at - [0.0, prior]) ** 2).sum())

    now = loss(at)
    for _ in range(_STEPS):
        share = _sigmoid(at[0] + math.exp(at[1]) * margins)
        p = np.clip(share * label, _TINY, 1 - _TINY)
        by = share * (1 - share) * label
        slant = np.stack([np.ones_like(margins), math.exp(at[1]) * margins]) * by
        gradient = slant @ ((p - target) / (p * (1 - p))) + belief * (at - [0.0, prior])
        step = np.linalg.solve((slant / (p * (1 - p))) @ slant.T + np.diag(belief), gradient)
        step *= min(1.0, 2.0 / float(np.abs(step).max() + _TINY))
        while (after := loss(at - step)) > now and np.abs(step).max() > 1e-9:
            step /= 2
        if after > now - 1e-9:
            break
        at, now = at - step, after
    return math.exp(at[1]), float(at[0])


def _sigmoid(odds: Doubles) -> Doubles:
    return np.asarray(1 / (1 + np.exp(-np.clip(odds, -700.0, 700.0))))


def _short(number: float) -> float:
    """Four digits: it travels with every task."""
    return float(f"{number:.4g}")


def _below(number: float) -> float:
    """The next number of four digits that is not above."""
    if number <= 0:
        return 0.0
    near = _short(number)
    digit = 10.0 ** (math.floor(math.log10(number)) - 3)
    return near if near <= number else float(f"{near - digit:.4g}")
