"""Signatures against the scatter computed one residual at a time in float64. Letters: N examples, D
width, K factor rank.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from every import cases
from numpy.typing import NDArray
from sklearn.covariance import ledoit_wolf_shrinkage
from sklearn.preprocessing import normalize

from cfedge.errors import InputError
from cfedge.lookup import ClusterStatistics, Features, Lookup
from cfedge.lookup.lda import SHRINKAGE_FACTOR
from cfedge.train.features.signature import learn_signature, signature
from cfedge.train.settings import CLASS_RANK


@pytest.fixture(autouse=True)
def strict_numerics() -> Iterator[None]:
    with np.errstate(all="raise"):
        yield


def make_data(
    seed: int, *, examples: int = 200, width: int = 20, classes: int = 4
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Unit-length features around class means, spread unequally over the features, in mixed order."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(examples) % classes)
    raw = rng.normal(size=(classes, width))[labels] + rng.normal(
        size=(examples, width)
    ) * rng.uniform(0.1, 1, width)
    return normalize(raw.astype(np.float32)), labels.astype(np.int64)


def residuals_of(features: NDArray[np.float32], classes: NDArray[np.int64]) -> NDArray[np.float64]:
    x = features.astype(np.float64)
    return np.stack(
        [row - x[classes == label].mean(axis=0) for row, label in zip(x, classes, strict=True)]
    )


def scatter_of(features: NDArray[np.float32], classes: NDArray[np.int64]) -> NDArray[np.float64]:
    scatter = np.zeros((features.shape[1], features.shape[1]))
    for row in residuals_of(features, classes):
        scatter += np.outer(row, row)
    return scatter


def rebuilt(one: ClusterStatistics) -> NDArray[np.float64]:
    factor = one.factor.astype(np.float64)
    scatter: NDArray[np.float64] = factor.T @ factor + np.diag(one.diagonal.astype(np.float64))
    return scatter


def half_steps(rows: NDArray[np.floating], most: int = 15) -> NDArray[np.float64]:
    """[K, 1], half of the least power of two of which `most` reach over each row."""
    largest = np.abs(rows.astype(np.float64)).max(axis=1, keepdims=True)
    return np.array(
        [
            [min(2.0**power for power in range(-60, 9) if most * 2.0**power >= one) / 2]
            for one in largest[:, 0]
        ]
    )


def off(means: NDArray[np.floating]) -> NDArray[np.float64]:
    """[K, 1], how far rounding may move means: the first by its own step, the others by that of
    their distance from it.
    """
    first = half_steps(means[:1], 127)
    return np.concatenate([first, half_steps(np.abs(means[1:] - means[:1]) + first, 31)]) * 1.0001


def rounding(one: ClusterStatistics) -> NDArray[np.float64]:
    """[D, D], how much rounding may move F' F: sum_k |f_ki| e_kj + e_ki |f_kj|, with e half a step
    of each row.
    """
    size = np.abs(one.factor.astype(np.float64)) + (
        half_steps(one.factor) if len(one.factor) else 0
    )
    step = np.broadcast_to(half_steps(one.factor), size.shape) if len(one.factor) else size
    moved: NDArray[np.float64] = (size.T @ step + step.T @ size) * 1.01
    return moved


def test_counts_and_means_are_those_of_the_classes() -> None:
    features, classes = make_data(0, examples=90, classes=3)
    classes[:7] = 2  # so that the classes differ in size
    found = signature(features, classes)
    assert found.counts.tolist() == [int((classes == label).sum()) for label in range(3)]
    assert len(set(found.counts.tolist())) > 1
    expected = np.stack(
        [features[classes == label].astype(np.float64).mean(axis=0) for label in range(3)]
    )
    assert (np.abs(found.means - expected) <= off(expected)).all()


def test_storage_is_narrow_and_has_the_stated_shapes() -> None:
    found = signature(*make_data(1, width=20, classes=4), rank=6)
    assert (found.counts.dtype, found.counts.shape) == (np.int64, (4,))
    assert (found.means.dtype, found.means.shape) == (np.float32, (4, 20))
    assert (found.factor.dtype, found.factor.shape) == (np.float32, (24, 20))
    assert (found.diagonal.dtype, found.diagonal.shape) == (np.float32, (20,))
    again = ClusterStatistics.from_arrays(found.arrays(), "task heating", 20)
    assert again.quartic == found.quartic
    shapes = {name: found.arrays()[name].shape for name in ("origin", "means", "factor")}
    assert shapes == {
        "origin": (8, 1, 3),
        "means": (6, 4, 3),
        "factor": (5, 24, 3),
    }  # bits, rows, eighths of the width
    assert again.means.tobytes() == found.means.tobytes()
    assert again.factor.tobytes() == found.factor.tobytes()


def test_factor_and_diagonal_give_the_scatter_where_the_rank_is_full(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = make_data(2)
    found = signature(*data, rank=20)
    assert found.factor.shape == (4 * 20, 20)
    error = np.abs(rebuilt(found) - scatter_of(*data))
    assert (error <= rounding(found)).all()
    monkeypatch.setattr(
        "cfedge.train.features.signature.on_grid", lambda rows, **_: rows.astype(np.float32)
    )  # but for rounding
    np.testing.assert_allclose(
        rebuilt(signature(*data, rank=20)),
        scatter_of(*data),
        atol=1e-5 * np.abs(scatter_of(*data)).max(),
    )


@cases("rank", [0, 1, 3, 19])
def test_the_diagonal_is_kept_whatever_the_rank(rank: int) -> None:
    data = make_data(3)
    found = signature(*data, rank=rank)
    assert found.factor.shape == (4 * rank, 20)
    assert (found.diagonal >= 0).all()
    error = np.abs(np.diag(rebuilt(found)) - np.diag(scatter_of(*data)))
    assert (error <= np.diag(rounding(found)) + 1e-6).all()


def test_the_factor_takes_the_directions_of_largest_scatter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "cfedge.train.features.signature.on_grid", lambda rows, **_: rows.astype(np.float32)
    )  # but for rounding
    features, classes = make_data(4)
    for rank in (1, 4, 10):
        found = signature(features, classes, rank=rank)
        for label in range(4):
            own = classes == label
            scatter = scatter_of(features[own], classes[own])
            values = np.linalg.eigvalsh(scatter)[::-1]
            factor = found.factor[found.factor_classes == label].astype(np.float64)
            np.testing.assert_allclose((factor**2).sum(axis=1), values[:rank], rtol=1e-5)
            # No factor of that rank leaves less of the scatter out (Eckart and Young).
            left = np.linalg.norm(scatter - factor.T @ factor)
            assert left == pytest.approx(np.sqrt((values[rank:] ** 2).sum()), rel=1e-5)


def test_the_default_rank_is_a_limit() -> None:
    found = signature(*make_data(5, examples=300, width=60))
    classes = len(found.counts)
    assert found.factor.shape == (CLASS_RANK * classes, 60)
    assert found.factor_classes.tolist() == np.repeat(np.arange(classes), CLASS_RANK).tolist()
    assert (found.diagonal > 0).any()


def test_a_class_has_no_more_rows_than_its_scatter_has_dimensions() -> None:
    # 10 examples of 4 classes: 3, 3, 2 and 2 of them, so 2, 2, 1 and 1 dimensions.
    data = make_data(6, examples=10)
    found = signature(*data)
    assert found.factor_classes.tolist() == [0, 0, 1, 1, 2, 3]
    assert found.factor.shape == (6, 20)
    assert (np.abs(rebuilt(found) - scatter_of(*data)) <= rounding(found) + 1e-9).all()


def test_one_example_a_class_leaves_no_scatter() -> None:
    features, _ = make_data(7, examples=3)
    found = signature(features, np.arange(3))
    assert found.counts.tolist() == [1, 1, 1]
    assert found.factor.shape == (0, 20)
    assert (found.diagonal == 0).all()
    assert found.quartic == 0.0
    assert (np.abs(found.means - features) <= off(features)).all()


def test_repeated_examples_leave_no_scatter() -> None:
    features, _ = make_data(8, examples=3)
    found = signature(np.repeat(features, 7, axis=0), np.repeat(np.arange(3), 7))
    assert found.factor.shape == (0, 20)
    assert (found.diagonal == 0).all()


def test_constant_features_have_no_diagonal() -> None:
    features, classes = make_data(9)
    features[:, 4], features[:, 11:] = 0.25, 0
    found = signature(features, classes, rank=5)
    assert (found.diagonal[[4, *range(11, 20)]] < 1e-6).all()
    assert (found.diagonal[:4] > 0).any()


def test_quartic_is_the_sum_of_the_residuals_fourth_powers() -> None:
    data = make_data(10)
    expected = sum(float(row @ row) ** 2 for row in residuals_of(*data))
    assert signature(*data).quartic == pytest.approx(expected, rel=1e-12)
    assert signature(*data, rank=2).quartic == signature(*data).quartic


def test_the_order_of_the_examples_does_not_matter() -> None:
    features, classes = make_data(11)
    order = np.random.default_rng(0).permutation(len(classes))
    one, other = signature(features, classes), signature(features[order], classes[order])
    np.testing.assert_array_equal(one.counts, other.counts)
    assert (np.abs(one.means - other.means) <= 2 * off(one.means)).all()
    assert (np.abs(rebuilt(one) - rebuilt(other)) <= 2 * rounding(one)).all()


def test_a_lookup_from_the_signature_shrinks_as_ledoit_and_wolf_say(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "cfedge.train.features.signature.on_grid", lambda rows, **_: rows.astype(np.float32)
    )  # but for rounding
    data = make_data(12, examples=2000)
    expected = SHRINKAGE_FACTOR * ledoit_wolf_shrinkage(residuals_of(*data), assume_centered=True)
    assert 0 < expected < 1
    assert Lookup({"a": signature(*data, rank=20)}).shrinkage == pytest.approx(expected, rel=1e-3)


@cases("value", [np.nan, np.inf, -np.inf])
def test_features_that_are_not_finite_are_refused_naming_the_row(value: float) -> None:
    features, classes = make_data(0)
    features[7, 3] = value
    with pytest.raises(InputError, match="features of input 7: expected finite numbers"):
        signature(features, classes)
    with pytest.raises(InputError, match="features of input 7: expected finite numbers"):
        learn_signature(Features(features, features), classes)
