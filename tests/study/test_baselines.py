"""One contract for every rule, and for the stages that ship: statistics of their own, sums in any
order, scores that find well-separated tasks, and no NaN.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

import numpy as np
import pytest
from every import cases
from numpy.typing import NDArray
from sklearn.linear_model import Ridge
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import normalize

from cfedge.errors import InputError
from cfedge.lookup import Features, Router, TaskSignature
from cfedge.study.baselines import RULES, KMeansCentroids, Mixture
from cfedge.study.random_features import RandomFeatures
from cfedge.study.rule import Rule, Scorer, Statistics
from cfedge.train.features.signature import learn_signature

Floats = NDArray[np.float32]
NAMES = ("b", "a", "c")


@pytest.fixture(autouse=True)
def strict_numerics() -> Iterator[None]:
    with np.errstate(invalid="raise", divide="raise", over="raise"):
        yield


def draw(task: str, examples: int, seed: int) -> tuple[Floats, NDArray[np.int64]]:
    """Two clusters a task in 16 dimensions, well apart."""
    means = np.random.default_rng(ord(task)).normal(size=(2, 16)) * 2
    classes = np.arange(examples) % 2
    return (
        normalize(
            means[classes] + np.random.default_rng(seed).normal(size=(examples, 16)) * 0.5
        ).astype(np.float32),
        classes,
    )


def views(features: Floats) -> Floats:
    """The features and two other orders of them: as many numbers as three views of the tokens have."""
    return np.concatenate([features, features[:, ::-1], np.roll(features, 3, axis=1)], axis=1)


class Shipped:
    """All three stages of `cfedge.lookup.Router`, taken of every input."""

    def statistics(self, features: Floats, classes: NDArray[np.int64]) -> Statistics:
        return learn_signature(Features(views(features), features), classes).arrays()

    def columns(self, statistics: Statistics) -> int:
        return 1

    def scorer(self, tasks: Mapping[str, Statistics]) -> Scorer:
        router = Router(
            {
                name: TaskSignature.from_arrays(one, name, len(one["tail.diagonal"]))
                for name, one in tasks.items()
            }
        )

        def scores(row: int, trunk: Floats, tail: Floats) -> Floats:
            evidence = router.refine(router.begin(trunk, row))
            return router.task_scores(router.deepen(evidence, tail))

        return lambda features: np.stack(
            [
                scores(row, *pair)
                for row, pair in enumerate(zip(views(features), features, strict=True))
            ]
        )


@pytest.fixture(params=[*RULES, "what ships"])
def rule(request: pytest.FixtureRequest) -> Rule:
    if request.param == "what ships":
        return Shipped()
    found = RULES[request.param]
    return RandomFeatures(width=200) if isinstance(found, RandomFeatures) else found


@pytest.fixture
def tasks(rule: Rule) -> dict[str, Statistics]:
    return {name: rule.statistics(*draw(name, 60, ord(name))) for name in NAMES}


@pytest.fixture
def inputs() -> Floats:
    return np.concatenate([draw(name, 20, 7)[0] for name in sorted(NAMES)])


def test_the_order_in_which_tasks_came_leaves_no_trace(
    rule: Rule, tasks: dict[str, Statistics], inputs: Floats
) -> None:
    expected = rule.scorer(tasks)(inputs)
    for order in itertools.permutations(NAMES):
        assert np.array_equal(rule.scorer({name: tasks[name] for name in order})(inputs), expected)


def test_what_a_task_leaves_depends_on_its_own_examples_alone_and_repeats(
    rule: Rule, tasks: dict[str, Statistics]
) -> None:
    again = rule.statistics(*draw("a", 60, ord("a")))
    assert set(again) == set(tasks["a"])
    for name, array in again.items():
        assert np.array_equal(array, tasks["a"][name])


def test_a_task_that_was_added_and_removed_leaves_no_trace(
    rule: Rule, tasks: dict[str, Statistics], inputs: Floats
) -> None:
    two = {name: tasks[name] for name in ("a", "b")}
    with_third = {**two, "c": tasks["c"]}
    del with_third["c"]
    assert np.array_equal(rule.scorer(with_third)(inputs), rule.scorer(two)(inputs))


def test_two_sites_that_merge_their_tasks_agree(
    rule: Rule, tasks: dict[str, Statistics], inputs: Floats
) -> None:
    here, there = {"a": tasks["a"], "c": tasks["c"]}, {"b": tasks["b"]}
    assert np.array_equal(
        rule.scorer({**here, **there})(inputs), rule.scorer({**there, **here})(inputs)
    )


def test_scores_have_the_stated_columns_and_find_the_task(
    rule: Rule, tasks: dict[str, Statistics], inputs: Floats
) -> None:
    scores = rule.scorer(tasks)(inputs)
    owner = np.repeat(np.arange(3), [rule.columns(tasks[name]) for name in sorted(NAMES)])
    assert scores.shape == (60, len(owner))
    assert np.isfinite(scores).all()
    assert (owner[scores.argmax(axis=1)] == np.repeat(np.arange(3), 20)).mean() > 0.95


def test_one_task_alone_is_scored(rule: Rule, tasks: dict[str, Statistics], inputs: Floats) -> None:
    assert rule.scorer({"a": tasks["a"]})(inputs).shape == (60, rule.columns(tasks["a"]))


@cases("wrong", [np.nan, np.inf])
def test_features_that_are_not_finite_are_refused_by_row(
    rule: Rule, tasks: dict[str, Statistics], inputs: Floats, wrong: float
) -> None:
    features, classes = draw("a", 20, 1)
    features[7, 3] = inputs[5, 2] = wrong
    with np.errstate(invalid="ignore"):
        with pytest.raises(
            InputError, match="features of input 7: expected finite numbers, found NaN or infinity"
        ):
            rule.statistics(features, classes)
        with pytest.raises(
            InputError, match="features of input 5: expected finite numbers, found NaN or infinity"
        ):
            rule.scorer(tasks)(inputs)


@cases("kind", ["the same", "zeros", "cancelling", "one of each class"])
def test_poor_data_give_finite_scores(
    rule: Rule, tasks: dict[str, Statistics], inputs: Floats, kind: str
) -> None:
    features, classes = draw("a", 20, 1)
    poor = {
        "the same": (np.tile(features[:1], (20, 1)), classes),
        "zeros": (features * 0, classes),
        "cancelling": (
            np.repeat(features[:2], 10, axis=0)
            * np.tile([[1.0], [-1.0]], (10, 1)).astype(np.float32),
            np.repeat([0, 1], 10),
        ),
        "one of each class": (features[:2], classes[:2]),
    }
    for found in (
        rule.scorer({"p": rule.statistics(*poor[kind])}),
        rule.scorer({**tasks, "p": rule.statistics(*poor[kind])}),
    ):
        assert np.isfinite(found(inputs)).all()


@cases("name", ["class-clusters", "nearest-mean", "epi", "random-features"])
def test_where_columns_are_classes_the_best_one_is_the_class(name: str) -> None:
    rule = RandomFeatures(width=200) if name == "random-features" else RULES[name]
    tasks = {task: rule.statistics(*draw(task, 60, ord(task))) for task in NAMES}
    inputs, classes = draw("b", 40, 5)
    assert (rule.scorer(tasks)(inputs).argmax(axis=1) == 2 + classes).mean() > 0.95


def test_the_ridge_is_scikit_learns(inputs: Floats) -> None:
    rule = RandomFeatures(width=50)
    features, classes = draw("a", 60, 1)
    statistics = rule.statistics(features, classes)
    strength = rule._STRENGTHS[int(statistics["misses"].argmin())]
    lifted = rule._lift(features).astype(np.float64)
    reference = Ridge(alpha=strength, fit_intercept=False).fit(lifted, np.eye(2)[classes])
    np.testing.assert_allclose(
        rule.scorer({"a": statistics})(inputs), reference.predict(rule._lift(inputs)), atol=1e-3
    )


@cases("examples", [30, 200])
def test_the_misses_of_every_strength_are_those_of_scikit_learns_ridge(examples: int) -> None:
    # With 50 features: fewer examples than features, and more.
    rng = np.random.default_rng(3)
    classes = np.arange(examples) % 3
    features = normalize(
        rng.normal(size=(3, 16))[classes] + rng.normal(size=(examples, 16)) * 3
    ).astype(np.float32)
    rule = RandomFeatures(width=50)
    test = rule._fifth(classes)
    assert np.bincount(classes[test]).tolist() == [round(examples / 15)] * 3
    lifted = rule._lift(features).astype(np.float64)
    expected = []
    for strength in rule._STRENGTHS[4:]:
        ridge = Ridge(alpha=strength, fit_intercept=False, solver="svd").fit(
            lifted[~test], np.eye(3)[classes[~test]]
        )
        expected.append(
            float(((ridge.predict(lifted[test]) - np.eye(3)[classes[test]]) ** 2).sum())
        )
    found = rule.statistics(features, classes)["misses"]
    kept = np.isfinite(found)
    np.testing.assert_allclose(found[kept], np.array([*[np.nan] * 4, *expected])[kept], rtol=1e-4)
    assert kept.argmax() in range(4, 10)
    assert kept[kept.argmax() :].all()
    assert kept.argmax() < found.argmin() < len(found) - 1


def test_a_strength_that_float32_loses_is_not_chosen() -> None:
    rng, rule, tasks, asked = np.random.default_rng(1), RandomFeatures(width=1500), {}, []
    for number, classes in enumerate((3, 3, 1)):
        labels = np.repeat(np.arange(classes), 16)
        rows = normalize(rng.normal(size=(classes, 384)))[labels]
        rows = normalize(rows + rng.normal(size=rows.shape) / 40).astype(np.float32)
        odd = np.arange(len(rows)) % 2 == 1
        tasks[f"{number}"] = rule.statistics(rows[odd], labels[odd])
        asked.append((rows[~odd], labels[~odd] + 3 * number))
    inputs, truth = map(np.concatenate, zip(*asked, strict=True))
    assert (rule.scorer(tasks)(inputs).argmax(axis=1) == truth).mean() > 0.95


def test_the_order_of_a_tasks_rows_hardly_moves_what_a_strength_misses() -> None:
    """As where a file has one row of each class in turn: every fifth row is then of the same
    classes.
    """
    rng = np.random.default_rng(4)
    classes = np.repeat(np.arange(15), 30)
    features = normalize(
        rng.normal(size=(15, 16))[classes] + rng.normal(size=(450, 16)) * 0.8
    ).astype(np.float32)
    turn = np.argsort(np.tile(np.arange(30), 15), kind="stable")
    found = [
        RandomFeatures(width=200).statistics(features[rows], classes[rows])["misses"]
        for rows in (slice(None), turn)
    ]
    assert abs(int(found[0].argmin()) - int(found[1].argmin())) <= 1
    assert found[1].min() == pytest.approx(found[0].min(), rel=0.2)
    assert found[0].max() > 1.5 * found[0].min()


def test_the_mixtures_likelihood_is_scikit_learns_up_to_its_constant(inputs: Floats) -> None:
    statistics = Mixture(components=2).statistics(*draw("a", 80, 1))
    reference = GaussianMixture(2)
    reference.weights_, reference.means_ = statistics["weights"], statistics["means"]
    reference.precisions_cholesky_ = statistics["cholesky"].astype(np.float64)
    constant = 16 / 2 * np.log(2 * np.pi)
    found = Mixture.log_likelihood(statistics, inputs)
    np.testing.assert_allclose(
        found - constant, reference.score_samples(inputs.astype(np.float64)), rtol=1e-6
    )


def test_the_nearest_centroid_is_the_nearest(inputs: Floats) -> None:
    rule = KMeansCentroids()
    tasks = {name: rule.statistics(*draw(name, 60, ord(name))) for name in NAMES}
    centroids = np.concatenate([tasks[name]["centroids"] for name in sorted(NAMES)])
    distances = np.linalg.norm(inputs[:, None] - centroids[None], axis=2)
    assert np.array_equal(rule.scorer(tasks)(inputs).argmax(axis=1), distances.argmin(axis=1))
