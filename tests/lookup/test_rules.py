"""The contract of every lookup of `cfedge.lookups`: a fifth one is held to it by its line there."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from every import cases
from numpy.typing import NDArray

from cfedge.bundle.arrays import dump_arrays, load_arrays
from cfedge.errors import IncompatibleError, InputError, UsageError
from cfedge.lookup import Features, TaskSignature, decide
from cfedge.lookup.finder import Finder
from cfedge.lookup.rules import RULES, LookupRule, rule_named
from cfedge.lookups import DEFAULT, LOOKUPS
from cfedge.margins import Margins
from cfedge.study.baselines import RULES as BASELINES
from cfedge.train.features.signature import learn_signature

Floats = NDArray[np.float32]
WIDTH, NAMES = 24, ("c", "a", "b")


def drawn(task: str, examples: int, seed: int) -> tuple[Features, NDArray[np.int64]]:
    """Three classes about means of the task's own: directions behind trunk and tail."""
    means = np.random.default_rng([ord(task), 5]).normal(size=(2, 3, WIDTH))
    rng, classes = np.random.default_rng([seed, ord(task)]), np.arange(examples) % 3
    views = means[:, classes] + rng.normal(size=(2, examples, WIDTH)) * 0.6
    views /= np.linalg.norm(views, axis=2, keepdims=True)
    return Features(*views.astype(np.float32)), classes.astype(np.int64)


def whole(task: str, seed: int = 1) -> TaskSignature:
    return learn_signature(*drawn(task, 60, seed))


def asked(seed: int = 9) -> tuple[Features, NDArray[np.int64]]:
    """Twenty inputs of each task, and their tasks by position in the sorted names."""
    parts = [drawn(name, 20, seed)[0] for name in sorted(NAMES)]
    features = Features(*(np.concatenate(views) for views in zip(*parts, strict=True)))
    return features, np.repeat(np.arange(len(NAMES)), 20)


@pytest.fixture(params=list(LOOKUPS))
def rule(request: pytest.FixtureRequest) -> LookupRule:
    return rule_named(request.param)


@pytest.fixture
def left(rule: LookupRule) -> dict[str, Any]:
    return {name: rule.signature(whole(name)) for name in NAMES}


def again(rule: LookupRule, signature: Any) -> Any:
    """As a device reads it."""
    arrays = load_arrays(dump_arrays(signature.arrays()), "signature")
    return rule.stored(arrays, "signature of task 'a'", WIDTH, (WIDTH,))


def one(router: Finder, features: Features, row: int) -> Any:
    """All evidence of an input."""
    evidence = router.identify(features.trunk[row], row)
    return router.deepen(evidence, features.tail[row]) if router.needs_tail(evidence) else evidence


def test_the_table_has_the_default_and_every_rule_says_what_it_is() -> None:
    assert list(RULES) == list(LOOKUPS)
    assert not RULES[DEFAULT].reads_all
    for rule in RULES.values():
        assert all((rule.title, rule.grows))
        assert rule.least_temperature > 0


def test_another_name_is_refused_with_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"expected one of nearest-mean, lda, .*, found 'oracle'"):
        rule_named("oracle")


def test_inputs_find_their_task_and_the_margin_is_that_over_the_runner_up(
    rule: LookupRule, left: Mapping[str, Any]
) -> None:
    router = rule.router(left)
    features, truth = asked()
    found = router(features)
    assert router.tasks == tuple(sorted(NAMES))
    assert (found.task == truth).mean() > 0.95
    for row in range(0, len(truth), 7):
        scores = router.task_scores(one(router, features, row)).astype(np.float64)
        best = int(found.task[row])
        rest = np.delete(scores, best).max()
        assert int(scores.argmax()) == best
        assert found.margin[row] == pytest.approx(scores[best] - rest, rel=1e-4, abs=1e-5)


def test_the_order_in_which_tasks_came_leaves_no_trace(
    rule: LookupRule, left: Mapping[str, Any]
) -> None:
    features, _ = asked()
    expected = rule.router(left)(features)
    for order in itertools.permutations(NAMES):
        found = rule.router({name: left[name] for name in order})(features)
        assert found.score.tobytes() == expected.score.tobytes()
        assert np.array_equal(found.task, expected.task)


def test_what_a_task_leaves_is_its_own_and_repeats(rule: LookupRule) -> None:
    one, other = (rule.signature(whole("a")).arrays() for _ in range(2))
    assert dump_arrays(one) == dump_arrays(other)


def test_a_signature_is_stored_and_read_without_loss(
    rule: LookupRule, left: Mapping[str, Any]
) -> None:
    features, _ = asked()
    read = {name: again(rule, signature) for name, signature in left.items()}
    assert [rule.counted(signature) for signature in read.values()] == [3, 3, 3]
    assert (
        rule.router(read)(features).score.tobytes() == rule.router(left)(features).score.tobytes()
    )
    for name, signature in read.items():
        clusters = rule.clusters(signature)
        assert clusters.means.shape == (3, WIDTH)
        assert np.array_equal(clusters.means, rule.clusters(left[name]).means)


