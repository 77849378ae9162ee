"""Certificates against SciPy's interval, and against fresh draws from clusters whose true error
rates are known.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields

import numpy as np
import pytest
from every import cases
from numpy.typing import NDArray
from scipy import stats
from scipy.spatial.distance import cdist
from sklearn.preprocessing import normalize

from cfedge.bundle.manifest import Certificate
from cfedge.calibration import TERMS
from cfedge.confidence import lower_bound, upper_bound
from cfedge.errors import UsageError
from cfedge.lookup import (
    ClusterStatistics,
    Evidence,
    Features,
    Lookup,
    Router,
    TaskMatches,
    TaskSignature,
    decide,
)
from cfedge.lookup.bounds import distances, nearest
from cfedge.lookup.lda import shared_covariance
from cfedge.train.certify.inspection import _status, inspect, mixture_bounds
from cfedge.train.certify.overlaps import OVERLAP_SHARE, Overlap, overlaps
from cfedge.train.features.signature import exact_statistics, learn_signature, signature
from cfedge.train.measures.certificate import ALPHA, Certified, certify
from cfedge.train.measures.chernoff import Components, chernoff
from cfedge.train.measures.margins import route

Floats = NDArray[np.float32]


@pytest.fixture(autouse=True)
def strict_numerics() -> Iterator[None]:
    # Underflow is left out: what is below float16's least number is stored as 0, as it should be.
    with np.errstate(all="raise"):
        yield


def certified(
    signatures: dict[str, ClusterStatistics], held_out: dict[str, Floats], **choices: float
) -> dict[str, Certified]:
    """Certify one look at the held-out features."""
    lookup = Lookup(signatures)
    found = {name: lookup(features) for name, features in held_out.items()}
    return certify(found, terms_by_distance(found), **choices)


def distance_at(one: Certified, distance: NDArray[np.float32] | float) -> NDArray[np.float64]:
    """Scores of such distances."""
    return (np.asarray(distance, np.float64) - one.calibration.centers[1]) / one.calibration.scales[
        1
    ]


def terms_by_distance(found: Mapping[str, TaskMatches]) -> dict[str, NDArray[np.float64]]:
    """Terms of which the trunk's density alone counts, and is the distance."""
    terms = {}
    for position, (name, own) in enumerate(sorted(found.items())):
        routed = own.distance[own.task == position]
        distances = routed if len(routed) else own.distance
        terms[name] = np.zeros((len(distances), TERMS))
        terms[name][:, 1] = distances
    return terms


# --- the limit
# --------------------------------------------------------------------------------------------------------


