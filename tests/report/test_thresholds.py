"""Thresholds at every rate: as export would set them, and as plain counting says."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from cfedge.calibration import TERMS
from cfedge.lookup import TaskMatches
from cfedge.lookup.ood import ood_score
from cfedge.report.held_out import Answered
from cfedge.report.thresholds import RATES, thresholds
from cfedge.train.measures.calibrating import Terms, calibrations
from cfedge.train.measures.certificate import certify


def answered(task: list[int], score: np.ndarray) -> Answered:
    return Answered(np.array(task, np.int64), np.zeros(len(task), np.int64), score.round(3))


@pytest.fixture
def terms() -> dict[str, np.ndarray]:
    """Of the inputs of two tasks that the lookup gives to their own."""
    rng = np.random.default_rng(0)
    return {"a": rng.normal(size=(50, TERMS)), "b": rng.normal(size=(40, TERMS)) + 0.5}


def _above(one: Answered, limit: dict[str, dict[float, float]], rate: float) -> np.ndarray:
    pairs = zip(one.task, one.score, strict=True)
    return np.array([score > limit["ab"[task]][rate] for task, score in pairs])


@pytest.fixture
def known(terms: Terms) -> list[Answered]:
    rules = calibrations(terms)
    first, second = (ood_score(rules[name], terms[name]) for name in "ab")
    elsewhere = np.random.default_rng(2).normal(size=3)
    return [answered([0] * 50 + [1] * 3, np.r_[first, elsewhere]), answered([1] * 40, second)]


@pytest.fixture
def unknown() -> Answered:
    return answered([0] * 20 + [1] * 10, np.random.default_rng(1).normal(size=30) + 3)


def test_thresholds_are_those_that_export_writes(
    known: list[Answered], unknown: Answered, terms: Terms
) -> None:
    right = [np.ones(53, np.bool_), np.ones(40, np.bool_)]
    found = thresholds(["a", "b"], known, right, unknown, "given", terms)
    matches = {
        name: TaskMatches(one.task, one.task, *np.zeros((3, len(one.task)), np.float32), one.task)
        for name, one in zip("ab", known, strict=True)
    }
    for column, rate in enumerate(RATES):
        certified = certify(matches, terms, false_reject_rate=rate)
        for one in found.tasks:
            assert one.threshold[column] == pytest.approx(certified[one.task].threshold, abs=1e-4)
            if one.task == "a":  # whose rejected inputs are all its own
                assert one.rejected[column] == certified["a"].certificate.own_rejected


def test_shares_are_what_counting_says(
    known: list[Answered], unknown: Answered, terms: Terms
) -> None:
    right = [np.arange(53) % 7 > 0, np.arange(40) % 9 > 0]
    found = thresholds(["a", "b"], known, right, unknown, "given", terms)
    limit = {
        name: dict(zip(RATES, one.threshold, strict=True))
        for name, one in zip("ab", found.tasks, strict=True)
    }
    for column, rate in enumerate(RATES):
        flat = np.concatenate([_above(one, limit, rate) for one in known])
        good = np.concatenate(right)
        assert found.rejected[column] == pytest.approx(flat.mean(), abs=1e-6)
        assert found.caught[column] == pytest.approx(_above(unknown, limit, rate).mean(), abs=1e-6)
        assert found.wrong[column] == pytest.approx(1 - good[~flat].mean(), abs=1e-6)
    assert (found.known, found.unknown) == (93, 30)
    assert [(one.known, one.unknown) for one in found.tasks] == [(50, 20), (43, 10)]
    scores = [
        score - limit["ab"[task]][0.05]
        for one in [*known, unknown]
        for task, score in zip(one.task, one.score, strict=True)
    ]
    assert found.auroc == pytest.approx(roc_auc_score([0] * 93 + [1] * 30, scores), abs=1e-3)


def test_more_of_both_is_called_unknown_as_the_rate_grows(
    known: list[Answered], unknown: Answered, terms: Terms
) -> None:
    right = [np.ones(53, np.bool_), np.ones(40, np.bool_)]
    found = thresholds(["a", "b"], known, right, unknown, "given", terms)
    for shares in (found.rejected, found.caught):
        assert list(shares) == sorted(shares)
    assert found.wrong == (0.0,) * len(RATES)


def test_without_unknown_inputs_nothing_is_said_of_catching_them(
    known: list[Answered], terms: Terms
) -> None:
    right = [np.ones(53, np.bool_), np.ones(40, np.bool_)]
    found = thresholds(["a", "b"], known, right, None, "held back", terms)
    assert (found.unknown, found.auroc, set(found.caught), found.risk_with_unknown) == (
        0,
        None,
        {0.0},
        (),
    )


def test_risk_grows_to_the_share_of_wrong_answers() -> None:
    score = np.arange(100.0)
    right = np.arange(100) < 90
    terms = {"a": np.repeat(score[:, None], TERMS, axis=1)}
    unknown = answered([0] * 100, score + 200)
    found = thresholds(["a"], [answered([0] * 100, score)], [right], unknown, "given", terms)
    assert found.risk[-1] == pytest.approx(0.1)
    assert found.risk[found.coverage.index(0.9)] == 0
    assert found.risk_with_unknown[-1] == pytest.approx(0.55)
    assert found.risk_with_unknown[found.coverage.index(0.5)] == pytest.approx(0.1)
