"""Class Gaussians score as their densities say, and add up to the evidence for tasks."""

from __future__ import annotations

import numpy as np
import pytest
from every import cases
from numpy.typing import NDArray
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn.preprocessing import normalize

from cfedge.lookup import ClusterStatistics, class_gaussians
from cfedge.lookup.class_gaussians import (
    BREADTH,
    OF_ONE_VIEW,
    ClassShape,
    Shared,
    ridge,
    task_evidence,
    temperature,
)
from cfedge.lookup.class_table import ClassTable
from cfedge.lookup.familiarity import Familiarity, Terms
from cfedge.lookup.lookup import Lookup
from cfedge.train.features.signature import signature

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
    """Log-densities [B, C] of the Gaussians that the module's docstring defines, and what a mean of
    few examples is given back.
    """
    parts = [tasks[name] for name in sorted(tasks)]
    scatter = sum(
        one.factor.astype(np.float64).T @ one.factor + np.diag(one.diagonal) for one in parts
    )
    bare = scatter / sum(one.counts.sum() for one in parts)
    shared = bare + ridge(Lookup(tasks).shrinkage) * np.trace(bare) / WIDTH * np.eye(WIDTH)
    found, whitened = [], np.trace(np.linalg.solve(shared, bare))
    for one in parts:
        for place, (count, mean) in enumerate(zip(one.counts, one.means, strict=True)):
            rows = one.factor[one.factor_classes == place].astype(np.float64)
            covariance = (1 - OF_ONE_VIEW.own) * shared + OF_ONE_VIEW.own * rows.T @ rows / count
            density = multivariate_normal(mean.astype(np.float64), covariance).logpdf(inputs)
            found.append(density + whitened / count / (2 * (1 - OF_ONE_VIEW.own)))
    return np.stack(found, axis=1)


def scores(tasks: dict[str, ClusterStatistics], inputs: Floats) -> NDArray[np.float64]:
    """G [B, C] of all classes, by the module's formulas."""
    lookup = Lookup(tasks)
    shared = Shared.of(lookup.within, lookup.shrinkage)
    found = []
    for name in sorted(tasks):
        for place in range(len(tasks[name].counts)):
            one = ClassShape.of(tasks[name], place, shared)
            apart = inputs @ one.directions.T - one.centers
            found.append(inputs @ one.linear + one.offset + (apart**2).sum(axis=1) / 2)
    return np.stack(found, axis=1)


@cases("rank", [0, 3, WIDTH])
def test_scores_are_log_densities_but_for_what_all_classes_share(rank: int) -> None:
    tasks, inputs = tasks_of(rank=rank), draw(1, 6, 5)[0]
    left = scores(tasks, inputs) - densities(tasks, inputs)
    np.testing.assert_allclose(left, left[:, :1] + np.zeros(6), atol=1e-4)


def test_a_class_of_few_examples_keeps_up_with_one_of_many() -> None:
    """In the mean over draws, what a class says of its own inputs does not depend on how many
    examples its mean was made of.
    """
    rng = np.random.default_rng(0)
    apart = []
    for _ in range(300):
        rows = rng.normal(size=(404, WIDTH)).astype(np.float32)
        labels = np.zeros(400, np.int64)
        tasks = {"a": signature(rows[:400], labels, 0), "b": signature(rows[400:], labels[:4], 0)}
        many, few = scores(tasks, rng.normal(size=(1, WIDTH)).astype(np.float32))[0]
        apart.append(many - few)
    assert abs(np.mean(apart)) < 3 * np.std(apart) / np.sqrt(len(apart))


def two_tasks() -> dict[str, ClusterStatistics]:
    """One of one class, and one of two."""
    features, labels = draw(2, 3, 30)
    return {
        "alone": signature(features[:30], labels[:30], 3),
        "two": signature(features[30:], labels[30:] - 1, 3),
    }


def test_a_class_that_is_a_task_of_its_own_is_given_the_less_the_nearer_the_next_class_is() -> None:
    features, labels = draw(2, 3, 30)
    one, two = features[:30], features[30:]
    found = []
    for near in (0.0, 0.5, 0.8, 0.99):  # part of the way to the first class of the other task
        moved = normalize(one + near * (two[:30].mean(axis=0) - one.mean(axis=0)))
        tasks = {
            "alone": signature(moved.astype(np.float32), labels[:30], 3),
            "two": signature(two, labels[30:] - 1, 3),
        }
        lookup = Lookup(tasks)
        table = ClassTable(tasks, lookup)
        apart = lookup.whitened[1:] - lookup.whitened[0]
        np.testing.assert_allclose(lookup.squares(0)[1:], (apart**2).sum(axis=1), rtol=1e-3)
        square = (apart**2).sum(axis=1).min() / lookup.directions
        assert abs(table.given(0) - min(0.15, 0.5 * square / np.sqrt(30))) < 1e-4
        assert table.given(1) == 0
        bare = ClassShape.of(tasks["alone"], 0, table.shared).offset
        table.warm_up()
        more = float(table._rest[0, -1]) - bare
        assert abs(more - table.given(0) * table.shared.doubt / (2 * (1 - OF_ONE_VIEW.own))) < 1e-3
        found.append(table.given(0))
    assert found == sorted(found, reverse=True)
    assert found[0] == 0.15 > found[2] > found[3] < 0.01
    only = {"alone": tasks["alone"]}
    assert ClassTable(only, Lookup(only)).given(0) == 0


