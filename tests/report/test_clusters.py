"""The map: made of signatures alone, the same each time, and honest about what it keeps."""

from __future__ import annotations

import numpy as np
import pytest
from every import cases
from numpy.typing import NDArray
from sklearn.manifold import trustworthiness

from cfedge.lookup import ClusterStatistics
from cfedge.report import clusters
from cfedge.report.clusters import cluster_map, place


def signature(means: NDArray[np.floating], seed: int = 0) -> ClusterStatistics:
    rng = np.random.default_rng(seed)
    count, width = means.shape
    one = ClusterStatistics(
        counts=np.full(count, 20, np.int64),
        means=means.astype(np.float32),
        factor=(rng.normal(size=(2 * count, width)) * 0.1).astype(np.float32),
        diagonal=np.full(width, 0.5, np.float32),
        quartic=1.0,
        factor_classes=np.repeat(np.arange(count), 2).astype(np.int64),
    )
    return one


def tasks(count: int, classes: int, width: int = 24) -> dict[str, ClusterStatistics]:
    rng = np.random.default_rng(1)
    return {
        f"task{number}": signature(
            rng.normal(size=width) * 2 + rng.normal(size=(classes, width)), seed=number
        )
        for number in range(count)
    }


def names(signatures: dict[str, ClusterStatistics]) -> dict[str, tuple[str, ...]]:
    return {
        name: tuple(f"class {place}" for place in range(len(one.counts)))
        for name, one in signatures.items()
    }


@pytest.fixture(autouse=True)
def _strict() -> object:
    with np.errstate(all="raise"):
        yield


@cases("count, classes", [(1, 1), (1, 2), (2, 1), (1, 3), (2, 2), (4, 8)])
def test_every_class_has_a_place_within_the_square(count: int, classes: int) -> None:
    signatures = tasks(count, classes)
    found = cluster_map(signatures, names(signatures))
    assert [(one.task, one.label) for one in found.points] == [
        (task, label) for task, labels in names(signatures).items() for label in labels
    ]
    places = np.array([(one.x, one.y) for one in found.points])
    assert np.isfinite(places).all()
    assert np.abs(places).max() <= 1
    assert (found.faithfulness is None) == (count * classes < 3)


def test_the_same_signatures_give_the_same_map_in_whatever_order_they_come() -> None:
    signatures = tasks(3, 6)
    turned = dict(reversed(list(signatures.items())))
    assert cluster_map(signatures, names(signatures)) == cluster_map(turned, names(turned))


def test_classes_that_are_alike_to_the_last_bit_have_a_map_too() -> None:
    signatures = {"a": signature(np.ones((5, 8))), "b": signature(np.ones((5, 8)))}
    assert len(cluster_map(signatures, names(signatures)).points) == 10


def test_what_lies_in_a_plane_is_kept_whole() -> None:
    rng = np.random.default_rng(2)
    plane = rng.normal(size=(30, 2))
    turned = plane @ np.linalg.qr(rng.normal(size=(10, 10)))[0][:2]
    method, kept = clusters._projected(turned)
    faith = clusters._faithfulness(turned, kept, np.array(["a", "b"] * 15))
    assert method == "principal components"
    assert faith is not None
    assert faith.kept_neighbours == 1
    assert faith.nearest_task == 1
    assert faith.rank_correlation == pytest.approx(1, abs=1e-3)


def test_groups_in_many_directions_are_kept_better_by_neighbour_embedding() -> None:
    rng = np.random.default_rng(3)
    middles = np.repeat(rng.normal(size=(12, 40)) * 6, 6, axis=0)
    points = middles + rng.normal(size=middles.shape)
    method, plane = clusters._projected(points)
    assert method == "t-SNE"
    linear = clusters._scaled(clusters._principal(points))
    kept = [trustworthiness(points, one, n_neighbors=5) for one in (linear, plane)]
    assert kept[1] > kept[0]
    assert kept[1] > 0.97


def test_the_share_of_kept_neighbours_is_what_counting_says() -> None:
    far = np.array([[0.0], [1], [3], [7]])
    near = np.array([[0.0], [1], [3], [2.5]])
    distances = [np.abs(one - one.T) for one in (far, near)]
    # nearest of 0, 1, 3, 7 are 1, 0, 1, 3; on the map of 0, 1, 3, 2.5 they are 1, 0, 2.5, 3.
    assert clusters._kept(distances[0], distances[1], 1) == 0.75


def test_of_very_many_classes_every_task_has_one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "_MOST_POINTS", 10)
    signatures = tasks(3, 6)
    found = cluster_map(signatures, names(signatures))
    assert [(one.task, one.examples) for one in found.points] == [
        (f"task{number}", 120) for number in range(3)
    ]


def test_an_input_lies_among_the_clusters_that_score_best() -> None:
    points = np.array([[0.0, 0], [1, 0], [0, 1], [-1, 0], [0, -1], [9, 9]])
    x, y = place(np.array([100.0, 90, 0, 0, 0, -500]), points)
    assert 0 < x < 0.5
    assert abs(y) < 1e-3
    assert place(np.array([5.0]), points[:1]) == (0, 0)
