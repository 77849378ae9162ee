"""The lookup against scikit-learn and against plain inverses in float64. Letters: N examples, D
width, C classes.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields

import numpy as np
import pytest
from every import cases
from numpy.typing import NDArray
from scipy import stats
from sklearn.covariance import ledoit_wolf_shrinkage
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.preprocessing import normalize

from cfedge.errors import IncompatibleError, InputError, UsageError
from cfedge.lookup import ClusterStatistics, Lookup, TaskMatches
from cfedge.lookup.bounds import confusions, distances, upper_tail
from cfedge.lookup.lda import FEW, RIDGE, SHRINKAGE_FACTOR, TYPICAL, shared_covariance
from cfedge.lookup.packing import from_first, on_grid

#: Float32 keeps 24 bits; D products of that size are summed. Relative to the largest term, not to a
#: difference of terms.
FLOAT32_TOLERANCE = 2e-5


@pytest.fixture(autouse=True)
def strict_numerics() -> Iterator[None]:
    with np.errstate(all="raise"):
        yield


@dataclass(frozen=True)
class Clusters:
    """Clusters that a `ClusterStatistics` holds without any rounding: all rows are on the grid, residuals
    come in pairs r and -r.
    """

    features: NDArray[np.float64]
    classes: NDArray[np.int64]
    means: NDArray[np.float64]
    residuals: NDArray[np.float64]

    def signature(self, only: range | None = None) -> ClusterStatistics:
        """Of the classes in `only`. The factor is the residuals themselves, so F' F is their
        scatter.
        """
        kept = range(len(self.means)) if only is None else only
        mine = np.isin(self.classes, kept)
        rows = self.residuals[mine]
        return ClusterStatistics(
            counts=np.bincount(self.classes[mine], minlength=len(self.means))[
                kept.start : kept.stop
            ].astype(np.int64),
            means=self.means[kept.start : kept.stop].astype(np.float32),
            factor=rows.astype(np.float32),
            diagonal=np.zeros(rows.shape[1], np.float32),
            quartic=float(((rows**2).sum(axis=1) ** 2).sum()),
            factor_classes=self.classes[mine] - kept.start,
        )

    def tasks(self, size: int) -> dict[str, ClusterStatistics]:
        """Cut into tasks of `size` classes."""
        starts = range(0, len(self.means), size)
        return {
            f"task {start // size:02}": self.signature(range(start, start + size))
            for start in starts
        }


def make_clusters(
    rng: np.random.Generator, *, classes: int, pairs: int, width: int, distance: float
) -> Clusters:
    means = from_first(rng.normal(size=(classes, width)) * distance).astype(np.float64)
    spread = (
        np.diag(rng.uniform(0.2, 2.0, width)) @ np.linalg.qr(rng.normal(size=(width, width)))[0]
    )
    one_side = (
        on_grid(rng.normal(size=(classes * pairs, width)) @ spread)
        .astype(np.float64)
        .reshape(classes, pairs, width)
    )
    residuals = np.concatenate([one_side, -one_side], axis=1).reshape(-1, width)
    labels = np.repeat(np.arange(classes), 2 * pairs)
    return Clusters(means[labels] + residuals, labels, means, residuals)


def make_signature(
    rng: np.random.Generator, *, classes: int = 3, width: int = 12, rank: int = 4
) -> ClusterStatistics:
    """Any valid signature; what it means does not matter."""
    return ClusterStatistics(
        counts=rng.integers(2, 30, classes),
        means=from_first(normalize(rng.normal(size=(classes, width)))),
        factor=on_grid(rng.normal(size=(rank, width))),
        diagonal=rng.uniform(0.5, 1, width).astype(np.float32),
        quartic=50.0,
        factor_classes=np.sort(np.arange(rank) % classes),
    )


def make_features(
    rng: np.random.Generator, *, rows: int = 40, width: int = 12
) -> NDArray[np.float32]:
    return normalize(rng.normal(size=(rows, width)).astype(np.float32))


def shrunk(clusters: Clusters, intensity: float) -> NDArray[np.float64]:
    """The shared covariance from its definition."""
    covariance = clusters.residuals.T @ clusters.residuals / len(clusters.residuals)
    level = np.trace(covariance) / len(covariance)
    return (1 - intensity) * covariance + (intensity + RIDGE) * level * np.eye(len(covariance))


def assert_same_bits(one: TaskMatches, other: TaskMatches) -> None:
    for field in fields(TaskMatches):
        left, right = getattr(one, field.name), getattr(other, field.name)
        assert left.dtype == right.dtype
        assert left.tobytes() == right.tobytes(), field.name


@cases("pairs", [3, 10, 60, 400])
def test_the_intensity_is_the_factor_times_ledoit_wolfs_of_the_residuals(pairs: int) -> None:
    clusters = make_clusters(
        np.random.default_rng(pairs), classes=4, pairs=pairs, width=15, distance=1
    )
    reference = ledoit_wolf_shrinkage(clusters.residuals, assume_centered=True)
    found = Lookup(clusters.tasks(2)).shrinkage
    assert found == pytest.approx(min(1.0, SHRINKAGE_FACTOR * reference), rel=1e-9)


def test_the_intensity_is_below_one_where_examples_are_many_and_one_where_they_are_few() -> None:
    # So that the comparison above has cases on both sides of the clipping.
    rng = np.random.default_rng(0)
    many = make_clusters(rng, classes=4, pairs=400, width=15, distance=1)
    few = make_clusters(rng, classes=4, pairs=3, width=15, distance=1)
    assert 0 < Lookup(many.tasks(2)).shrinkage < 0.5
    assert Lookup(few.tasks(2)).shrinkage == 1.0


@cases(('classes', 'distance'), [(6, 0.1), (6, 0.6), (6, 4.0), (18, 1.5)])  # fmt: skip
def test_scores_are_those_of_scikit_learns_linear_discriminant_analysis(
    classes: int, distance: float
) -> None:
    rng = np.random.default_rng(1)
    clusters = make_clusters(rng, classes=classes, pairs=100, width=10, distance=distance)
    lookup = Lookup(clusters.tasks(1), min_spread=0.0)
    reference = LinearDiscriminantAnalysis(
        solver="lsqr", shrinkage=lookup.shrinkage, priors=np.full(classes, 1 / classes)
    )
    reference.fit(clusters.features, clusters.classes)
    inputs = (
        clusters.features[rng.permutation(len(clusters.features))[:300]]
        + rng.normal(size=(300, 10)) * 0.3
    )

    expected = reference.decision_function(inputs)
    found = lookup.scores(inputs.astype(np.float32))
    expected, found = (
        expected - expected.max(axis=1, keepdims=True),
        found - found.max(axis=1, keepdims=True),
    )
    np.testing.assert_allclose(
        found, expected, atol=FLOAT32_TOLERANCE * np.abs(expected).max(), rtol=0
    )

    ordered = np.sort(expected, axis=1)
    clear = ordered[:, -1] - ordered[:, -2] > 10 * FLOAT32_TOLERANCE * np.abs(expected).max()
    assert clear.mean() > 0.95
    answer = lookup(inputs.astype(np.float32))
    assert (answer.task == expected.argmax(axis=1))[clear].all()
    assert (
        lookup.cluster_scores(inputs.astype(np.float32)).argmax(axis=1) == expected.argmax(axis=1)
    )[clear].all()
    assert len(set(answer.task.tolist())) == classes


def test_of_more_tasks_than_are_held_at_once_each_counts_as_much_as_it_has_examples() -> None:
    rng = np.random.default_rng(8)
    tasks = {}
    for number in range(20):  # the later ones have ten times as many
        clusters = make_clusters(
            rng, classes=2, pairs=3 if number < 16 else 30, width=8, distance=0.7
        )
        tasks[f"task {number:02}"] = clusters.signature()
    counts = np.concatenate([one.counts for one in tasks.values()])
    means = np.concatenate([one.means for one in tasks.values()]).astype(np.float64)
    covariance, _ = shared_covariance(tasks.values(), 0.0)
    center = counts @ means / counts.sum()
    among = covariance + (means - center).T @ ((means - center) * (counts / counts.sum())[:, None])
    lookup = Lookup(tasks, shrinkage=0.0, min_spread=0.0)
    inputs = rng.normal(size=(30, 8)).astype(np.float32)
    apart = inputs[:, None] - means
    near = np.einsum("bcd,de,bce->bc", apart, np.linalg.inv(covariance), apart).min(axis=1)
    far = np.einsum("bd,de,be->b", inputs - center, np.linalg.inv(among), inputs - center)
    np.testing.assert_allclose(lookup(inputs).distance, near - far, rtol=1e-4, atol=1e-4)


def test_the_shared_covariance_is_that_of_all_tasks_however_many_are_multiplied_at_once() -> None:
    clusters = make_clusters(np.random.default_rng(4), classes=40, pairs=3, width=8, distance=2.0)
    tasks = list(clusters.tasks(1).values())
    found, _ = shared_covariance(tasks, 0.0)
    scatter = clusters.residuals.T @ clusters.residuals
    level = np.trace(scatter) / len(clusters.residuals) / 8
    assert np.allclose(
        found, scatter / len(clusters.residuals) + RIDGE * level * np.eye(8), rtol=1e-12, atol=1e-15
    )


def test_a_spread_is_made_up_as_far_as_differences_are_missing() -> None:
    rng = np.random.default_rng(5)
    for classes, pairs in ((1, 1), (3, 1), (6, 1), (2, 4), (2, 5), (1, 8), (1, 9)):
        clusters = make_clusters(rng, classes=classes, pairs=pairs, width=8, distance=2.0)
        found, _ = shared_covariance(list(clusters.tasks(1).values()), 0.0)
        count, scatter = len(clusters.features), clusters.residuals.T @ clusters.residuals
        missing = max(0, FEW - (count - classes))
        length = float((clusters.features**2).sum(axis=1).mean())
        spread = (scatter + missing * TYPICAL * length / 8 * np.eye(8)) / (count + missing)
        expected = spread + RIDGE * np.trace(spread) / 8 * np.eye(8)
        assert np.allclose(found, expected, rtol=1e-6, atol=1e-12), (classes, pairs)


def test_a_task_scores_as_its_best_cluster() -> None:
    clusters = make_clusters(np.random.default_rng(2), classes=6, pairs=30, width=10, distance=0.5)
    inputs = clusters.features[::7].astype(np.float32)
    by_class, by_task = Lookup(clusters.tasks(1)), Lookup(clusters.tasks(2))
    best = by_class.scores(inputs).reshape(-1, 3, 2).max(axis=2)
    np.testing.assert_array_equal(by_task.scores(inputs), best)
    np.testing.assert_array_equal(
        by_task(inputs).task, by_task.cluster_scores(inputs).argmax(axis=1) // 2
    )


@cases("pairs", [4, 40, 400])
def test_distance_is_the_nearest_clusters_mahalanobis_distance_minus_the_backgrounds(
    pairs: int,
) -> None:
    rng = np.random.default_rng(3)
    clusters = make_clusters(rng, classes=6, pairs=pairs, width=10, distance=0.8)
    lookup = Lookup(clusters.tasks(3), min_spread=0.0)
    inputs = np.concatenate(
        [clusters.features[:: pairs // 2], rng.normal(size=(20, 10)) * 5]
    ).astype(np.float32)

    covariance = shrunk(clusters, lookup.shrinkage)
    center = clusters.means.mean(axis=0)
    between = (clusters.means - center).T @ (clusters.means - center) / len(clusters.means)
    inverse, background = np.linalg.inv(covariance), np.linalg.inv(covariance + between)
    gaps = inputs[:, None].astype(np.float64) - clusters.means
    own = np.einsum("ncd,de,nce->nc", gaps, inverse, gaps).min(axis=1)
    offset = inputs.astype(np.float64) - center
    all_of_it = np.einsum("nd,de,ne->n", offset, background, offset)

    largest = np.einsum("nd,de,ne->n", offset, inverse, offset).max()
    np.testing.assert_allclose(
        lookup(inputs).distance, own - all_of_it, atol=FLOAT32_TOLERANCE * largest, rtol=0
    )


@cases(("apart", "kept"), [((4, 1, 0.25, 0.125), 2), ((1, 0.5, 0.25, 0.125), 3)])
def test_directions_in_which_clusters_hardly_differ_are_left_out(
    apart: tuple[float, ...], kept: int
) -> None:
    # The covariance within is 1, between the clusters apart squared: kept where above .1, or above
    # a twentieth of the largest.
    signs = [signs for signs in itertools.product([-1, 1], repeat=4) if np.prod(signs) == 1]
    means = np.zeros((8, 10))
    means[:, :4] = np.array(signs) * apart
    residuals = np.concatenate([4 * np.eye(10), -4 * np.eye(10), np.zeros((12, 10))])
    labels = np.arange(8).repeat(32)
    clusters = Clusters(
        means[labels] + np.tile(residuals, (8, 1)), labels, means, np.tile(residuals, (8, 1))
    )
    lookup = Lookup(clusters.tasks(2), shrinkage=0.0)
    x, m = clusters.features[:, :kept], means[:, :kept]
    expected = (x @ m.T - (m**2).sum(axis=1) / 2).reshape(-1, 4, 2).max(axis=2)
    found = lookup(clusters.features.astype(np.float32))
    np.testing.assert_allclose(
        lookup.scores(clusters.features.astype(np.float32)), expected, atol=1e-4
    )
    nearest = ((x[:, None] - m) ** 2).sum(axis=2).min(axis=1)
    np.testing.assert_allclose(
        found.distance, nearest - (x**2 / (1 + np.square(apart[:kept]))).sum(axis=1), atol=1e-4
    )


def test_chosen_clusters_are_scored_as_all_are() -> None:
    rng = np.random.default_rng(13)
    lookup = Lookup({f"task {task}": make_signature(rng) for task in range(9)})
    for row in make_features(rng):
        scored, kept = lookup.scored(row), np.array([1, 4, 5, 11])
        some, square = lookup.of_clusters(row, kept)
        assert some.tobytes() == scored.clusters[kept].tobytes()
        assert square == scored.square


def test_the_best_clusters_are_the_largest_scores_and_the_first_of_equal_ones() -> None:
    rng = np.random.default_rng(15)
    twin = make_signature(rng)
    lookup = Lookup(
        {f"task {task:02}": make_signature(rng) if task % 3 else twin for task in range(30)}
    )
    total = len(lookup.task_of)
    for row in make_features(rng):
        every = lookup.of_clusters(row, np.arange(total))[0]
        scored = lookup.scored(row)
        for count in (1, 4, 16, 29, total, total + 5):
            kept, scores = lookup.best_clusters(scored, count)
            assert kept.tolist() == sorted(np.argsort(-every, kind="stable")[:count].tolist())
            assert scores.tobytes() == every[kept].tobytes()
        for task in range(30):
            kept, scores = lookup.best_clusters(scored, 4, task)
            assert task in lookup.task_of[kept]
            assert (np.diff(kept) > 0).all()
            assert len(kept) <= 5
            assert scores.tobytes() == every[kept].tobytes()
            span = lookup.spans[task]
            assert span.start + int(every[span].argmax()) in kept


def test_a_given_task_is_scored_against_the_best_other_one() -> None:
    rng = np.random.default_rng(14)
    lookup = Lookup({f"task {task}": make_signature(rng) for task in range(5)})
    for row in make_features(rng):
        scored = lookup.scored(row)
        every, square = lookup.task_scores(scored), scored.square
        for task in range(5):
            found = lookup.match_given(lookup.scored(row), task)
            rivals = np.where(np.arange(5) == task, -np.inf, every)
            assert (found.task, found.runner_up) == (task, int(rivals.argmax()))
            assert found.score == pytest.approx(float(every[task]), rel=1e-6)
            assert found.margin == pytest.approx(
                float(every[task] - rivals.max()), rel=1e-5, abs=1e-5
            )
            assert found.distance == pytest.approx(
                square - 2 * float(every[task]), rel=1e-5, abs=1e-5
            )
    only = Lookup({"only": make_signature(rng)})
    alone = only.match_given(only.scored(row), 0)
    assert (alone.task, alone.runner_up, alone.margin) == (0, -1, np.inf)
    with (
        np.errstate(invalid="ignore"),
        pytest.raises(InputError, match="features of input 3: expected finite numbers"),
    ):
        lookup.scored(row * np.float32(np.nan), 3)


def test_a_stranger_is_further_away_than_any_known_input() -> None:
    clusters = make_clusters(np.random.default_rng(4), classes=4, pairs=50, width=10, distance=3)
    lookup = Lookup(clusters.tasks(2))
    stranger = (-2 * clusters.means[:1]).astype(np.float32)
    assert (
        lookup(stranger).distance[0] > lookup(clusters.features.astype(np.float32)).distance.max()
    )


def test_the_order_of_the_signatures_does_not_change_a_bit_of_the_answers() -> None:
    rng = np.random.default_rng(5)
    signatures = {name: make_signature(rng) for name in ("heating", "access", "lifts", "parking")}
    inputs = make_features(rng)
    first = Lookup(signatures)
    for _ in range(5):
        order = rng.permutation(list(signatures)).tolist()
        again = Lookup({name: signatures[name] for name in order})
        assert again.tasks == first.tasks == ("access", "heating", "lifts", "parking")
        assert again.shrinkage == first.shrinkage
        assert again.scores(inputs).tobytes() == first.scores(inputs).tobytes()
        assert_same_bits(again(inputs), first(inputs))


@cases("width", [7, 12, 384])
def test_an_answer_does_not_depend_on_its_batch(width: int) -> None:
    rng = np.random.default_rng(6)
    lookup = Lookup({name: make_signature(rng, width=width) for name in ("a", "b", "c")})
    raw = rng.normal(size=(33, width)).astype(np.float32)
    together = lookup(normalize(raw))
    for rows in ([0], [32], [5, 1, 30], list(range(32, -1, -1))):
        alone = lookup(normalize(raw[rows]))
        assert_same_bits(
            alone,
            TaskMatches(*(getattr(together, field.name)[rows] for field in fields(TaskMatches))),
        )


def test_one_input_is_answered_as_in_a_batch() -> None:
    rng = np.random.default_rng(26)
    lookup = Lookup({name: make_signature(rng) for name in ("a", "b", "c")})
    inputs = normalize(rng.normal(size=(9, 12)).astype(np.float32))
    together = lookup(inputs)
    for position, row in enumerate(inputs):
        alone = lookup.match(lookup.scored(row))
        assert [np.float32(value) for value in alone] == [
            np.float32(getattr(together, field.name)[position]) for field in fields(TaskMatches)
        ]


def test_margins_are_never_negative_and_the_runner_up_is_another_task() -> None:
    rng = np.random.default_rng(7)
    lookup = Lookup({name: make_signature(rng) for name in ("a", "b", "c")})
    inputs = make_features(rng, rows=200)
    found, scores = lookup(inputs), np.sort(lookup.scores(inputs), axis=1)
    assert (found.margin >= 0).all()
    assert (found.runner_up != found.task).all()
    assert ((found.runner_up >= 0) & (found.runner_up < 3)).all()
    np.testing.assert_array_equal(found.score, scores[:, -1])
    np.testing.assert_array_equal(found.margin, scores[:, -1] - scores[:, -2])


def test_twin_tasks_tie_with_margin_zero_and_the_first_name_wins() -> None:
    twin = make_signature(np.random.default_rng(8))
    found = Lookup({"b": twin, "a": twin})(make_features(np.random.default_rng(9)))
    assert (found.margin == 0).all()
    assert (found.task == 0).all()
    assert (found.runner_up == 1).all()


def test_a_single_task_has_no_runner_up_and_an_infinite_margin() -> None:
    rng = np.random.default_rng(10)
    found = Lookup({"only": make_signature(rng)})(make_features(rng))
    assert (found.task == 0).all()
    assert (found.runner_up == -1).all()
    assert np.isposinf(found.margin).all()
    assert np.isfinite(found.score).all()
    assert np.isfinite(found.distance).all()


def test_answers_have_the_stated_types() -> None:
    rng = np.random.default_rng(11)
    lookup = Lookup({"a": make_signature(rng), "b": make_signature(rng)})
    found = lookup(make_features(rng, rows=3))
    assert [getattr(found, field.name).dtype for field in fields(TaskMatches)] == [
        *[np.int64] * 2,
        *[np.float32] * 3,
        np.int64,
    ]
    assert {getattr(found, field.name).shape for field in fields(TaskMatches)} == {(3,)}
    assert lookup.scores(make_features(rng, rows=3)).dtype == np.float32
    assert lookup.scores(make_features(rng, rows=3)).shape == (3, 2)


def test_no_task_is_refused() -> None:
    with pytest.raises(IncompatibleError, match="at least one task"):
        Lookup({})


# --- features
# ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("row", [0, 2])
def test_features_that_are_not_finite_are_refused_naming_the_row(value: float, row: int) -> None:
    rng = np.random.default_rng(12)
    lookup = Lookup({name: make_signature(rng) for name in ("a", "b")})
    inputs = normalize(rng.normal(size=(4, 12)).astype(np.float32))
    inputs[row, 1] = inputs[3, 2] = value
    with (
        np.errstate(invalid="ignore"),
        pytest.raises(InputError, match=f"features of input {row}: expected finite") as refusal,
    ):
        lookup(inputs)
    assert "\n" not in str(refusal.value)


@cases("wrong", [math.nan, math.inf])
def test_no_score_of_what_is_not_finite_leaves_the_lookup(wrong: float) -> None:
    rng = np.random.default_rng(22)
    lookup = Lookup(
        {name: plain(rng.normal(size=(2, 6)), np.full(6, 0.5), count=9) for name in "abc"}
    )
    inputs = rng.normal(size=(4, 6)).astype(np.float32)
    inputs[2, 1] = wrong
    ask: list[Callable[[], object]] = [
        lambda: lookup(inputs),
        lambda: lookup.cluster_scores(inputs),
        lambda: lookup.scored(inputs[2], 2),
        lambda: lookup.of_clusters(inputs[2], np.array([0, 2]), 2),
    ]
    for one in ask:
        with (
            np.errstate(invalid="ignore"),
            pytest.raises(InputError, match="features of input 2: expected finite numbers"),
        ):
            one()


@cases("shrinkage", [-0.1, 1.1, math.nan])
def test_a_shrinkage_out_of_range_is_refused(shrinkage: float) -> None:
    with pytest.raises(
        UsageError, match=f"lookup: expected a shrinkage in \\[0, 1\\], found {shrinkage}"
    ):
        Lookup({"a": plain(np.eye(2, 6), np.full(6, 0.5), count=9)}, shrinkage=shrinkage)


def test_the_model_bound_sums_the_normal_distributionsupper_tail_over_rival_clusters() -> None:
    rng = np.random.default_rng(21)
    tasks = {name: plain(rng.normal(size=(2, 6)) * 0.4, np.full(6, 0.5), count=9) for name in "abc"}
    tasks["far"] = plain(np.full((1, 6), 40.0), np.full(6, 0.5), count=9)
    lookup = Lookup(tasks, shrinkage=0.0, min_spread=0.0)
    apart = dict(
        zip(lookup.tasks, (distances(lookup, "a")[:, span] for span in lookup.spans), strict=True)
    )
    for rival, share in confusions(lookup, "a").items():
        assert share == pytest.approx(stats.norm.sf(apart[rival] / 2).sum(axis=1).mean(), rel=1e-9)
    assert confusions(lookup, "a", ["far", "a", "c"]) == {
        rival: pytest.approx(confusions(lookup, "a")[rival], rel=1e-9) for rival in ("c", "far")
    }
    assert confusions(lookup, "a", ["a"]) == {}
    x = np.array([0.0, 1.0, 5.9, 6.1, 8.0, 20.0, 50.0])
    found, exact = upper_tail(x), stats.norm.sf(x)
    np.testing.assert_allclose(found[:3], exact[:3], rtol=1e-12)
    assert (found >= exact).all()
    assert (found[3:6] <= exact[3:6] * (1 + 1 / x[3:6] ** 2)).all()


# --- data at the edge
# -------------------------------------------------------------------------------------------------


def plain(
    means: NDArray[np.float64], diagonal: NDArray[np.float64], *, count: int, quartic: float = 0.0
) -> ClusterStatistics:
    """A signature without a factor."""
    return ClusterStatistics(
        counts=np.full(len(means), count, np.int64),
        means=means.astype(np.float32),
        factor=np.zeros((0, means.shape[1]), np.float32),
        diagonal=diagonal.astype(np.float32),
        quartic=quartic,
        factor_classes=np.zeros(0, np.int64),
    )


UNIT = np.eye(6)
DEGENERATE = {
    "one example per class": {
        "a": plain(UNIT[:3], np.zeros(6), count=1),
        "b": plain(UNIT[3:], np.zeros(6), count=1),
    },
    "one cluster of one example": {"a": plain(UNIT[:1], np.zeros(6), count=1)},
    "one class a task": {
        "a": plain(UNIT[:1], np.ones(6), count=9, quartic=40),
        "b": plain(UNIT[1:2], np.ones(6), count=9, quartic=40),
    },
    "the same mean twice": {
        "a": plain(UNIT[[0, 0]], np.zeros(6), count=3),
        "b": plain(UNIT[[0]], np.zeros(6), count=3),
    },
    "only zeros": {
        "a": plain(0 * UNIT[:2], np.zeros(6), count=3),
        "b": plain(0 * UNIT[:1], np.zeros(6), count=3),
    },
    "constant features": {
        "a": plain(UNIT[:3], np.array([1, 1, 1, 0, 0, 0]), count=500, quartic=3e-3),
        "b": plain(UNIT[3:], np.array([1, 1, 1, 0, 0, 0]), count=500, quartic=3e-3),
    },
    "features that vary in one direction": {
        "a": plain(UNIT[:3], np.array([1, 0, 0, 0, 0, 0]), count=500),
        "b": plain(UNIT[3:], np.array([1, 0, 0, 0, 0, 0]), count=500),
    },
    "a scatter of rounding errors": {
        "a": plain(UNIT[:3], np.full(6, 1e-14), count=5000, quartic=1e-28),
        "b": plain(UNIT[3:], np.full(6, 1e-14), count=5000, quartic=1e-28),
    },
    "a huge class beside a tiny one": {
        "a": plain(UNIT[:1], np.ones(6), count=10**9),
        "b": plain(UNIT[1:2], np.zeros(6), count=1),
    },
}


@cases("case", DEGENERATE)
def test_degenerate_data_give_finite_answers(case: str) -> None:
    rng = np.random.default_rng(13)
    inputs = np.concatenate(
        [
            make_features(rng, rows=20, width=6),
            UNIT.astype(np.float32),
            np.zeros((1, 6), np.float32),
        ]
    )
    lookup = Lookup(DEGENERATE[case])
    found = lookup(inputs)
    assert 0 <= lookup.shrinkage <= 1
    assert np.isfinite(lookup.scores(inputs)).all()
    assert np.isfinite(found.score).all()
    assert np.isfinite(found.distance).all()
    assert np.isfinite(found.margin).all() or len(lookup.tasks) == 1
    assert (found.margin >= 0).all()


def test_with_one_example_per_class_the_nearest_mean_wins() -> None:
    lookup = Lookup(DEGENERATE["one example per class"])
    assert lookup.shrinkage == 1.0
    inputs = make_features(np.random.default_rng(14), width=6)
    np.testing.assert_array_equal(
        lookup.cluster_scores(inputs).argmax(axis=1), inputs.argmax(axis=1)
    )


def test_a_singular_scatter_is_inverted_with_the_ridge_alone() -> None:
    lookup = Lookup(DEGENERATE["features that vary in one direction"])
    assert lookup.shrinkage == 0.0  # or the shrinkage would have made it regular
    # Feature 0 says cluster 0, and loudly; the others never varied, so the nearest cluster among
    # them wins.
    inputs = np.array([[0.9, 0, 0, 0.6, 0, 0], [0.9, 0, 0, 0.4, 0, 0]], np.float32)
    assert lookup.cluster_scores(inputs).argmax(axis=1).tolist() == [3, 0]
    loud = 2 / 3000  # two tasks' scatter of 1 in feature 0, six clusters of 500 examples
    quiet = RIDGE * loud / 6
    expected = ((0.1**2 - 0.9**2) / loud + (0.6**2 - 0.4**2) / quiet) / 2
    assert lookup(inputs).margin[0] == pytest.approx(expected, rel=1e-4)


# --- stored arrays
# ----------------------------------------------------------------------------------------------------


def test_a_signature_survives_its_arrays() -> None:
    one = make_signature(np.random.default_rng(15))
    again = ClusterStatistics.from_arrays(one.arrays(), "task heating", 12)
    assert again.quartic == one.quartic
    for name in ("counts", "means", "factor", "diagonal"):
        np.testing.assert_array_equal(getattr(again, name), getattr(one, name))
        assert getattr(again, name).dtype == getattr(one, name).dtype


def test_a_signature_without_a_factor_is_accepted() -> None:
    arrays = make_signature(np.random.default_rng(16), rank=0).arrays()
    assert ClusterStatistics.from_arrays(arrays, "task heating", 12).factor.shape == (0, 12)


@cases(
    ("name", "array"),
    [
        ("counts", np.ones(3, np.int32)),
        ("counts", np.ones(4, np.int64)),
        ("origin", np.zeros((8, 1, 2), np.int8)),
        ("origin", np.zeros((8, 2, 2), np.uint8)),
        ("origin_scale", np.ones(3, np.float32)),
        ("origin_scale", np.full(1, 0.75, np.float32)),
        ("means", np.zeros((6, 3, 2), np.int8)),
        ("means", np.zeros((6, 3, 3), np.uint8)),
        ("means", np.zeros((6, 2, 2), np.uint8)),
        ("means", np.zeros((5, 3, 2), np.uint8)),
        ("means", np.zeros(36, np.uint8)),
        (
            "means",
            np.concatenate([np.zeros((5, 3, 2), np.uint8), np.full((1, 3, 2), 8, np.uint8)]),
        ),  # -32, which has no 32
        (
            "means",
            np.full((6, 3, 2), 16, np.uint8) * np.array([0, 1], np.uint8),
        ),  # bits behind the twelfth number
        ("means_scale", np.full(3, 0.3, np.float32)),
        ("means_scale", np.zeros(3, np.float32)),
        ("means_scale", np.full(3, -0.5, np.float32)),
        ("means_scale", np.ones(3, np.float64)),
        ("factor_scale", np.ones(3, np.float32)),
        ("factor", np.zeros((5, 4, 2), np.float32)),
        ("factor", np.zeros((5, 4, 3), np.uint8)),
        ("factor", np.zeros((6, 4, 2), np.uint8)),
        ("factor", np.zeros(48, np.uint8)),
        ("diagonal", np.zeros(12, np.float16)),
        ("diagonal", np.zeros(13, np.float32)),
        ("diagonal", np.zeros((1, 12), np.float32)),
        ("quartic", np.zeros(1, np.float32)),
        ("quartic", np.zeros(2, np.float64)),
        ("quartic", np.zeros((), np.float64)),
        ("counts", np.array([1, 0, 3], np.int64)),
        ("counts", np.array([1, -2, 3], np.int64)),
        ("diagonal", np.full(12, -1e-3, np.float32)),
    ],
)
def test_an_array_that_does_not_fit_is_refused_by_name(
    name: str, array: NDArray[np.generic]
) -> None:
    arrays = {**make_signature(np.random.default_rng(17)).arrays(), name: array}
    # Where the counts have another length it is the means that do not fit them.
    named = "means" if name == "counts" and array.shape == (4,) else name.removesuffix("_scale")
    with pytest.raises(IncompatibleError, match=rf"^task heating: expected .*\b{named}") as refusal:
        ClusterStatistics.from_arrays(arrays, "task heating", 12)
    assert "\n" not in str(refusal.value)


@cases(
    "name",
    ["counts", "origin", "means", "means_scale", "factor", "factor_scale", "diagonal", "quartic"],
)
def test_a_missing_array_is_refused_by_name(name: str) -> None:
    arrays = make_signature(np.random.default_rng(18)).arrays()
    del arrays[name]
    with pytest.raises(IncompatibleError, match=f"expected arrays .*'{name}'.*, found ") as refusal:
        ClusterStatistics.from_arrays(arrays, "task heating", 12)
    assert f"'{name}'" not in str(refusal.value).split("found")[1]


def test_an_array_too_many_is_refused_by_name() -> None:
    arrays = {**make_signature(np.random.default_rng(19)).arrays(), "extra": np.zeros(1)}
    with pytest.raises(IncompatibleError, match=r"found .*'extra'"):
        ClusterStatistics.from_arrays(arrays, "task heating", 12)


def test_a_signature_without_clusters_is_refused() -> None:
    empty = {"counts": np.zeros(0, np.int64), "means": np.zeros((6, 0, 2), np.uint8)}
    with pytest.raises(IncompatibleError, match="task heating"):
        ClusterStatistics.from_arrays(
            {**make_signature(np.random.default_rng(20)).arrays(), **empty}, "task heating", 12
        )


@pytest.mark.parametrize("name", ["means_scale", "factor_scale", "diagonal", "quartic"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_array_that_is_not_finite_is_refused_by_name(name: str, value: float) -> None:
    arrays = make_signature(np.random.default_rng(21)).arrays()
    arrays[name].flat[0] = value
    with pytest.raises(IncompatibleError, match=rf"^task heating: expected .*\b{name}\b"):
        ClusterStatistics.from_arrays(arrays, "task heating", 12)


@pytest.mark.parametrize(
    "counts", [np.zeros(0, np.int64), np.ones((3, 1), np.int64)], ids=["empty", "two axes"]
)
def test_counts_of_a_wrong_shape_are_refused_with_the_shape_found(
    counts: NDArray[np.int64],
) -> None:
    arrays = {**make_signature(np.random.default_rng(22)).arrays(), "counts": counts}
    with pytest.raises(
        IncompatibleError, match=rf"^task heating: expected counts .*\({counts.shape[0]},"
    ):
        ClusterStatistics.from_arrays(arrays, "task heating", 12)


def test_no_inputs_get_no_answers() -> None:
    rng = np.random.default_rng(23)
    lookup = Lookup({"a": make_signature(rng), "b": make_signature(rng)})
    nothing = np.zeros((0, 12), np.float32)
    assert lookup(nothing).task.shape == (0,)
    assert lookup.scores(nothing).shape == (0, 2)
    assert lookup.cluster_scores(nothing).argmax(axis=1).dtype == np.int64


def test_a_stranger_to_the_only_cluster_is_further_away_than_its_own_examples() -> None:
    clusters = make_clusters(np.random.default_rng(24), classes=1, pairs=50, width=10, distance=3)
    lookup = Lookup(clusters.tasks(1))
    stranger = (-2 * clusters.means).astype(np.float32)
    assert (
        lookup(stranger).distance[0] > lookup(clusters.features.astype(np.float32)).distance.max()
    )
