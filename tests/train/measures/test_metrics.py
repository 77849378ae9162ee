"""Metrics on numbers that can be checked by hand, and against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from every import cases
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score, roc_curve

from cfedge.errors import UsageError
from cfedge.runtime.prediction import Prediction
from cfedge.train.measures.metrics import backward_transfer, confusion, forgetting, score
from cfedge.train.measures.open_set import risk_coverage, unknown_detection


def answer(
    task: str = "rooms",
    label: str = "heat",
    *,
    runner_up: str | None = None,
    ood_score: float = 0.0,
    unknown: bool = False,
) -> Prediction:
    return Prediction(
        task=task,
        label=label,
        probability=0.5,
        score=0.0,
        margin=None,
        runner_up=runner_up,
        distance=-7.0,
        ood_score=ood_score,
        early_exit=False,
        stages=1,
        unknown=unknown,
        reason="far away" if unknown else None,
        false_reject_rate=0.05,
        truncated=False,
        ms=1.0,
    )


# --- accuracy, task identification, task known
# ----------------------------------------------------------------------------------

LABELS = {"rooms": ["heat", "door"], "lifts": ["up", "down", "stuck"]}
ROW = st.tuples(
    st.integers(0, 2), st.sampled_from(sorted(LABELS)), st.integers(0, 2), st.integers(0, 2)
)


@settings(derandomize=True, deadline=None)
@given(
    rows=st.dictionaries(
        st.sampled_from(sorted(LABELS)), st.lists(ROW, min_size=1, max_size=12), min_size=1
    )
)
def test_accuracy_lies_between_task_identification_plus_known_minus_one_and_their_minimum(
    rows: dict[str, list[tuple[int, str, int, int]]],
) -> None:
    truth, free, given_task = {}, {}, {}
    for task, drawn in rows.items():
        own = LABELS[task]
        truth[task] = [own[true % len(own)] for true, *_ in drawn]
        given_task[task] = [answer(task, own[known % len(own)]) for *_, known in drawn]
        # Heads belong to tasks: where the task is right, the label is the one of the answer with
        # the task given.
        free[task] = [
            one if found == task else answer(found, LABELS[found][label % len(LABELS[found])])
            for (_, found, label, _), one in zip(drawn, given_task[task], strict=True)
        ]
    scores = score(truth, free, given_task)
    for one in (scores, *scores.tasks):
        assert one.task_identification + one.known - 1 <= one.accuracy + 1e-12
        assert one.accuracy <= min(one.task_identification, one.known) + 1e-12
        assert 0 <= one.accuracy <= 1


def test_an_answer_counts_only_with_task_and_label_right() -> None:
    # One of each: both right, label wrong, task wrong, and another task's label of the same name.
    truth = {"rooms": ["heat"] * 4}
    free = {
        "rooms": [
            answer("rooms", "heat"),
            answer("rooms", "door"),
            answer("lifts", "up"),
            answer("lifts", "heat"),
        ]
    }
    known = {"rooms": [answer(), answer(label="door"), answer(), answer()]}
    (row,) = score(truth, free, known).tasks
    assert (row.task, row.examples) == ("rooms", 4)
    assert (row.accuracy, row.task_identification, row.known) == (0.25, 0.5, 0.75)


def test_an_unknown_answer_is_counted_beside_its_task_and_label() -> None:
    free = {"rooms": [answer(unknown=True), answer(), answer(), answer("lifts", unknown=True)]}
    (row,) = score({"rooms": ["heat"] * 4}, free, {"rooms": [answer()] * 4}).tasks
    assert row.called_unknown == 0.5
    assert row.accuracy == 0.75


def test_only_answers_that_are_not_called_unknown_have_a_calibration_error() -> None:
    known = {"rooms": [answer()] * 2}
    for free, error in (
        ([answer(), answer("lifts", unknown=True)], 0.5),
        ([answer(), answer("lifts")], 0.0),
        ([answer(unknown=True)] * 2, None),
    ):
        assert score({"rooms": ["heat"] * 2}, {"rooms": free}, known).calibration_error == error


def test_pooled_shares_weigh_examples_and_the_task_mean_weighs_tasks() -> None:
    truth = {"rooms": ["heat"] * 8, "lifts": ["up"] * 2}
    free = {
        "rooms": [answer()] * 6 + [answer("lifts", "up")] * 2,
        "lifts": [answer("lifts", "up"), answer()],
    }
    known = {"rooms": [answer()] * 8, "lifts": [answer("lifts", "up"), answer("lifts", "down")]}
    scores = score(truth, free, known)
    assert [row.accuracy for row in scores.tasks] == [0.75, 0.5]
    assert scores.accuracy == pytest.approx(7 / 10)
    assert scores.task_mean == pytest.approx((0.75 + 0.5) / 2)
    assert scores.task_identification == pytest.approx(7 / 10)
    assert scores.known == pytest.approx(9 / 10)


@cases("short", ["free", "known"])
def test_fewer_answers_than_labels_are_no_score(short: str) -> None:
    answers = {"free": [answer()] * 2, "known": [answer()] * 2}
    answers[short].pop()
    with pytest.raises(ValueError, match=r"zip\(\) argument"):
        score({"rooms": ["heat"] * 2}, {"rooms": answers["free"]}, {"rooms": answers["known"]})


# --- forgetting
# -------------------------------------------------------------------------------------------------------


def test_forgetting_is_the_mean_drop_from_each_earlier_tasks_best() -> None:
    matrix = np.array([[0.90, 0.00, 0.00], [0.95, 0.80, 0.00], [0.70, 0.75, 0.99]])
    assert forgetting(matrix) == pytest.approx(((0.95 - 0.70) + (0.80 - 0.75)) / 2)


def test_what_is_above_the_diagonal_is_not_looked_at() -> None:
    # a[j, i] for j < i is the accuracy on a task not learned yet; chance may make it high.
    matrix = np.array([[0.90, 1.00, 1.00], [0.95, 0.80, 1.00], [0.70, 0.75, 0.99]])
    assert forgetting(matrix) == pytest.approx(0.15)


def test_a_task_that_only_gets_better_is_not_forgotten() -> None:
    assert forgetting(np.array([[0.5, 0], [0.9, 0.7]])) == 0.0


def test_one_task_is_not_forgotten() -> None:
    assert forgetting(np.array([[0.4]])) == 0.0


def test_backward_transfer_is_the_mean_change_since_each_earlier_task_was_learned() -> None:
    matrix = np.array([[0.90, 0.00, 0.00], [0.95, 0.80, 0.00], [0.70, 0.85, 0.99]])
    assert backward_transfer(matrix) == pytest.approx(((0.70 - 0.90) + (0.85 - 0.80)) / 2)
    assert backward_transfer(np.array([[0.4]])) == 0.0


# --- which task for which
# ---------------------------------------------------------------------------------------------


def test_confusion_counts_by_true_task_and_task_found() -> None:
    found = confusion(np.array([0, 0, 2, 2, 2]), np.array([0, 1, 2, 0, 0]), 3)
    assert found.tolist() == [[1, 1, 0], [0, 0, 0], [2, 0, 1]]


def test_top_two_counts_the_runner_up_and_what_no_examples_were_given_of_has_a_column() -> None:
    truth = {"rooms": ["heat"] * 3, "lifts": ["up"] * 2}
    free = {
        "rooms": [
            answer("rooms"),
            answer("lifts", "up", runner_up="rooms"),
            answer("doors", "open", runner_up="lifts"),
        ],
        "lifts": [answer("lifts", "up", runner_up="rooms"), answer("rooms", runner_up="doors")],
    }
    known = {name: [answer(name)] * len(labels) for name, labels in truth.items()}
    scores = score(truth, free, known)
    assert scores.top2 == pytest.approx(3 / 5)
    assert scores.confusion == [[1, 1, 1], [1, 1, 0]]


# --- unknown inputs
# ---------------------------------------------------------------------------------------------------


def answers(novelties: list[float], *, above: float = np.inf) -> list[Prediction]:
    return [answer(ood_score=ood_score, unknown=ood_score > above) for ood_score in novelties]


def test_auroc_is_the_share_of_pairs_in_order_and_ties_count_half() -> None:
    # Of 3 x 2 pairs (known, stranger): 1 < 3, 1 < 2, 2 < 3, 2 = 2, 4 > 3, 4 > 2.
    assert unknown_detection(answers([1, 2, 4]), answers([3, 2])).auroc == pytest.approx(3.5 / 6)


@cases(
    ("known", "out_of_domain", "auroc"),
    [([1, 2], [3, 4], 1.0), ([3, 4], [1, 2], 0.0), ([5, 5], [5], 0.5)],
)
def test_auroc_at_its_ends(known: list[float], out_of_domain: list[float], auroc: float) -> None:
    assert unknown_detection(answers(known), answers(out_of_domain)).auroc == auroc


def test_fpr95_is_the_share_of_known_inputs_above_the_distance_that_finds_95_percent_of_strangers() -> (
    None
):
    # 21 out_of_domain 10..30: the 5 % quantile is 11, which finds 20 of 21. Of the known, 11 and 12 are
    # as far away or further.
    found = unknown_detection(
        answers([1, 2, 3, 4, 5, 9, 10, 10.5, 11, 12]),
        answers([float(value) for value in range(10, 31)]),
    )
    assert found.fpr95 == pytest.approx(2 / 10)


@cases("out_of_domain", [21, 101, 401])
def test_auroc_and_fpr95_are_scikit_learns(out_of_domain: int) -> None:
    rng = np.random.default_rng(out_of_domain)
    inside, outside = rng.normal(size=300), rng.normal(size=out_of_domain) + 1.5
    truth = np.repeat([0, 1], [300, out_of_domain])
    false_positives, true_positives, _ = roc_curve(
        truth, np.concatenate([inside, outside]), drop_intermediate=False
    )
    found = unknown_detection(answers(inside.tolist()), answers(outside.tolist()))
    assert found.auroc == pytest.approx(roc_auc_score(truth, np.concatenate([inside, outside])))
    assert found.fpr95 == pytest.approx(
        false_positives[np.argmax(true_positives >= 0.95)], abs=1 / 300
    )


def test_the_shares_at_the_shipped_threshold_are_those_of_the_answers() -> None:
    found = unknown_detection(answers([1, 2, 3, 6], above=5), answers([4, 7, 8], above=5))
    assert found.detected == pytest.approx(2 / 3)
    assert found.false_rejects == pytest.approx(1 / 4)


@cases("out_of_domain", [2, 10, 30, 50])
def test_fpr95_finds_at_least_95_percent_of_few_strangers(out_of_domain: int) -> None:
    # Known inputs lie between the out_of_domain, so that each step of the threshold shows.
    outside = [float(value) for value in range(out_of_domain)]
    inside = [value + 0.01 for value in outside]
    truth = np.repeat([0, 1], [out_of_domain, out_of_domain])
    false_positives, true_positives, _ = roc_curve(
        truth, np.array(inside + outside), drop_intermediate=False
    )
    expected = false_positives[np.argmax(true_positives >= 0.95)]
    assert unknown_detection(answers(inside), answers(outside)).fpr95 == pytest.approx(expected)


# --- risk by coverage
# -------------------------------------------------------------------------------------------------


def test_risk_is_the_share_of_wrong_answers_among_the_most_confident() -> None:
    found = risk_coverage([True, False, True, False], [4.0, 1.0, 3.0, 2.0])
    assert found.coverage == [0.25, 0.5, 0.75, 1.0]
    assert found.risk == pytest.approx([0, 0, 1 / 3, 1 / 2])
    assert found.area == pytest.approx((1 / 3 + 1 / 2) / 4)


def test_no_answers_have_no_risk_and_no_score() -> None:
    with pytest.raises(
        UsageError, match="risk by coverage: expected at least one answer, found none"
    ):
        risk_coverage([], [])
    with pytest.raises(UsageError, match="score: expected test examples of any task, found none"):
        score({}, {}, {})
    with pytest.raises(
        UsageError,
        match="score: expected test examples of 'b', found none; give some or leave the task out",
    ):
        score({"a": ["x"], "b": []}, {"a": answers([0.0]), "b": []}, {"a": answers([0.0]), "b": []})


def test_answers_of_equal_confidence_share_their_risk_whatever_their_order() -> None:
    one, other = (
        risk_coverage([True, False, True], [1.0, 1.0, 0.0]),
        risk_coverage([False, True, True], [1.0, 1.0, 0.0]),
    )
    assert one == other
    assert one.risk == pytest.approx([0.5, 0.5, 1 / 3])


@settings(derandomize=True, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(-5, 5)), min_size=1, max_size=30))
def test_risk_at_full_coverage_is_the_error_and_no_order_has_less_area_than_the_true_one(
    rows: list[tuple[bool, int]],
) -> None:
    right = [one for one, _ in rows]
    found = risk_coverage(right, [value for _, value in rows])
    assert found.risk[-1] == pytest.approx(1 - np.mean(right))
    assert risk_coverage(right, [float(one) for one in right]).area <= found.area + 1e-12
