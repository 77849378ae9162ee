"""Probabilities of task and label together, and sets of answers, from draws whose truth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from cfedge.calibration import COVERAGES, Odds, place_of
from cfedge.lookup.match import TaskMatch
from cfedge.lookup.shares import shares
from cfedge.train.measures.calibration_error import calibration_error
from cfedge.train.measures.odds import Outcomes, fitted, limits_of, odds_of, stated

TRUE = Odds((0.8, 0.5, 0.3), (-1.0, 0.5, 0.0), ())
TASKS = 4


def drawn(rng: np.random.Generator, count: int) -> Outcomes:
    """Held-out inputs of which the task found is right with the probability that `TRUE` says, and
    the label with the one that the head says.
    """
    task = np.arange(count) % TASKS
    stages = rng.integers(1, 4, count)
    margins = rng.exponential(3.0, count)
    label = 1 - rng.beta(1, 6, count)
    matches, truth, scores = [], np.zeros(count), {}
    found_right, right = np.zeros(count, bool), np.zeros(count, bool)
    for row in range(count):
        sure = TRUE.of_task(int(stages[row]), float(margins[row]))
        found_right[row] = rng.random() < sure
        other = int((task[row] + rng.integers(1, TASKS)) % TASKS)
        pair = (int(task[row]), other) if found_right[row] else (other, int(task[row]))
        matches.append(TaskMatch(*pair, 0.0, float(margins[row]), 0.0, int(stages[row])))
        is_best = rng.random() < label[row]
        right[row] = found_right[row] and is_best
        truth[row] = label[row] if is_best else (1 - label[row]) * rng.random()
        if not found_right[row]:
            behind = np.full(TASKS, -50.0, np.float32)
            behind[list(pair)] = 0.0, -float(margins[row])
            scores[row] = behind
    return Outcomes(
        task, rng.integers(0, 4, count), matches, label, right, np.zeros(count, bool), truth, scores
    )


def test_slopes_and_offsets_of_a_known_truth_are_found() -> None:
    outcomes = drawn(np.random.default_rng(0), 40_000)
    found = fitted(outcomes, np.ones(40_000, bool))
    assert found.slopes == pytest.approx(TRUE.slopes, rel=0.1)
    assert found.offsets == pytest.approx(TRUE.offsets, abs=0.12)


def test_with_one_label_it_is_logistic_regression() -> None:
    outcomes = drawn(np.random.default_rng(1), 6_000)
    one = Outcomes(**{**outcomes.__dict__, "label": np.ones(6_000), "right": _task_right(outcomes)})
    found = fitted(one, np.ones(6_000, bool))
    for stage in range(3):
        rows = [row for row, match in enumerate(one.matches) if match.stages == stage + 1]
        margins = np.array([[one.matches[row].margin] for row in rows])
        other = LogisticRegression(C=1e9).fit(margins, one.right[rows])
        assert found.slopes[stage] == pytest.approx(other.coef_[0, 0], rel=0.05)
        assert found.offsets[stage] == pytest.approx(other.intercept_[0], abs=0.05)


def _task_right(outcomes: Outcomes) -> np.ndarray:
    pairs = zip(outcomes.matches, outcomes.task, strict=True)
    return np.array([match.task == own for match, own in pairs])


def test_probabilities_of_inputs_to_come_come_true() -> None:
    rng = np.random.default_rng(2)
    errors = []
    for _ in range(5):
        odds = fitted(outcomes := drawn(rng, 3_000), np.ones(3_000, bool))
        later = drawn(rng, 8_000)
        said = [
            odds.of_task(match.stages, match.margin) * label
            for match, label in zip(later.matches, later.label, strict=True)
        ]
        errors.append(calibration_error(said, later.right))
        label_alone = calibration_error(later.label, later.right)
        assert label_alone > 0.1, "the draws would not tell a calibrated answer from others"
        assert calibration_error(stated(outcomes), outcomes.right) < 0.06
    assert np.mean(errors) < 0.02


def test_a_dozen_right_answers_do_not_claim_to_be_sure() -> None:
    rng = np.random.default_rng(3)
    matches = [TaskMatch(0, 1, 0.0, float(margin), 0.0, 1) for margin in rng.uniform(5, 60, 12)]
    every = np.ones(12)
    outcomes = Outcomes(
        np.zeros(12, int), np.arange(12) % 4, matches, every, every > 0, every < 0, every, {}
    )
    odds = fitted(outcomes, every > 0)
    assert 0.8 < odds.of_task(1, 30.0) < 0.99
    assert min(odds.slopes) > 0


def test_inputs_of_either_of_two_tasks_do_not_count() -> None:
    outcomes = drawn(np.random.default_rng(4), 2_000)
    spoilt = Outcomes(**{**outcomes.__dict__, "right": outcomes.right.copy()})
    spoilt.right[:1_000] = False
    spoilt.either[:1_000] = True
    there = np.arange(2_000) >= 1_000
    assert fitted(spoilt, np.ones(2_000, bool)) == fitted(outcomes, there)


def test_a_set_holds_the_right_answer_as_often_as_it_says() -> None:
    """Over draws: the mean coverage of each task's own inputs is the promised one, at least, and not
    above it by more than so few inputs cause.
    """
    rng = np.random.default_rng(5)
    count, came = 4 * 60, {coverage: [] for coverage in COVERAGES}
    for _ in range(40):
        every = odds_of(drawn(rng, count), TASKS)
        later = drawn(rng, 600)
        odds = fitted(later, np.zeros(600, bool))
        odds = Odds(every[0].slopes, every[0].offsets, ())
        for row, match in enumerate(later.matches):
            own = int(later.task[row])
            if match.task == own:
                share = odds.of_task(match.stages, match.margin)
            else:
                share = float(shares(odds, match, later.scores[row])[own])
            probability = share * later.truth[row]
            for coverage, limit in zip(COVERAGES, every[own].limits, strict=False):
                came[coverage].append(probability >= limit)
    for coverage, hits in came.items():
        if place_of(60, coverage) > 60:
            assert not hits
            continue
        assert coverage - 0.01 < np.mean(hits) < coverage + 1 / 61 + 0.015, coverage


def test_limits_are_order_statistics_rounded_down() -> None:
    rng = np.random.default_rng(6)
    truth = rng.random(50)
    found = limits_of(truth)
    assert len(found) == len([one for one in COVERAGES if place_of(50, one) <= 50]) == 8
    for coverage, limit in zip(COVERAGES, found, strict=False):
        exact = np.sort(truth)[::-1][math.ceil(51 * coverage) - 1]
        assert limit <= exact < limit * 1.001
        share = (truth >= limit).sum()
        assert share >= 51 * coverage - 1e-9


@pytest.mark.parametrize(("coverage", "least"), [(0.5, 1), (0.9, 9), (0.95, 19), (0.99, 99)])
def test_so_many_held_out_inputs_promise_a_coverage(coverage: float, least: int) -> None:
    assert place_of(least, coverage) <= least
    assert place_of(least - 1, coverage) > least - 1
    assert (len(limits_of(np.linspace(0, 1, least))) > COVERAGES.index(coverage)) is True
    assert (len(limits_of(np.linspace(0, 1, least - 1))) > COVERAGES.index(coverage)) is False


@pytest.mark.parametrize("stages", [1, 2, 3])
def test_the_other_tasks_share_what_the_best_leaves(stages: int) -> None:
    scores = np.array([3.0, -1.0, 7.0, 6.5], np.float32)
    match = TaskMatch(2, 3, 7.0, 0.5 * max(1, stages - 1), 0.0, stages)
    found = shares(TRUE, match, scores)
    assert found.sum() == pytest.approx(1.0)
    assert found[2] == TRUE.of_task(stages, match.margin)
    slope = TRUE.slopes[stages - 1] * max(1, stages - 1)
    assert found[3] / found[0] == pytest.approx(math.exp(slope * 3.5))
    assert found[0] / found[1] == pytest.approx(math.exp(slope * 4.0))


def test_of_one_task_its_share_is_all() -> None:
    match = TaskMatch(0, -1, 1.0, math.inf, 0.0, 1)
    assert shares(TRUE, match, np.ones(1, np.float32)).tolist() == [1.0]


@pytest.mark.parametrize("margin", [1e30, -1e30, math.inf])
def test_a_margin_beyond_all_is_a_probability_still(margin: float) -> None:
    assert 0 <= TRUE.of_task(1, margin) <= 1
