"""The int8 table against float64, and a lookup through it against one without."""

from __future__ import annotations

import dataclasses

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from sklearn.preprocessing import normalize

from cfedge.errors import InputError
from cfedge.lookup import Lookup, Signature
from cfedge.lookup import clusters as module
from cfedge.lookup.packing import from_first, on_grid
from cfedge.runtime.table import Int8Table, _graph

Floats = NDArray[np.float32]


def make_tasks(count: int, *, apart: float) -> tuple[dict[str, Signature], Floats]:
    """Tasks of three clusters, and inputs around their means."""
    rng = np.random.default_rng(count)
    means = normalize(rng.normal(size=(count * 3, 24)))
    center = normalize(rng.normal(size=(1, 24)))
    means = normalize(center + apart * means)
    tasks = {
        f"task {index:04}": Signature(
            np.full(3, 20), from_first(means[3 * index : 3 * index + 3]), on_grid(rng.normal(size=(6, 24)) * 0.5),
            np.full(24, 0.3, np.float32), 40.0,
        )
        for index in range(count)
    }  # fmt: skip
    inputs = normalize(means[rng.integers(0, len(means), 200)] + rng.normal(size=(200, 24)) * 0.06).astype(np.float32)
    return tasks, inputs


@pytest.mark.parametrize("seed", range(4))
def test_no_score_is_further_off_than_stated(seed: int) -> None:
    rng = np.random.default_rng(seed)
    clusters = (rng.normal(size=(700, 31)) * rng.uniform(0.01, 20, (700, 1))).astype(np.float32)
    clusters[5], offset = 0, rng.normal(size=700).astype(np.float32)
    table = Int8Table(clusters, offset)
    for z in [*rng.normal(size=(20, 31)).astype(np.float32) * np.float32(10.0**seed), np.zeros(31, np.float32)]:
        scores, error = table(z)
        off = np.abs(scores - (clusters.astype(np.float64) @ z - offset))
        assert off.max() <= error
        assert error < 0.2 * np.abs(clusters).sum(axis=1).max() * np.abs(z).max() + 1e-3  # a bound that says something


def test_signs_that_all_agree_saturate_nothing() -> None:
    clusters, z = np.full((64, 512), 3.0, np.float32), np.full(512, 2.0, np.float32)
    scores, error = Int8Table(clusters, np.zeros(64, np.float32))(z)
    assert np.abs(scores - 3072).max() <= error
    assert np.abs(scores - 3072).max() < 1  # equal numbers are rounded to themselves


def test_the_graph_is_one_that_the_onnx_package_reads() -> None:
    data = _graph(
        {
            "weight": np.ones((300, 5), np.int8), "scale": np.ones(5, np.float32), "zero": np.array(128, np.uint8),
            "bias": np.zeros(5, np.float32),
        }
    )  # fmt: skip
    model = onnx.load_from_string(data)
    onnx.checker.check_model(model)
    assert [node.op_type for node in model.graph.node] == ["MatMulIntegerToFloat"]
    assert list(model.graph.initializer[0].dims) == [300, 5]


@pytest.mark.parametrize("apart", [0.02, 0.3, 3.0], ids=["on top of each other", "close", "apart"])
def test_a_lookup_through_the_table_answers_alike(monkeypatch: pytest.MonkeyPatch, apart: float) -> None:
    monkeypatch.setattr(module, "ROUGH_FROM", 100)
    tasks, inputs = make_tasks(60, apart=apart)
    exact, rough = Lookup(tasks), Lookup(tasks, table=Int8Table)
    assert rough._rough is not None
    one, other = exact(inputs), rough(inputs)
    for field in dataclasses.fields(one):
        if getattr(one, field.name).dtype == np.int64:
            assert np.array_equal(getattr(one, field.name), getattr(other, field.name)), field.name
        else:
            np.testing.assert_allclose(getattr(one, field.name), getattr(other, field.name), rtol=1e-4, atol=2e-3)
    for row in inputs[:50]:
        (among, scores, square), (also, found, size) = exact.best_tasks(row, 16), rough.best_tasks(row, 16)
        assert among == also
        np.testing.assert_allclose(scores, found, rtol=1e-5, atol=1e-4)
        assert square == size


def test_few_clusters_need_no_table() -> None:
    assert Lookup(make_tasks(10, apart=1)[0], table=Int8Table)._rough is None


def test_an_input_that_is_not_finite_is_refused_through_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROUGH_FROM", 1)
    tasks, inputs = make_tasks(5, apart=1)
    inputs[2, 3] = np.nan
    with np.errstate(invalid="ignore"), pytest.raises(InputError, match="features of input 2: expected finite numbers"):
        Lookup(tasks, table=Int8Table)(inputs)