def test_whether_an_input_is_known_does_not_hang_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    tasks, x = two_tasks(), draw(5, 1, 1)[0][0]

    def terms() -> list[Terms]:
        lookup = Lookup(tasks)
        found = Familiarity(tasks, lookup, ClassTable(tasks, lookup))
        return [found(x, task) for task in range(2)]

    with_it = terms()
    assert ClassTable(tasks, Lookup(tasks)).given(0) > 0
    monkeypatch.setattr(class_gaussians, "ALONE", 0.0)
    np.testing.assert_allclose(with_it, terms(), atol=1e-4)


def test_the_evidence_is_the_log_sum_over_a_tasks_classes_less_half_of_what_their_number_adds() -> (
    None
):
    rng = np.random.default_rng(0)
    scores = (rng.normal(size=9) * 100).tolist()
    found = task_evidence(scores, [0] * 4 + [3] + [7] * 4, 16)
    parts = np.split(np.array(scores), [4, 5])
    expected = [16 * (logsumexp(part / 16) - BREADTH * np.log(len(part))) for part in parts]
    assert list(found) == [0, 3, 7]
    np.testing.assert_allclose(list(found.values()), expected, rtol=1e-12)
    assert task_evidence([-1e6, 1e6, 0.0], [0, 0, 1], 16) == {
        0: 1e6 - 16 * BREADTH * np.log(2),
        1: 0.0,
    }


def test_the_fewer_examples_a_direction_has_the_more_is_added_to_the_shared_covariance() -> None:
    rng = np.random.default_rng(0)

    def tau(examples: int, width: int) -> float:
        shape = np.linspace(0.2, 2, width)
        rows = (rng.normal(size=(examples, width)) * shape).astype(np.float32)
        return ridge(Lookup({"a": signature(rows, np.zeros(examples, np.int64), 4)}).shrinkage)

    by_examples = [tau(examples, 32) for examples in (8, 64, 512, 8192)]
    assert by_examples == sorted(by_examples, reverse=True)
    assert (by_examples[0], by_examples[-1]) == (3.0, 0.1)  # at most, at least
    assert 0.1 < by_examples[2] < by_examples[1] <= 3.0
    assert tau(512, 8) < tau(512, 32) < tau(512, 128)


def test_a_task_of_one_class_keeps_its_inputs_from_tasks_of_many_whatever_the_width() -> None:
    """Where classes are as wide as each other, of the inputs of each task alone about as many stay
    with it as there would be were all tasks of one class.
    """
    rng = np.random.default_rng(1)
    for width in (16, 128):
        means = rng.normal(size=(9, width)) * 6 / np.sqrt(width)
        owners = [0] * 8 + [1]
        inputs = means[8] + rng.normal(size=(400, width))
        g = -((inputs[:, None] - means) ** 2).sum(axis=2) / 2
        found = [task_evidence(row, owners, temperature(width)) for row in g.tolist()]
        kept = np.mean([scores[1] > scores[0] for scores in found])
        assert kept > np.mean(g.argmax(axis=1) == 8) - 0.05
        warm = [task_evidence(row, owners, 16.0) for row in g.tolist()]
        if width == 16:  # what one temperature for all widths did
            assert np.mean([scores[1] > scores[0] for scores in warm]) < kept - 0.05


def test_classes_that_differ_in_shape_alone_are_told_apart() -> None:
    rng = np.random.default_rng(3)
    mean, axes = rng.normal(size=WIDTH) * 2, np.linalg.qr(rng.normal(size=(WIDTH, WIDTH)))[0]

    def draws(task: int, count: int) -> Floats:
        sizes = np.where(np.arange(WIDTH) // 6 == task, 1.0, 0.05)
        noise = rng.normal(size=(count, WIDTH)) * sizes @ axes
        return normalize(mean + noise).astype(np.float32)

    tasks = {f"{task}": signature(draws(task, 200), np.zeros(200, np.int64), 6) for task in (0, 1)}
    lookup = Lookup(tasks)
    right, linear = [], []
    for task in (0, 1):
        inputs = draws(task, 100)
        right.extend(scores(tasks, inputs).argmax(axis=1) == task)
        linear.extend(lookup.scores(inputs).argmax(axis=1) == task)
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
    found = scores(tasks, features)
    assert np.isfinite(found).all()
    if case != "one class":
        assert found.argmax(axis=1).tolist() == [0, 1, 2, 3]
