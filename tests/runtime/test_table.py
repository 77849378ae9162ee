"""The int8 table against float64 and float32, and a lookup through it, or through worse ones,
against one without.
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
from cfedge.runtime.table import Int8Table, _graph

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


@cases("seed", range(4))
def test_no_score_is_further_off_than_stated(seed: int) -> None:
    rng = np.random.default_rng(seed)
    clusters = (rng.normal(size=(700, 31)) * rng.uniform(0.01, 20, (700, 1))).astype(np.float32)
    clusters[5], clusters[:, 3], offset = 0, 0, rng.normal(size=700).astype(np.float32)
    clusters[:, 4] *= 1e-36
    table = Int8Table(clusters, offset)
    for z in [
        *rng.normal(size=(20, 31)).astype(np.float32) * np.float32(10.0**seed),
        np.zeros(31, np.float32),
    ]:
        scores, error = table(z)
        for exact in (clusters.astype(np.float64) @ z - offset, clusters @ z - offset):
            assert np.abs(scores - exact).max() <= error
        assert (
            error < 0.05 * np.linalg.norm(clusters, axis=1).max() * np.linalg.norm(z) or not z.any()
        )  # it says something


@cases("seed", range(4))
def test_a_query_along_what_rounding_left_of_a_cluster_comes_near_the_bound(seed: int) -> None:
    # So that its first term is needed: a query along the cluster that lost most.
    clusters = np.random.default_rng(seed).normal(size=(700, 31)).astype(np.float32)
    scale = np.abs(clusters).max(axis=0) / 63
    left = clusters - np.rint(clusters / scale) * scale
    most = int((left**2).sum(axis=1).argmax())
    scores, error = Int8Table(clusters, np.zeros(700, np.float32))(left[most])
    off = abs(float(scores[most]) - float(clusters[most].astype(np.float64) @ left[most]))
    assert 0.55 * error < off <= error


def test_a_query_whose_rounding_is_along_a_cluster_reaches_the_bound() -> None:
    # So that its second term is needed: a query half a step off in every direction.
    rng = np.random.default_rng(0)
    clusters = rng.integers(-62, 63, (700, 61)).astype(np.float32)
    clusters[7] = rng.choice([-63, 63], 61)  # the longest; 7 bits hold all of them
    z = (rng.integers(-100, 101, 61) + 0.499 * np.sign(clusters[7])).astype(np.float32)
    z[:2] = 127, -128  # a step of 1
    scores, error = Int8Table(clusters, np.zeros(700, np.float32))(z)
    off = abs(float(scores[7]) - float(clusters[7].astype(np.float64) @ z))
    assert 0.95 * error < off <= error


def test_signs_that_all_agree_saturate_nothing() -> None:
    clusters, z = np.full((64, 512), 3.0, np.float32), np.full(512, 2.0, np.float32)
    scores, error = Int8Table(clusters, np.zeros(64, np.float32))(z)
    assert np.abs(scores - 3072).max() <= error
    assert np.abs(scores - 3072).max() < 1  # equal numbers are rounded to themselves


def test_the_graph_is_one_that_the_onnx_package_reads() -> None:
    model = onnx.load_from_string(_graph(np.ones((5, 300), np.int8), np.zeros(5, np.float32)))
    onnx.checker.check_model(model)
    assert [node.op_type for node in model.graph.node] == [
        "DynamicQuantizeLinear",
        "MatMulIntegerToFloat",
    ]
    assert list(model.graph.initializer[0].dims) == [300, 5]


def assert_alike(exact: Lookup, rough: Lookup, inputs: Floats) -> None:
    """To the bit."""
    assert rough._table.rough is not None
    one, other = exact(inputs), rough(inputs)
    for field in dataclasses.fields(one):
        assert getattr(one, field.name).tobytes() == getattr(other, field.name).tobytes(), (
            field.name
        )
    for row in inputs[:50]:
        for count in (2, 16):
            for runner_up in (-1, 3):
                (kept, scores), (also, found) = (
                    lookup.best_clusters(lookup.scored(row), count, runner_up)
                    for lookup in (exact, rough)
                )
                assert (kept.tobytes(), scores.tobytes()) == (also.tobytes(), found.tobytes())


@pytest.mark.parametrize(
    "count", [61, 60], ids=["a part of a block is left over", "half a block is left over"]
)
@pytest.mark.parametrize("apart", [0.02, 0.3, 3.0], ids=["on top of each other", "close", "apart"])
def test_a_lookup_through_the_table_answers_alike(
    monkeypatch: pytest.MonkeyPatch, apart: float, count: int
) -> None:
    monkeypatch.setattr(module, "ROUGH_FROM", 100)
    tasks, inputs = make_tasks(count, apart=apart)
    assert_alike(Lookup(tasks), Lookup(tasks, table=Int8Table), inputs)


def test_twins_are_looked_up_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROUGH_FROM", 1)
    tasks, inputs = make_tasks(20, apart=0.3)
    tasks |= {f"{name} again": one for name, one in tasks.items()} | {
        f"{name} too": one for name, one in tasks.items()
    }
    rough = Lookup(tasks, table=Int8Table)
    assert_alike(Lookup(tasks), rough, inputs)
    assert (rough(inputs).margin == 0).all()
    alone = {"only": tasks["task 0000"]}
    for field in dataclasses.fields(one := Lookup(alone)(inputs)):
        assert (
            getattr(one, field.name).tobytes()
            == getattr(Lookup(alone, table=Int8Table)(inputs), field.name).tobytes()
        )


def worst(clusters: Floats, offset: Floats) -> Callable[[Floats], tuple[Floats, float]]:
    """A table that is off by all of its error: the best clusters score lower, all others higher."""

    def score(z: Floats) -> tuple[Floats, float]:
        scores: Floats = clusters @ z - offset
        error = 0.1 * float(np.ptp(scores))
        best = scores >= np.partition(scores, -40)[-40]
        return (
            np.where(best, scores - np.float32(0.999 * error), scores + np.float32(0.999 * error)),
            error,
        )

    return score


def sure(clusters: Floats, offset: Floats) -> Callable[[Floats], tuple[Floats, float]]:
    """The int8 table with a hundredth of its bound."""
    table = Int8Table(clusters, offset)

    def score(z: Floats) -> tuple[Floats, float]:
        scores, error = table(z)
        return scores, 0.01 * error

    return score


def test_a_table_as_wrong_as_it_says_changes_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROUGH_FROM", 100)
    tasks, inputs = make_tasks(60, apart=0.3)
    assert_alike(Lookup(tasks), Lookup(tasks, table=worst), inputs)


def test_a_hundredth_of_the_bound_would_lose_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    # So that the comparisons above have cases in which the bound is needed.
    monkeypatch.setattr(module, "ROUGH_FROM", 100)
    tasks, inputs = make_tasks(60, apart=0.3)
    exact, rough = Lookup(tasks), Lookup(tasks, table=sure)
    assert (exact(inputs).margin != rough(inputs).margin).sum() > 20


def test_few_clusters_need_no_table_and_very_many_are_first_scored_in_the_strongest_directions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert Lookup(make_tasks(10, apart=1)[0], table=Int8Table)._table.rough is None
    tasks, inputs = make_tasks(60, apart=0.3)
    exact, found = Lookup(tasks), {}
    monkeypatch.setattr(module, "ROUGH_FROM", 100)
    monkeypatch.setattr(module, "COARSE_FROM", 180 * exact.directions)
    monkeypatch.setattr(module, "COARSE_DIRECTIONS", exact.directions - 6)
    for slack in (0.0, 4.0, 1e6):
        monkeypatch.setattr(module, "COARSE_SLACK", slack)
        lookup = Lookup(tasks, table=Int8Table)
        assert lookup._table.coarse
        found[slack] = lookup(inputs)
        shares = [
            np.isin(exact._best(exact.scored(row), 16)[0], lookup._best(lookup.scored(row), 16)[0])
            for row in inputs
        ]
        assert np.mean(shares) >= {0.0: 0.5, 4.0: 0.95, 1e6: 1.0}[slack]
    wanted = exact(inputs)
    same = {slack: (one.margin == wanted.margin).mean() for slack, one in found.items()}
    assert same[0.0] < same[4.0] <= same[1e6] == 1.0
    right = found[4.0].runner_up == wanted.runner_up  # then nothing is rounded otherwise
    assert found[4.0].margin[right].tobytes() == wanted.margin[right].tobytes()
    monkeypatch.setattr(module, "COARSE_FROM", 180 * exact.directions + 1)
    assert not Lookup(tasks, table=Int8Table)._table.coarse


def test_an_input_that_is_not_finite_is_refused_through_the_table(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "ROUGH_FROM", 1)
    tasks, inputs = make_tasks(5, apart=1)
    inputs[2, 3] = np.nan
    with (
        np.errstate(invalid="ignore"),
        pytest.raises(InputError, match="features of input 2: expected finite numbers"),
    ):
        Lookup(tasks, table=Int8Table)(inputs)
