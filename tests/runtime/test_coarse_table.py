"""The table of coarse scores against float64, and a lookup through it, or through worse ones, against
one without.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import onnx
import pytest
from every import cases
from numpy.typing import NDArray
from sklearn.preprocessing import normalize

from cfedge.errors import InputError
from cfedge.lookup import ClusterStatistics, Lookup
from cfedge.lookup import cluster_table as module
from cfedge.lookup.packing import from_first, on_grid
from cfedge.runtime.coarse_table import CoarseTable, _graph

Floats = NDArray[np.float32]


def make_tasks(count: int, *, apart: float) -> tuple[dict[str, ClusterStatistics], Floats]:
    """Tasks of three clusters, and inputs around their means."""
    rng = np.random.default_rng(count)
    means = normalize(rng.normal(size=(count * 3, 24)))
    center = normalize(rng.normal(size=(1, 24)))
    means = normalize(center + apart * means)
    tasks = {
        f"task {index:04}": ClusterStatistics(
            np.full(3, 20), from_first(means[3 * index : 3 * index + 3]), on_grid(rng.normal(size=(6, 24)) * 0.5),
            np.full(24, 0.3, np.float32), 40.0, np.arange(6) // 2,
        )
        for index in range(count)
    }  # fmt: skip
    inputs = normalize(
        means[rng.integers(0, len(means), 200)] + rng.normal(size=(200, 24)) * 0.06
    ).astype(np.float32)
    return tasks, inputs


@pytest.fixture
def coarse(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Coarse scores of few clusters, in 16 of at most 24 directions."""
    monkeypatch.setattr(module, "COARSE_FROM", 1)
    monkeypatch.setattr(module, "COARSE_DIRECTIONS", 16)
    return monkeypatch


@cases("width", (16, 32, 64, 128))
def test_scores_are_those_of_levels_a_byte_holds_two_of(width: int) -> None:
    # In float64, with nothing of the table's but its rule: each direction by the root of its spread,
    # each row by an eighth of its largest.
    rng = np.random.default_rng(width)
    clusters = (rng.normal(size=(700, width)) * rng.uniform(0.01, 20, (700, 1))).astype(np.float32)
    clusters *= np.linspace(0.1, 3, width, dtype=np.float32)
    clusters[5], clusters[:, 3], offset = 0, 0, rng.normal(size=700).astype(np.float32)
    clusters[:, 4] *= 1e-36
    scale = np.sqrt(np.where(clusters.std(axis=0) > 1e-6, (clusters**2).mean(axis=0) ** 0.5, 1.0))
    even = clusters / scale
    step = np.maximum(np.abs(even).max(axis=1, keepdims=True) / 8, 1e-30)
    kept = np.clip(np.rint(even / step), -8, 7) * step
    table = CoarseTable(clusters, offset)
    for z in [*rng.normal(size=(20, width)).astype(np.float32), np.zeros(width, np.float32)]:
        expected = kept @ (z * scale).astype(np.float64) - offset
        half = np.abs(z * scale).max() / 127 / 2  # what rounding the query leaves of a number
        allowed = 1.01 * half * np.abs(kept).sum(axis=1) + 1e-4 * (np.abs(expected) + 1)
        assert (np.abs(table(z) - expected) <= allowed).all()
    exact = clusters.astype(np.float64) @ z - offset
    assert np.array_equal(table(z), exact.astype(np.float32))  # of the last, all zeros


def test_each_sign_and_each_end_of_the_levels_is_met() -> None:
    clusters = np.full((64, 256), 3.0, np.float32)
    clusters[1], clusters[2, ::2] = -3, -3
    scores = CoarseTable(clusters, np.zeros(64, np.float32))(np.full(256, 2.0, np.float32))
    # -8 of 16 levels holds the largest, 7 the next
    assert scores[:3] == pytest.approx([1536 * 7 / 8, -1536, -1536 / 16], rel=0.01)


def test_the_graph_is_one_that_the_onnx_package_reads() -> None:
    levels = np.arange(5 * 32, dtype=np.uint8).reshape(5, 1, 32)
    model = onnx.load_from_string(_graph(levels, np.ones(5, np.float32), np.zeros(5, np.float32)))
    onnx.checker.check_model(model)
    (node,) = model.graph.node
    assert node.op_type == "MatMulNBits"
    numbers = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
    assert numbers == {"K": 64, "N": 5, "bits": 4, "block_size": 64, "accuracy_level": 4}
    assert list(model.graph.initializer[0].dims) == [5, 1, 32]


def assert_alike(exact: Lookup, lookup: Lookup, inputs: Floats) -> None:
    """To the bit."""
    assert lookup._table.coarse is not None
    one, other = exact(inputs), lookup(inputs)
    for field in dataclasses.fields(one):
        assert getattr(one, field.name).tobytes() == getattr(other, field.name).tobytes(), (
            field.name
        )
    for row in inputs[:50]:
        scores = [each.task_scores(each.scored(row)).tobytes() for each in (exact, lookup)]
        assert scores[0] == scores[1]
        for count in (2, 16):
            for runner_up in (-1, 3):
                (kept, scores), (also, found) = (
                    each.best_clusters(each.scored(row), count, runner_up)
                    for each in (exact, lookup)
                )
                assert (kept.tobytes(), scores.tobytes()) == (also.tobytes(), found.tobytes())


