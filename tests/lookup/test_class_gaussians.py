"""Class Gaussians score as their densities say, and add up to the evidence for tasks."""

from __future__ import annotations

import numpy as np
import pytest
from every import cases
from numpy.typing import NDArray
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn.preprocessing import normalize

from cfedge.errors import InputError
from cfedge.lookup import ClusterStatistics
from cfedge.lookup.class_gaussians import (
    OWN_SHAPE,
    SHRINKAGE,
    TEMPERATURE,
    ClassGaussians,
    task_evidence,
)
from cfedge.lookup.lookup import Lookup
from cfedge.train.signature import signature

Floats = NDArray[np.float32]
WIDTH = 12


def draw(seed: int, classes: int, examples: int) -> tuple[Floats, NDArray[np.int64]]:
    """Unit-length features of classes that differ in mean and in shape."""
    rng = np.random.default_rng(seed)
    means = rng.normal(size=(classes, WIDTH))
    shapes = rng.normal(size=(classes, WIDTH, WIDTH)) * rng.uniform(0.1, 1.5, (classes, 1, WIDTH))
    labels = np.repeat(np.arange(classes), examples)
    noise = np.einsum("nd,nde->ne", rng.normal(size=(len(labels), WIDTH)), shapes[labels])
    return normalize(means[labels] + 0.4 * noise).astype(np.float32), labels


def tasks_of(seed: int = 0, rank: int = 3) -> dict[str, ClusterStatistics]:
    features, labels = draw(seed, 6, 40)
    return {
        f"task {task}": signature(
            features[labels // 2 == task], labels[labels // 2 == task] % 2, rank
        )
        for task in range(3)
    }


def densities(tasks: dict[str, ClusterStatistics], inputs: Floats) -> NDArray[np.float64]:
    """Log-densities [B, C] of the Gaussians that the module's docstring defines."""
    parts = [tasks[name] for name in sorted(tasks)]
    scatter = sum(
        one.factor.astype(np.float64).T @ one.factor + np.diag(one.diagonal) for one in parts
    )
    shared = scatter / sum(one.counts.sum() for one in parts)
    shared = shared + SHRINKAGE * np.trace(shared) / WIDTH * np.eye(WIDTH)
    found = []
    for one in parts:
        for place, (count, mean) in enumerate(zip(one.counts, one.means, strict=True)):
            rows = one.factor[one.factor_classes == place].astype(np.float64)
            covariance = (1 - OWN_SHAPE) * shared + OWN_SHAPE * rows.T @ rows / count
            found.append(multivariate_normal(mean.astype(np.float64), covariance).logpdf(inputs))
    return np.stack(found, axis=1)


@cases("rank", [0, 3, WIDTH])
def test_scores_are_log_densities_but_for_what_all_classes_share(rank: int) -> None:
    tasks, inputs = tasks_of(rank=rank), draw(1, 6, 5)[0]
    gaussians = ClassGaussians(tasks)
    found = np.stack([gaussians.scores(row, None) for row in inputs])
    assert found.dtype == np.float32
    left = found - densities(tasks, inputs)
    np.testing.assert_allclose(left, left[:, :1] + np.zeros(6), atol=2e-3)


def test_chosen_tasks_are_scored_as_all_are() -> None:
    gaussians = ClassGaussians(tasks_of())
    for row in draw(2, 6, 3)[0]:
        whole = gaussians.scores(row, None)
        np.testing.assert_allclose(gaussians.scores(row, [0, 2]), whole[[0, 1, 4, 5]], rtol=1e-4)
    assert gaussians.classes_of([0, 2]) == [2, 2]
    assert gaussians.classes_of(None) == [2, 2, 2]


def test_the_evidence_is_the_log_sum_over_a_tasks_classes() -> None:
    rng = np.random.default_rng(0)
    scores = (rng.normal(size=9) * 100).astype(np.float32)
    found = task_evidence(scores, [4, 1, 4])
    parts = np.split(scores.astype(np.float64), [4, 5])
    expected = [TEMPERATURE * logsumexp(part / TEMPERATURE) for part in parts]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    far = task_evidence(np.array([-1e6, 1e6, 0.0], np.float32), [2, 1])
    assert far.tolist() == [1e6, 0.0]


def test_classes_that_differ_in_shape_alone_are_told_apart() -> None:
    rng = np.random.default_rng(3)
    mean, axes = rng.normal(size=WIDTH) * 2, np.linalg.qr(rng.normal(size=(WIDTH, WIDTH)))[0]

    def draws(task: int, count: int) -> Floats:
        sizes = np.where(np.arange(WIDTH) // 6 == task, 1.0, 0.05)
        noise = rng.normal(size=(count, WIDTH)) * sizes @ axes
        return normalize(mean + noise).astype(np.float32)

    tasks = {f"{task}": signature(draws(task, 200), np.zeros(200, np.int64), 6) for task in (0, 1)}
    gaussians, lookup = ClassGaussians(tasks), Lookup(tasks)
    right, linear = [], []
    for task in (0, 1):
        for row in draws(task, 100):
            right.append(gaussians.scores(row, None).argmax() == task)
            linear.append(lookup.scores(row[None])[0].argmax() == task)
    assert np.mean(right) > 0.95
    assert np.mean(linear) < 0.8


@cases("case", ["one example a class", "the same examples", "one class"])
def test_degenerate_classes_are_scored(case: str) -> None:
    features, _ = draw(4, 4, 1)
    if case == "one class":
        tasks = {"only": signature(draw(5, 1, 20)[0], np.zeros(20, np.int64))}
    else:
        times = 1 if case == "one example a class" else 7
        labels = np.repeat(np.arange(2), times)
        tasks = {
            name: signature(np.repeat(features[rows], times, axis=0), labels)
            for name, rows in (("a", slice(0, 2)), ("b", slice(2, 4)))
        }
    gaussians = ClassGaussians(tasks)
    scores = np.stack([gaussians.scores(row, None) for row in features])
    assert np.isfinite(scores).all()
    if case != "one class":
        assert scores.argmax(axis=1).tolist() == [0, 1, 2, 3]


def test_an_input_that_is_not_finite_is_refused_by_its_place() -> None:
    gaussians = ClassGaussians(tasks_of())
    row = np.full(WIDTH, np.nan, np.float32)
    with (
        np.errstate(invalid="ignore"),
        pytest.raises(InputError, match="features of input 5: expected finite numbers"),
    ):
        gaussians.scores(row, None, 5)


def test_the_same_tasks_score_alike_in_whatever_order_they_came() -> None:
    tasks, rows = tasks_of(), draw(6, 6, 3)[0]
    one = ClassGaussians(tasks)
    other = ClassGaussians({name: tasks[name] for name in sorted(tasks, reverse=True)})
    for row in rows:
        assert one.scores(row, None).tobytes() == other.scores(row, None).tobytes()
