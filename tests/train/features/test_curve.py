"""A learning curve: points that are measured, and an extrapolation that says how sure it is."""

from __future__ import annotations

import numpy as np
from every import cases

from cfedge.train.features.curve import Point, curve, outlook


def drawn(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    classes = np.arange(count) % 4
    return (rng.normal(size=(count, 8)) + 1.5 * np.eye(8)[classes]).astype(np.float32), classes


def test_more_examples_answer_more() -> None:
    points = curve(*drawn(400, 0), *drawn(2000, 1), np.random.default_rng(0))
    assert [point.examples for point in points] == [100, 200, 400]
    assert points[0].right < points[-1].right


def test_shares_that_leave_a_class_without_an_example_and_tasks_of_one_class_have_no_point() -> (
    None
):
    points = curve(*drawn(8, 0), *drawn(40, 1), np.random.default_rng(0))
    assert [point.examples for point in points] == [4, 8]
    features, classes = drawn(8, 0)
    assert curve(features, classes * 0, features, classes * 0, np.random.default_rng(0)) == ()


def test_the_interval_holds_what_twice_as_many_gave() -> None:
    held, hits = 400, 0
    for seed in range(20):
        points = curve(*drawn(200, seed), *drawn(held, seed + 500), np.random.default_rng(seed))
        more = outlook(points, held, np.random.default_rng(seed))
        assert more is not None
        assert more.examples == 400
        assert more.low <= more.error <= more.high
        (*_, last) = curve(*drawn(400, seed), *drawn(held, seed + 500), np.random.default_rng(seed))
        hits += more.low <= 1 - last.right / held <= more.high
    assert hits >= 16


@cases("points", [(), (Point(8, 3),)])
def test_fewer_than_two_points_say_nothing(points: tuple[Point, ...]) -> None:
    assert outlook(points, 10, np.random.default_rng(0)) is None


def test_all_right_everywhere_stays_right_with_an_interval() -> None:
    more = outlook((Point(10, 20), Point(20, 20), Point(40, 20)), 20, np.random.default_rng(0))
    assert more is not None
    assert 0 < more.low < more.error < more.high < 0.2