@pytest.mark.parametrize(
    "count", [61, 60], ids=["a part of a block is left over", "half a block is left over"]
)
@pytest.mark.parametrize("apart", [0.02, 0.3, 3.0], ids=["on top of each other", "close", "apart"])
def test_what_is_scored_exactly_is_scored_alike(
    coarse: pytest.MonkeyPatch, apart: float, count: int
) -> None:
    coarse.setattr(module, "COARSE_SLACK", 1e6)
    tasks, inputs = make_tasks(count, apart=apart)
    assert_alike(Lookup(tasks), Lookup(tasks, coarse=CoarseTable), inputs)


def test_twins_are_looked_up_alike(coarse: pytest.MonkeyPatch) -> None:
    tasks, inputs = make_tasks(20, apart=0.3)
    tasks |= {f"{name} again": one for name, one in tasks.items()} | {
        f"{name} too": one for name, one in tasks.items()
    }
    found, wanted = Lookup(tasks, coarse=CoarseTable)(inputs), Lookup(tasks)(inputs)
    assert (found.margin == 0).all()
    assert (found.task == wanted.task).mean() > 0.99
    alone = {"only": tasks["task 0000"]}
    for field in dataclasses.fields(one := Lookup(alone)(inputs)):
        assert (
            getattr(one, field.name).tobytes()
            == getattr(Lookup(alone, coarse=CoarseTable)(inputs), field.name).tobytes()
        )


def halved(clusters: Floats, offset: Floats) -> Callable[[Floats], Floats]:
    """A table of no use: the best half of the clusters score below all others."""

    def score(z: Floats) -> Floats:
        scores: Floats = clusters @ z - offset
        return np.where(scores > np.median(scores), scores - 100 * np.ptp(scores), scores)

    return score


def test_an_answer_is_as_good_as_the_coarse_scores_are(coarse: pytest.MonkeyPatch) -> None:
    tasks, inputs = make_tasks(60, apart=0.3)
    wanted, found = Lookup(tasks)(inputs), {}
    for slack in (0.0, 4.0, 24.0, 1e6):
        coarse.setattr(module, "COARSE_SLACK", slack)
        lookup, exact = Lookup(tasks, coarse=CoarseTable), Lookup(tasks)
        found[slack] = lookup(inputs)
        shares = [
            np.isin(exact._best(exact.scored(row), 16)[0], lookup._best(lookup.scored(row), 16)[0])
            for row in inputs
        ]
        assert np.mean(shares) >= {0.0: 0.4, 4.0: 0.9, 24.0: 0.999, 1e6: 1.0}[slack]
    same = {slack: (one.margin == wanted.margin).mean() for slack, one in found.items()}
    assert same[0.0] < same[4.0] <= same[24.0] <= same[1e6] == 1.0
    assert (found[24.0].task == wanted.task).mean() >= 0.999
    right = found[4.0].runner_up == wanted.runner_up  # then nothing is rounded otherwise
    assert found[4.0].margin[right].tobytes() == wanted.margin[right].tobytes()
    coarse.setattr(module, "COARSE_MOST", 16)
    best = [exact.best_clusters(exact.scored(row), 16)[0] for row in inputs[:50]]
    kept = [lookup.best_clusters(lookup.scored(row), 16)[0] for row in inputs[:50]]
    assert [len(one) for one in kept] == [16] * 50  # the best sixteen, if coarse scores were right
    assert 0.5 < np.mean([np.isin(*pair).mean() for pair in zip(best, kept, strict=True)]) < 1
    coarse.setattr(module, "COARSE_SLACK", 24.0)
    assert (Lookup(tasks, coarse=halved)(inputs).task == wanted.task).mean() < 0.5


def test_few_clusters_and_few_directions_are_scored_exactly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tasks = make_tasks(60, apart=0.3)[0]
    size = 180 * Lookup(tasks).directions
    monkeypatch.setattr(module, "COARSE_DIRECTIONS", 16)
    for least, directions, expected in ((size, 16, True), (size + 1, 16, False), (size, 64, False)):
        monkeypatch.setattr(module, "COARSE_FROM", least)
        monkeypatch.setattr(module, "COARSE_DIRECTIONS", directions)
        assert (Lookup(tasks, coarse=CoarseTable)._table.coarse is not None) == expected
    monkeypatch.setattr(module, "COARSE_FROM", 1)
    monkeypatch.setattr(module, "COARSE_DIRECTIONS", 16)
    assert Lookup(tasks)._table.coarse is None


def test_an_input_that_is_not_finite_is_refused_through_the_table(
    coarse: pytest.MonkeyPatch,
) -> None:
    tasks, inputs = make_tasks(5, apart=1)
    inputs[2, 3] = np.nan
    lookup = Lookup(tasks, coarse=CoarseTable)
    assert lookup._table.coarse is None or lookup.directions > 16
    with (
        np.errstate(invalid="ignore"),
        pytest.raises(InputError, match="features of input 2: expected finite numbers"),
    ):
        lookup(inputs)