@cases(("examples", "alpha"), list(itertools.product([1, 2, 10, 97, 3000], [0.05, 0.005, 0.5])))
def test_the_upper_bound_is_the_exact_one_sided_interval(examples: int, alpha: float) -> None:
    for errors in sorted({0, 1, examples // 3, examples - 1, examples}):
        interval = stats.binomtest(errors, examples, alternative="less").proportion_ci(
            1 - alpha, method="exact"
        )
        assert interval.low == 0
        assert upper_bound(errors, examples, alpha) == pytest.approx(interval.high, rel=1e-9)


@cases("examples", [1, 5, 59, 1000])
def test_without_errors_the_limit_is_one_minus_the_root_of_alpha(examples: int) -> None:
    assert upper_bound(0, examples, 0.05) == pytest.approx(1 - 0.05 ** (1 / examples), rel=1e-9)


def test_59_examples_without_error_show_95_percent() -> None:
    # The textbook's number: the least n that shows an error rate under 5 % with 95 % confidence.
    assert upper_bound(0, 59, 0.05) < 0.05 < upper_bound(0, 58, 0.05)


@cases("examples", [0, 1, 40])
def test_only_errors_or_no_examples_give_the_limit_one(examples: int) -> None:
    assert upper_bound(examples, examples, 0.05) == 1.0


def test_the_limit_grows_with_errors_and_with_confidence_and_is_above_the_share() -> None:
    limits = [upper_bound(errors, 50, 0.05) for errors in range(51)]
    assert all(later > earlier for earlier, later in itertools.pairwise(limits))
    assert all(limit > errors / 50 for errors, limit in enumerate(limits[:-1]))
    assert upper_bound(3, 50, 0.01) > upper_bound(3, 50, 0.05)


# --- the threshold
# ----------------------------------------------------------------------------------------------------


def test_the_threshold_is_of_the_novelty_of_the_examples_that_the_lookup_gives_to_the_task() -> (
    None
):
    rng = np.random.default_rng(7)
    signatures, points = make_points(2)
    held_out = (points[0] + rng.normal(size=(40, 2)) * 0.05).astype(np.float32)
    held_out[:5] = points[1]  # these go to the other task
    found = Lookup(signatures)(held_out)
    assert found.task.tolist() == [1] * 5 + [0] * 35
    lookups = {"task 0": found, "task 1": Lookup(signatures)(points[1:])}
    terms = terms_by_distance(lookups)
    assert len(terms["task 0"]) == 35
    terms["task 1"][:, 1] = -1e9  # below all of task 0's: these do not make its threshold higher
    evidence = certify(lookups, terms, false_reject_rate=0.25)["task 0"]
    every = np.concatenate([terms["task 0"], terms["task 1"]])[:, 1]
    strange = np.sort((terms["task 0"][:, 1] - every.mean()) / every.std())
    assert evidence.threshold == pytest.approx(float(strange[26]), abs=2e-4)  # ceil(36 x .75)
    assert evidence.certificate.own == 35


# --- all tasks together
# -----------------------------------------------------------------------------------------------


def make_points(tasks: int) -> tuple[dict[str, ClusterStatistics], Floats]:
    """One cluster a task on an axis of its own, so far apart that a point on axis i is task i's,
    without doubt.
    """
    points = np.eye(tasks, dtype=np.float32)
    spread = np.float32(0.05) * np.concatenate([np.eye(tasks), -np.eye(tasks)]).astype(np.float32)
    zeros = np.zeros(len(spread), np.int64)
    return {
        f"task {index}": signature(points[index] + spread, zeros) for index in range(tasks)
    }, points


@pytest.mark.parametrize("draws", [600, pytest.param(2000, marks=pytest.mark.soak)])
def test_all_limits_hold_together_in_95_percent_of_draws(draws: int) -> None:
    """A draw is wrong where any task's true error rate is above its limit. Rates just above what no
    error (or one) allows, where the limit is weakest: the draws come as close to the promised 5 %
    as whole numbers of errors let them.
    """
    examples = np.array([25, 25, 20, 30])
    rates = np.array([0.165, 0.245, 0.2, 0.14])
    signatures, points = make_points(4)
    names = list(signatures)
    rng = np.random.default_rng(2026)
    wrong = 0
    for _ in range(draws):
        errors = rng.binomial(examples, rates)
        held_out = {
            # An error is a point of the next task.
            name: points[np.where(np.arange(examples[task]) < errors[task], (task + 1) % 4, task)]
            for task, name in enumerate(names)
        }
        evidence = certified(signatures, held_out)
        assert [evidence[name].certificate.errors for name in names] == errors.tolist()
        wrong += any(
            evidence[name].certificate.wrong_task_at_most < rate
            for name, rate in zip(names, rates, strict=True)
        )

    below = [
        sum(stats.binom.pmf(k, n, p) for k in range(n) if upper_bound(k, int(n), ALPHA / 4) < p)
        for n, p in zip(examples, rates, strict=True)
    ]
    exact = 1 - float(np.prod(1 - np.array(below)))
    assert 0.02 < exact <= ALPHA
    assert wrong / draws <= ALPHA
    assert wrong / draws == pytest.approx(exact, abs=4 * (exact * (1 - exact) / draws) ** 0.5)


def test_each_limit_is_at_alpha_shared_among_the_tasks() -> None:
    signatures, points = make_points(5)
    held_out = {name: points[[index] * 30] for index, name in enumerate(signatures)}
    for alpha in (0.05, 0.2):
        for one in certified(signatures, held_out, alpha=alpha).values():
            assert one.certificate.wrong_task_at_most == pytest.approx(1 - (alpha / 5) ** (1 / 30))
            assert (one.certificate.alpha, one.certificate.tasks) == (alpha, 5)


# --- what is counted
# --------------------------------------------------------------------------------------------------


def make_gaussians(
    seed: int, *, tasks: int, classes: int = 2, width: int = 8, examples: int = 60
) -> tuple[dict[str, ClusterStatistics], dict[str, Floats]]:
    """Overlapping Gaussian clusters: signatures from one draw, held-out features from another."""
    rng = np.random.default_rng(seed)
    means = rng.normal(size=(tasks, classes, width)) * 0.7
    labels = np.arange(examples) % classes

    def draw(task: int) -> Floats:
        return (means[task][labels] + rng.normal(size=(examples, width)) * 0.6).astype(np.float32)

    names = [f"task {index}" for index in range(tasks)]
    return (
        {name: signature(draw(index), labels) for index, name in enumerate(names)},
        {name: draw(index) for index, name in enumerate(names)},
    )


def test_errors_are_counted_as_the_lookup_makes_them() -> None:
    signatures, held_out = make_gaussians(0, tasks=4)
    lookup = Lookup(signatures)
    evidence = certified(signatures, held_out)
    assert list(evidence) == list(lookup.tasks)
    counted = 0
    for position, name in enumerate(lookup.tasks):
        found = [int(lookup(row[None]).task[0]) for row in held_out[name]]
        certificate = evidence[name].certificate
        assert certificate.held_out == 60
        assert certificate.errors == sum(task != position for task in found)
        assert certificate.wrong_task_at_most == upper_bound(certificate.errors, 60, ALPHA / 4)
        taken = [found.count(other) if other != position else 0 for other in range(4)]
        assert certificate.rival == (
            lookup.tasks[int(np.argmax(taken))] if certificate.errors else None
        )
        assert certificate.rival_errors == max(taken)
        counted += certificate.errors
    assert counted > 10


def test_the_order_of_tasks_does_not_matter() -> None:
    signatures, held_out = make_gaussians(1, tasks=4)
    turned = certified(dict(reversed(signatures.items())), dict(reversed(held_out.items())))
    assert turned == certified(signatures, held_out)


def test_the_rival_is_the_task_that_takes_most() -> None:
    signatures, points = make_points(4)
    held_out = {name: points[[index] * 10] for index, name in enumerate(signatures)}
    held_out["task 1"] = points[[1, 1, 1, 1, 1, 1, 0, 3, 3, 2]]
    certificate = certified(signatures, held_out)["task 1"].certificate
    assert (certificate.errors, certificate.rival, certificate.rival_errors) == (4, "task 3", 2)


def test_rivals_that_take_as_much_are_named_in_order() -> None:
    signatures, points = make_points(4)
    held_out = {name: points[[index] * 10] for index, name in enumerate(signatures)}
    held_out["task 1"] = points[[1, 1, 1, 1, 3, 3, 2, 2, 0, 1]]
    certificate = certified(signatures, held_out)["task 1"].certificate
    assert (certificate.errors, certificate.rival, certificate.rival_errors) == (5, "task 2", 2)


def test_without_errors_there_is_no_rival() -> None:
    signatures, points = make_points(3)
    certificate = certified(
        signatures, {name: points[[index]] for index, name in enumerate(signatures)}
    )["task 2"].certificate
    assert (certificate.errors, certificate.rival, certificate.rival_errors) == (0, None, 0)


def test_a_new_rival_never_lowers_the_errors_or_the_limit() -> None:
    # The clusters spread alike and have their examples' scatter in common, so that a new task moves
    # no old boundary.
    rng = np.random.default_rng(3)
    spread = np.concatenate([np.eye(6), -np.eye(6)]) * 0.4
    means = rng.normal(size=(6, 6)) * 0.5
    signatures = {
        f"task {i}": signature((means[i] + spread).astype(np.float32), np.zeros(12, np.int64))
        for i in range(6)
    }
    held_out = {
        f"task {i}": (means[i] + rng.normal(size=(80, 6)) * 0.4).astype(np.float32)
        for i in range(6)
    }
    before: dict[str, Certified] = {}
    for tasks in range(1, 7):
        names = list(signatures)[:tasks]
        after = certified(
            {name: signatures[name] for name in names}, {name: held_out[name] for name in names}
        )
        for name, old in before.items():
            assert after[name].certificate.errors >= old.certificate.errors
            assert after[name].certificate.wrong_task_at_most > old.certificate.wrong_task_at_most
        before = after
    assert sum(one.certificate.errors for one in before.values()) > 20


def test_one_task_alone_has_no_errors() -> None:
    signatures, held_out = make_gaussians(4, tasks=1)
    certificate = certified(signatures, held_out)["task 0"].certificate
    assert (certificate.errors, certificate.rival) == (0, None)
    assert certificate.wrong_task_at_most == pytest.approx(1 - ALPHA ** (1 / 60))


def test_one_held_out_example_is_enough() -> None:
    signatures, points = make_points(2)
    evidence = certified(signatures, {"task 0": points[:1], "task 1": points[:1]})
    right, wrong = evidence["task 0"], evidence["task 1"]
    assert (right.certificate.held_out, right.certificate.errors) == (1, 0)
    assert right.certificate.wrong_task_at_most == pytest.approx(1 - ALPHA / 2)
    assert (
        wrong.certificate.errors,
        wrong.certificate.wrong_task_at_most,
        wrong.certificate.rival,
    ) == (
        1,
        1.0,
        "task 0",
    )
    distance = float(Lookup(signatures)(points[:1]).distance[0])
    assert right.threshold >= distance_at(right, distance)


# --- the threshold
# ----------------------------------------------------------------------------------------------------


@cases(
    ("examples", "rate", "place"),
    [
        (19, 0.05, 19),
        (20, 0.05, 20),
        (39, 0.05, 38),
        (99, 0.05, 95),
        (100, 0.05, 96),
        (100, 0.2, 81),
        (9, 0.3, 7),
        (4, 0.05, 4),
    ],
)
def test_the_threshold_is_the_stated_distance_of_the_examples_that_the_lookup_gives_to_the_task(
    examples: int, rate: float, place: int
) -> None:
    signatures, _ = make_points(3)
    rng = np.random.default_rng(examples)
    near = {
        name: one.means[0] + rng.normal(size=(examples, 3)) * 0.05
        for name, one in signatures.items()
    }
    strays = {
        name: np.roll(list(near.values()), 1, axis=0)[place][:5] for place, name in enumerate(near)
    }
    held_out = {
        name: np.concatenate([near[name], strays[name]]).astype(np.float32) for name in near
    }
    evidence = certified(signatures, held_out, false_reject_rate=rate)
    lookup = Lookup(signatures)
    for name, one in evidence.items():
        assert one.certificate.errors == len(strays[name])
        own = held_out[name][:examples]
        least = distance_at(one, sorted(lookup(own).distance.tolist())[place - 1])
        assert one.threshold >= least - 1e-9  # all tasks' may make it higher, never lower
        assert one.threshold <= max(least, *(other.threshold for other in evidence.values()))
        assert one.false_reject_rate == max(rate, 1 / (examples + 1))


@cases("rate", [0.05, 0.2])
def test_fresh_inputs_are_rejected_at_about_the_chosen_rate(rate: float) -> None:
    rng = np.random.default_rng(5)
    means = rng.normal(size=(3, 10)) * 2

    def draw(task: int, examples: int) -> Floats:
        return (means[task] + rng.normal(size=(examples, 10))).astype(np.float32)

    signatures = {f"task {i}": signature(draw(i, 200), np.zeros(200, np.int64)) for i in range(3)}
    lookup = Lookup(signatures)
    evidence = certified(
        signatures, {f"task {i}": draw(i, 1000) for i in range(3)}, false_reject_rate=rate
    )
    for task in range(3):
        one = evidence[f"task {task}"]
        rejected = (distance_at(one, lookup(draw(task, 4000)).distance) > one.threshold).mean()
        # Four standard deviations of the threshold's 1,000 draws and of these 4,000.
        assert rejected == pytest.approx(
            rate, abs=4 * (rate * (1 - rate) * (1 / 1000 + 1 / 4000)) ** 0.5
        )


def test_over_many_small_held_out_sets_the_mean_false_reject_rate_keeps_to_the_chosen_one() -> None:
    """Split conformal's promise: at most the rate, and at least the rate less 1 / (N + 1), over
    draws of the held-out set.
    """
    rng = np.random.default_rng(6)
    signatures = {
        "only": signature(rng.normal(size=(100, 4)).astype(np.float32), np.arange(100) % 2)
    }
    fresh = np.sort(Lookup(signatures)(rng.normal(size=(5000, 4)).astype(np.float32)).distance)
    rejected = []
    for _ in range(600):
        evidence = certified(
            signatures, {"only": rng.normal(size=(24, 4)).astype(np.float32)}, false_reject_rate=0.1
        )
        rejected.append(
            (distance_at(evidence["only"], fresh) > evidence["only"].threshold + 1e-6).mean()
        )
    # 23rd smallest of 24: 2 of 25 places are above it.
    assert np.mean(rejected) == pytest.approx(2 / 25, abs=0.01)


# --- the lookup's own model
# -------------------------------------------------------------------------------------------


def test_separations_are_mahalanobis_distances_under_the_shared_covariance() -> None:
    signatures, _ = make_gaussians(7, tasks=3, width=6, examples=400)
    lookup = Lookup(signatures)
    scatter = sum(
        one.factor.astype(np.float64).T @ one.factor.astype(np.float64)
        + np.diag(one.diagonal.astype(np.float64))
        for one in signatures.values()
    )
    covariance = scatter / sum(one.counts.sum() for one in signatures.values())
    level = np.trace(covariance) / 6
    shrunk = (1 - lookup.shrinkage) * covariance + (lookup.shrinkage + 1e-6) * level * np.eye(6)
    inverse = np.linalg.inv(shrunk)
    apart = distances(lookup, "task 1")
    rivals = {}
    for rival, span in zip(("task 0", "task 2"), (lookup.spans[0], lookup.spans[2]), strict=True):
        expected = cdist(
            signatures["task 1"].means.astype(np.float64),
            signatures[rival].means.astype(np.float64),
            "mahalanobis",
            VI=inverse,
        )
        np.testing.assert_allclose(apart[:, span], expected, rtol=1e-6)
        rivals[rival] = float(apart[:, span].min())
    closest = min(rivals, key=rivals.__getitem__)
    assert nearest(lookup, "task 1") == (closest, rivals[closest])
    assert nearest(Lookup({"task 1": signatures["task 1"]}), "task 1") is None


def test_for_two_gaussian_clusters_the_bound_is_the_error_of_the_lookup() -> None:
    rng = np.random.default_rng(8)
    means = np.array([[1.0, 0, 0, 0], [-0.2, 0.5, 0, 0]])

    def draw(task: int, examples: int) -> Floats:
        return (means[task] + rng.normal(size=(examples, 4)) * [0.6, 0.3, 0.5, 0.4]).astype(
            np.float32
        )

    many = 40_000
    signatures = {
        f"task {task}": exact_statistics(draw(task, many), np.zeros(many, np.int64))
        for task in (0, 1)
    }
    held_out = {f"task {task}": draw(task, many) for task in (0, 1)}
    for one in inspect(signatures, held_out).values():
        share = one.errors / many
        assert one.bound == pytest.approx(share, abs=5 * (share * (1 - share) / many) ** 0.5)
        assert 0.02 < one.bound < 0.2


def test_with_many_rivals_the_bound_is_above_the_error_of_gaussian_clusters() -> None:
    signatures, held_out = make_gaussians(9, tasks=4, classes=3, width=8, examples=3000)
    found = inspect(signatures, held_out)
    assert all(one.bound > one.errors / 3000 for one in found.values())
    assert {one.status for one in found.values()} <= {"holds", "vacuous"}


def test_an_unshrunk_covariance_of_few_examples_is_reported_violated() -> None:
    # 40 examples in 32 dimensions: the sample covariance is far too small along some directions,
    # and the model sure of itself.
    signatures, held_out = make_gaussians(10, tasks=2, width=32, examples=20)
    _, many = make_gaussians(10, tasks=2, width=32, examples=1000)
    unshrunk, shrunk = inspect(signatures, many, shrinkage=0.0), inspect(signatures, many)
    assert {one.status for one in unshrunk.values()} == {"violated"}
    assert all(shrunk[name].bound > 10 * unshrunk[name].bound for name in signatures)
    assert len(held_out) == 2


def test_the_status_says_how_the_bound_stands_to_the_evidence() -> None:
    certificate = Certificate(
        held_out=100,
        errors=10,
        wrong_task_at_most=0.2,
        alpha=0.05,
        tasks=2,
        rival=None,
        rival_errors=0,
        wrong=10,
        wrong_answer_at_most=0.2,
    )
    low = lower_bound(10, 100, 0.025)
    assert [_status(certificate.errors, certificate, bound) for bound in (1.0, 0.1, 0.99 * 0.1, low * 0.99)] == [
        "vacuous", "holds", "undecided", "violated"
    ]  # fmt: skip


@cases("examples", [1, 2, 10, 97])
def test_the_lower_bound_is_the_exact_one_sided_interval(examples: int) -> None:
    for errors in sorted({0, 1, examples // 3, examples}):
        interval = stats.binomtest(errors, examples, alternative="greater").proportion_ci(
            0.95, method="exact"
        )
        assert lower_bound(errors, examples, 0.05) == pytest.approx(interval.low, rel=1e-9)


def test_the_nearest_rival_is_the_one_with_the_nearest_cluster_and_a_single_task_has_none() -> None:
    signatures, points = make_points(3)
    near = {
        "near": signature(
            points[2] * np.float32(0.7)
            + points[1] * np.float32(0.3)
            + np.eye(3, dtype=np.float32) * 0.05,
            np.zeros(3, np.int64),
        )
    }
    found = inspect(
        {**signatures, **near},
        {name: points[[index % 3]] for index, name in enumerate([*signatures, "near"])},
    )
    assert found["task 2"].nearest == "near"
    alone = inspect({"task 0": signatures["task 0"]}, {"task 0": points[[0]]})["task 0"]
    assert (alone.nearest, alone.separation, alone.bound, alone.status) == (
        None,
        None,
        0.0,
        "holds",
    )


# --- tasks that coincide
# ------------------------------------------------------------------------------------------------


def overlapping(
    twins: Mapping[str, TaskSignature], held_out: Mapping[str, Features], of: list[str]
) -> tuple[list[Overlap], dict[str, Certified]]:
    router, found = route(twins, held_out)
    evidence = certify(found, terms_by_distance(found))
    return overlaps(router, found, evidence, of), evidence


def make_looks(
    means: NDArray[np.float64], seed: int, examples: int = 60
) -> tuple[TaskSignature, Features]:
    rng = np.random.default_rng(seed)
    labels = np.arange(examples) % len(means)

    def draw() -> Features:
        x = means[labels] + rng.normal(size=(examples, means.shape[1])) * 0.1
        x = (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)
        return Features(x, x)

    return learn_signature(draw(), labels), draw()


def test_tasks_whose_clusters_coincide_are_both_named_with_what_their_limits_became() -> None:
    means = np.eye(8)
    made = {
        "lamps": make_looks(means[:3], 1),
        "lights": make_looks(means[:3], 2),
        "doors": make_looks(means[3:6], 3),
    }
    twins, held_out = (
        {name: one[0] for name, one in made.items()},
        {name: one[1] for name, one in made.items()},
    )
    alone, before = overlapping(
        {"lamps": twins["lamps"], "doors": twins["doors"]},
        {name: held_out[name] for name in ("lamps", "doors")},
        ["lamps"],
    )
    assert alone == []
    pairs, evidence = overlapping(twins, held_out, ["lights"])
    assert {(one.task, one.rival) for one in pairs} == {("lights", "lamps"), ("lamps", "lights")}
    one = next(one for one in pairs if one.task == "lights")
    assert one.held_out == 60
    assert one.taken > 10
    assert one.share > 0.25
    assert one.wrong_task_at_most == evidence["lights"].certificate.wrong_task_at_most > 0.3
    assert (
        one.rival_wrong_task_at_most
        == evidence["lamps"].certificate.wrong_task_at_most
        > before["lamps"].certificate.wrong_task_at_most + 0.2
    )
    everyone, _ = overlapping(twins, held_out, sorted(twins))
    assert {(one.task, one.rival) for one in everyone} == {("lights", "lamps"), ("lamps", "lights")}


def test_an_old_task_that_a_new_ones_class_lies_on_is_named_where_the_new_one_hardly_loses() -> (
    None
):
    means = np.eye(24)
    made = {"old": make_looks(means[:2], 1), "new": make_looks(means[1:21], 2, 600)}
    twins, held_out = (
        {name: one[0] for name, one in made.items()},
        {name: one[1] for name, one in made.items()},
    )
    pairs, evidence = overlapping(twins, held_out, ["new"])
    assert [(one.task, one.rival) for one in pairs] == [("old", "new")]
    assert pairs[0].wrong_task_at_most == evidence["old"].certificate.wrong_task_at_most
    # Half of the old task's inputs lie on the new one's class. A task of many classes gives way
    # (docs/decisions/0044-one-class.md), so fewer of them go there; the model says how many.
    assert pairs[0].share >= OVERLAP_SHARE
    assert abs(pairs[0].share - pairs[0].taken / pairs[0].held_out) < 0.05


# --- mixtures with covariances of their own
# -----------------------------------------------------------------------------


def test_the_mixtures_bound_is_the_sum_over_rivals_with_every_tasks_own_shrunk_covariance() -> None:
    signatures, _ = make_gaussians(11, tasks=3, width=6, examples=200)
    mixtures = {
        name: [
            Components(
                one.counts / 200, one.means.astype(np.float64), shared_covariance([one], None)[0]
            )
        ]
        for name, one in signatures.items()
    }
    expected = chernoff(mixtures["task 0"], mixtures["task 1"]) + chernoff(
        mixtures["task 0"], mixtures["task 2"]
    )
    assert mixture_bounds(signatures)["task 0"] == pytest.approx(expected)
    assert mixture_bounds({"task 0": signatures["task 0"]}) == {"task 0": 0.0}


def test_where_tasks_differ_only_in_their_spread_the_mixtures_see_it_and_the_shared_covariance_does_not() -> (
    None
):
    rng = np.random.default_rng(12)

    def draw(deviation: float, examples: int) -> Floats:
        return (np.ones(12) + rng.normal(size=(examples, 12)) * deviation).astype(np.float32)

    classes = np.zeros(2000, np.int64)
    signatures = {
        "tight": signature(draw(0.1, 2000), classes),
        "wide": signature(draw(1.0, 2000), classes),
    }
    held_out = {"tight": draw(0.1, 300), "wide": draw(1.0, 300)}
    bounds = mixture_bounds(signatures)
    assert max(bounds.values()) < 0.01
    found = inspect(signatures, held_out, mixtures=bounds)
    density = {
        name: stats.multivariate_normal(one.means[0], shared_covariance([one], None)[0])
        for name, one in signatures.items()
    }
    likelier = {
        name: int(
            (density[rival].logpdf(held_out[name]) >= density[name].logpdf(held_out[name])).sum()
        )
        for name, rival in (("tight", "wide"), ("wide", "tight"))
    }
    for name, one in found.items():
        assert one.mixture_bound == bounds[name]
        assert one.bound > 0.4  # the means are the same
        assert (
            one.mixture_status == "holds"
        )  # of the rule that sees the spread, not of the lookup, which errs on a third
        assert one.errors > 80 > one.mixture_errors == likelier[name]
    assert {one.mixture_status for one in inspect(signatures, held_out).values()} == {None}


def test_degenerate_tasks_have_finite_bounds() -> None:
    same = np.tile(np.eye(6, dtype=np.float32)[:1], (4, 1))
    signatures = {name: signature(same, np.arange(4) % 2) for name in ("a", "b")} | {
        "c": signature(np.eye(6, dtype=np.float32)[1:3], np.arange(2))
    }
    bounds = mixture_bounds(signatures)
    assert all(np.isfinite(bound) and bound >= 0 for bound in bounds.values())
    assert bounds["a"] >= 1  # b is the same


def test_the_answers_of_route_are_the_routers_and_each_further_look_is_taken_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(14)
    means = rng.normal(size=(4, 2, 16))
    stages, held_out = {}, {}
    for task in range(4):
        draws = np.repeat(means[task], 30, axis=0) + rng.normal(size=(60, 16)) * 1.5
        x = (draws / np.linalg.norm(draws, axis=1, keepdims=True)).astype(np.float32)
        stages[f"task {task}"] = learn_signature(Features(x[::2], x[::2]), np.arange(30) // 15)
        held_out[f"task {task}"] = Features(x[1::2], x[1::2])
    taken: list[str] = []

    def counted(name: str, stage: Callable[..., Evidence]) -> Callable[..., Evidence]:
        return lambda *inputs: taken.append(name) or stage(*inputs)

    with monkeypatch.context() as patch:
        for name in ("begin", "refine", "deepen"):
            patch.setattr(Router, name, counted(name, getattr(Router, name)))
        router, found = route(stages, held_out)
    assert list(found) == list(held_out)
    set_by = 0  # the one input whose answer set the margin of the third stage is counted without it
    for name, pair in held_out.items():
        answers = router(pair)
        same = answers.stages == found[name].stages
        set_by += int((~same).sum())
        assert (
            (found[name].stages[~same], answers.stages[~same]) == ([2], [3])
            if not same.all()
            else True
        )
        for field in fields(answers):
            assert (
                getattr(answers, field.name)[same].tobytes()
                == getattr(found[name], field.name)[same].tobytes()
            )
    assert set_by <= 1
    counts = np.concatenate([one.stages for one in found.values()])
    further = 120 - math.ceil(121 * 0.1)
    assert len(counts) == 120
    assert taken.count("begin") == 120 + further  # anew, instead of keeping all its scores
    assert (
        taken.count("refine") == taken.count("deepen") == further
    )  # whether further stages would say otherwise is asked of nine tenths, the largest share
    assert (counts > 1).sum() > 18


@cases(("examples", "place"), [(2, 1 / 3), (8, 1 / 9)])
def test_the_stated_rate_is_what_few_held_out_examples_allow(examples: int, place: float) -> None:
    rng = np.random.default_rng(7)
    signatures = {
        "only": signature(rng.normal(size=(100, 4)).astype(np.float32), np.arange(100) % 2)
    }
    fresh = np.sort(Lookup(signatures)(rng.normal(size=(5000, 4)).astype(np.float32)).distance)
    rejected, stated = [], set()
    for _ in range(400):
        evidence = certified(
            signatures, {"only": rng.normal(size=(examples, 4)).astype(np.float32)}
        )["only"]
        stated.add(evidence.false_reject_rate)
        rejected.append((distance_at(evidence, fresh) > evidence.threshold + 1e-4).mean())
    assert stated == {place}
    assert np.mean(rejected) == pytest.approx(place, abs=0.025)


@cases("rate", [0.0, 0.31, -0.1, float("nan")])
def test_a_rate_that_is_no_share_is_refused(rate: float) -> None:
    signatures, points = make_points(2)
    with pytest.raises(
        UsageError,
        match=f"false-reject rate: expected a share above 0 and at most 0.3, found {rate}; such as",
    ):
        certified(signatures, {"task 0": points[:1], "task 1": points[1:]}, false_reject_rate=rate)


def test_nothing_held_out_is_untested() -> None:
    assert (
        _status(
            0,
            Certificate(
                held_out=0,
                errors=0,
                wrong_task_at_most=1.0,
                alpha=0.05,
                tasks=1,
                rival=None,
                rival_errors=0,
                wrong=0,
                wrong_answer_at_most=1.0,
            ),
            0.1,
        )
        == "untested"
    )


@pytest.mark.parametrize("draws", [150, pytest.param(800, marks=pytest.mark.soak)])
def test_the_errors_of_what_ships_are_counted_without_bias_though_its_margins_were_set_on_the_same_inputs(
    draws: int,
) -> None:
    """All stages of three tasks whose tail tells more than their trunk: held-out less true error,
    the mean over draws.
    """
    rng = np.random.default_rng(15)
    means = rng.normal(size=(3, 16)) * 0.35
    behind = np.concatenate([means, rng.normal(size=(3, 8)) * 0.6], axis=1)

    def draw(task: int, examples: int) -> Features:
        noise = rng.normal(size=(examples, 24))
        tail = behind[task] + noise * 0.7
        trunk = np.concatenate([tail[:, :16], np.ones((examples, 8))], axis=1) + noise * 0.05
        return Features(*(normalize(one).astype(np.float32) for one in (trunk, tail)))

    stages = {
        f"task {task}": learn_signature(draw(task, 60), np.zeros(60, np.int64)) for task in range(3)
    }
    fresh = {f"task {task}": draw(task, 500) for task in range(3)}
    open_router = Router(stages)
    truth = np.repeat(np.arange(3), 500)
    pool = [
        (trunk, tail)
        for pair in fresh.values()
        for trunk, tail in zip(pair.trunk, pair.tail, strict=True)
    ]
    begun = [open_router.begin(trunk) for trunk, _ in pool]
    refined = [open_router.refine(evidence) for evidence in begun]
    first, second = ([decide(evidence) for evidence in some] for some in (begun, refined))
    third = [
        decide(open_router.deepen(evidence, tail))
        for evidence, (_, tail) in zip(refined, pool, strict=True)
    ]
    margins = [np.array([one.margin for one in some]) for some in (first, second)]
    wrong = [np.array([one.task for one in some]) != truth for some in (first, second, third)]
    assert wrong[2].mean() < wrong[1].mean() - 0.02  # the third stage is the better one
    differences, biased, capped = [], [], []
    for number in range(draws):
        held_out = {name: draw(task, 30) for task, name in enumerate(stages)}
        for tail_share in (0.15, 1.0) if number < draws // 4 else (1.0,):
            router, found = route(stages, held_out, tail_share=tail_share)
            seconds = margins[0] < router.margins.second
            thirds = seconds & (margins[1] < router.margins.third)
            true = np.where(thirds, wrong[2], np.where(seconds, wrong[1], wrong[0])).mean()
            counted = np.mean([one.task != task for task, one in enumerate(found.values())])
            (capped if tail_share < 1 else differences).append(counted - true)
        biased.append(
            np.mean([router(pair).task != task for task, pair in enumerate(held_out.values())])
            - true
        )
    error = np.std(differences) / len(differences) ** 0.5
    assert (
        np.mean(biased) < -3 * error
    )  # what it would be if the input that set the margin counted as it set it
    assert np.mean(differences) > -2 * error
    assert np.mean(capped) > -2 * np.std(capped) / len(capped) ** 0.5


@pytest.mark.parametrize("tasks", [250, pytest.param(1000, marks=pytest.mark.soak)])
def test_many_tasks_are_certified_and_inspected(tasks: int) -> None:
    rng = np.random.default_rng(13)
    means = rng.normal(size=(tasks, 2, 16))
    stages, held_out = {}, {}
    for task in range(tasks):
        x = (np.repeat(means[task], 4, axis=0) + rng.normal(size=(8, 16)) * 0.05).astype(np.float32)
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        stages[f"task {task:03}"] = learn_signature(Features(x, x), np.arange(8) // 4)
        held_out[f"task {task:03}"] = Features(x[[0, 4]], x[[0, 4]])
    pairs, evidence = overlapping(stages, held_out, ["task 007"])
    assert len(evidence) == tasks
    assert all(
        np.isfinite([one.certificate.wrong_task_at_most, one.threshold]).all()
        for one in evidence.values()
    )
    assert {one.certificate.tasks for one in evidence.values()} == {tasks}
    assert {one.task for one in pairs} <= {"task 007"}
    found = inspect(
        {name: one.trunk for name, one in stages.items()},
        {name: one.trunk for name, one in held_out.items()},
    )
    assert all(np.isfinite([one.bound, one.separation]).all() for one in found.values())
    # The nearest of them all, found here at once.
    lookup = Lookup({name: one.trunk for name, one in stages.items()})
    scores = lookup.whitened
    apart = cdist(scores[14:16], np.delete(scores, [14, 15], axis=0))
    assert found["task 007"].separation == pytest.approx(float(apart.min()), rel=1e-5)