def test_an_input_is_answered_alike_alone_and_among_others(
    rule: LookupRule, left: Mapping[str, Any]
) -> None:
    router = rule.router(left, Margins(2.0, 1.0))
    features, _ = asked()
    found = router(features)
    for row in (0, 31, 59):
        match = decide(one(router, features, row))
        assert np.float32(match.score) == found.score[row]
        assert match.stages == found.stages[row]


def test_with_the_task_given_the_margin_tells_whether_another_fits_better(
    rule: LookupRule, left: Mapping[str, Any]
) -> None:
    router = rule.router(left)
    features, truth = asked()
    evidence = router.begin(features.trunk[0], 0)
    if rule.reads_all:
        evidence = router.deepen(evidence, features.tail[0])
    own = router.given(evidence, int(truth[0]))
    other = router.given(evidence, (int(truth[0]) + 1) % 3)
    assert own.margin > 0 > other.margin
    assert own.distance < other.distance


def test_inputs_of_no_task_are_told_from_a_tasks_own(
    rule: LookupRule, left: Mapping[str, Any]
) -> None:
    router = rule.router(left)
    own = drawn("a", 60, 4)[0]
    strange = drawn("z", 60, 4)[0]

    def far(features: Features) -> NDArray[np.float64]:
        return np.array([router.behind_tail(row, 0)[:2] for row in features.tail])

    for term in (0, 1):
        assert (far(own)[:, term] < np.median(far(strange)[:, term])).mean() > 0.95


def test_one_task_alone_is_found(rule: LookupRule, left: Mapping[str, Any]) -> None:
    router = rule.router({"a": left["a"]})
    features, _ = asked()
    found = router(features)
    assert set(found.task) == {0}
    assert set(found.runner_up) == {-1}
    assert np.isposinf(found.margin).all()


def test_without_a_task_there_is_nothing_to_find(rule: LookupRule) -> None:
    with pytest.raises(IncompatibleError, match="expected at least one task, found none"):
        rule.router({})


@cases("wrong", [np.nan, np.inf])
def test_features_that_are_not_finite_are_refused_by_position(wrong: float) -> None:
    for name in LOOKUPS:
        rule = rule_named(name)
        router = rule.router({task: rule.signature(whole(task)) for task in NAMES})
        features, _ = asked()
        features.trunk[3, 1] = features.tail[3, 1] = wrong
        with (
            np.errstate(invalid="ignore"),
            pytest.raises(InputError, match="features of input 3: expected finite numbers"),
        ):
            one(router, features, 3)


def test_confusions_name_every_rival_once(rule: LookupRule, left: Mapping[str, Any]) -> None:
    router = rule.router(left)
    assert set(router.confusions("a")) == {"b", "c"}
    assert set(router.confusions("a", {"c"})) == {"c"}


def test_class_scores_are_of_all_classes_and_their_best_is_of_the_task(
    rule: LookupRule, left: Mapping[str, Any]
) -> None:
    router = rule.router(left)
    features, truth = asked()
    for row in (0, 25, 50):
        scores = router.class_scores(features.trunk[row], lambda row=row: features.tail[row])
        assert scores.shape == (9,)
        span = router.spans[truth[row]]
        assert span.start <= int(scores.argmax()) < span.stop


def test_nearest_mean_scores_as_the_studys_rule_does() -> None:
    """The same features, and the means as they travel: cosines to 1e-5; as they were, in 6 bits, to 5e-2."""
    rule, baseline = RULES["nearest-mean"], BASELINES["nearest-mean"]
    signatures = {name: rule.signature(whole(name)) for name in NAMES}
    features, _ = asked()
    router = rule.router(signatures)
    found = np.stack([router.class_scores(row, lambda row=row: row) for row in features.tail])
    found *= rule.least_temperature
    travelling = {
        name: {"means": one.tail.means / np.linalg.norm(one.tail.means, axis=1, keepdims=True)}
        for name, one in signatures.items()
    }
    np.testing.assert_allclose(found, baseline.scorer(travelling)(features.tail), atol=1e-5)
    exact = {}
    for name in NAMES:
        known, classes = drawn(name, 60, 1)
        exact[name] = baseline.statistics(known.tail, classes)
    np.testing.assert_allclose(found, baseline.scorer(exact)(features.tail), atol=5e-2)


def test_lda_scores_as_the_studys_rule_does() -> None:
    """The same features, and the scatter as it travels: nats to 1e-5 of their spread."""
    rule = RULES["lda"]
    signatures = {name: rule.signature(whole(name)) for name in NAMES}
    features, _ = asked()
    router = rule.router(signatures)
    found = np.stack([router.class_scores(row, lambda row=row: row) for row in features.tail])
    travelling = {}
    for name, one in signatures.items():
        rows = [one.tail.factor.astype(np.float64), np.diag(np.sqrt(one.tail.diagonal))]
        travelling[name] = {
            "counts": one.tail.counts, "means": one.tail.means,
            "root": np.concatenate(rows), "quartic": np.array([one.tail.quartic]),
        }  # fmt: skip
    expected = BASELINES["LDA"].scorer(travelling)(features.tail)
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.ptp(expected))


def test_the_default_scores_as_the_studys_first_stage_does() -> None:
    rule, baseline = RULES[DEFAULT], BASELINES["class-clusters"]
    features, _ = asked()
    router = rule.router({name: rule.signature(whole(name)) for name in NAMES})
    found = np.stack([router.class_scores(row, lambda row=row: row) for row in features.trunk])
    known = {}
    for name in NAMES:
        seen, classes = drawn(name, 60, 1)
        known[name] = baseline.statistics(seen.trunk, classes)
    expected = baseline.scorer(known)(features.trunk)
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.ptp(expected))


def test_a_simpler_lookup_takes_fewer_bytes() -> None:
    sizes = [len(dump_arrays(rule.signature(whole("a")).arrays())) for rule in RULES.values()]
    assert sizes == sorted(sizes)
    assert sizes[0] * 1.5 < sizes[1] < sizes[-1]


def spoiled(name: str, change: Any) -> Any:
    def attack(arrays: dict[str, NDArray[np.generic]]) -> None:
        arrays[name] = change(arrays[name].copy())

    return attack


def filled(value: float) -> Any:
    def change(array: NDArray[np.generic]) -> NDArray[np.generic]:
        array.reshape(-1)[0] = value
        return array

    return change


HOSTILE = {
    "an array is missing": lambda arrays: arrays.pop("tail.means"),
    "one too many": lambda arrays: arrays.update({"tail.more": np.zeros(1, np.float32)}),
    "of no part": lambda arrays: arrays.update({"head.means": np.zeros(1, np.float32)}),
    "no count": spoiled("tail.counts", filled(0)),
    "a negative count": spoiled("tail.counts", filled(-3)),
    "a count beyond all": spoiled("tail.counts", filled(1 << 62)),
    "counts of another type": spoiled("tail.counts", lambda one: one.astype(np.int32)),
    "counts of another shape": spoiled("tail.counts", lambda one: one[:, None]),
    "NaN in the diagonal": spoiled("tail.diagonal", filled(np.nan)),
    "a negative spread": spoiled("tail.diagonal", filled(-1)),
    "an endless spread": spoiled("tail.diagonal", filled(np.inf)),
    "a narrower backbone": spoiled("tail.diagonal", lambda one: one[:-1]),
    "an endless step": spoiled("tail.means_scale", filled(np.inf)),
    "a step that is no power of two": spoiled("tail.means_scale", filled(0.3)),
    "a giant step": spoiled("tail.means_scale", filled(2.0**120)),
    "no class": spoiled("tail.counts", lambda one: one[:0]),
    "rows of a class that is not there": lambda arrays: arrays.update(
        {"tail.factor_classes": arrays["tail.factor_classes"] + 7} if len(arrays["tail.factor_classes"]) else {"tail.quartic": np.array([np.nan])}
    ),
}  # fmt: skip


@cases("name", list(HOSTILE))
def test_hostile_arrays_are_refused_in_one_line(name: str) -> None:
    for lookup in LOOKUPS:
        rule = rule_named(lookup)
        arrays = load_arrays(dump_arrays(rule.signature(whole("a")).arrays()), "signature")
        HOSTILE[name](arrays)
        with pytest.raises(IncompatibleError, match="signature of task 'a'") as caught:
            rule.counted(rule.stored(arrays, "signature of task 'a'", WIDTH, (WIDTH,)))
        assert "\n" not in str(caught.value)


def test_a_signature_of_one_lookup_is_refused_by_another() -> None:
    for mine, other in itertools.permutations(LOOKUPS, 2):
        arrays = load_arrays(dump_arrays(rule_named(mine).signature(whole("a")).arrays()), "one")
        rule = rule_named(other)
        if mine == "nearest-mean" and other == "lda":
            continue  # an LDA signature without directions: means and a diagonal are one
        with pytest.raises(IncompatibleError):
            rule.counted(rule.stored(arrays, "signature of task 'a'", WIDTH, (WIDTH,)))


def test_what_nearest_mean_keeps_of_the_spread_is_its_diagonal_whole() -> None:
    tail = whole("a").tail
    kept = rule_named("nearest-mean").signature(whole("a"))
    scatter = tail.factor.T.astype(np.float64) @ tail.factor + np.diag(tail.diagonal)
    assert len(kept.tail.factor) == 0  # type: ignore[attr-defined]
    np.testing.assert_allclose(kept.tail.diagonal, np.diag(scatter), rtol=1e-5)  # type: ignore[attr-defined]
