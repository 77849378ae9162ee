"""What text encoders share beside the contract of all families: pooling, positions, schemes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto

from cfedge.runtime.session import open_session
from cfedge.train.workspace.backbones import BackboneSource
from cfedge_export.architectures.text.bert import BERT
from cfedge_export.graph import add_slots, cut
from cfedge_export.schemes import SCHEMES

TEXT_SCHEMES = [name for name in SCHEMES if name in BERT.schemes]


@pytest.fixture(scope="module")
def encoder(tiny_folder: Path) -> ModelProto:
    return BERT.to_onnx(tiny_folder, BERT.reads(tiny_folder, BackboneSource(input_size=24))[0])


def _ids(rng: np.random.Generator, batch: int, tokens: int) -> dict[str, np.ndarray]:
    return {
        "input_ids": rng.integers(0, 30, (batch, tokens)),
        "attention_mask": np.ones((batch, tokens), np.int64),
    }


def _run(model: ModelProto, feeds: dict[str, np.ndarray], output: str = "features") -> np.ndarray:
    return open_session(model.SerializeToString(), "test").run([output], feeds)[0]


@pytest.mark.parametrize("scheme", TEXT_SCHEMES)
@pytest.mark.parametrize("split", [1, 2])
def test_cutting_changes_no_bit(encoder: ModelProto, split: int, scheme: str) -> None:
    trunk, tail = (SCHEMES[scheme].ship(part) for part in cut(BERT, encoder, split))
    whole = SCHEMES[scheme].ship(encoder)
    feeds = _ids(np.random.default_rng(split), 3, 7)
    hidden = _run(trunk, feeds, "hidden")
    assert np.array_equal(
        _run(tail, {"hidden": hidden, "attention_mask": feeds["attention_mask"]}),
        _run(whole, feeds),
    )


def test_the_trunks_features_are_the_direction_of_the_mean_of_its_hidden_states(
    encoder: ModelProto,
) -> None:
    trunk, _ = cut(BERT, encoder, 2)
    feeds = _ids(np.random.default_rng(3), 2, 6)
    feeds["attention_mask"][1, 4:] = 0
    hidden, features = open_session(trunk.SerializeToString(), "test").run(
        ["hidden", "features"], feeds
    )
    for found, states in zip(features, (hidden[0], hidden[1, :4]), strict=True):
        mean = states.astype(np.float64).mean(axis=0)
        np.testing.assert_allclose(found, mean / np.linalg.norm(mean), atol=1e-6)


def test_with_views_the_features_are_the_directions_of_mean_largest_and_smallest(
    encoder: ModelProto,
) -> None:
    trunk = BERT.deployed(cut(BERT, encoder, 2)[0])
    ids = {"input_ids": _ids(np.random.default_rng(3), 3, 6)["input_ids"]}
    session = open_session(trunk.SerializeToString(), "test")
    hidden, features = session.run(["hidden", "features"], ids)
    assert features.shape == (3, 3 * 32)
    assert session.get_outputs()[1].shape[1] == 3 * 32
    for row, (found, states) in enumerate(zip(features, hidden.astype(np.float64), strict=True)):
        views = [states.mean(axis=0), states.max(axis=0), states.min(axis=0)]
        np.testing.assert_allclose(
            found, np.concatenate([view / np.linalg.norm(view) for view in views]), atol=1e-6
        )
        assert np.array_equal(
            session.run(["features"], {"input_ids": ids["input_ids"][row : row + 1]})[0][0], found
        )


def test_positions_that_no_input_reaches_are_dropped_and_no_bit_changes(
    tiny_folder: Path, encoder: ModelProto
) -> None:
    short = BERT.to_onnx(tiny_folder, BERT.reads(tiny_folder, BackboneSource(input_size=10))[0])
    rows = [
        tensor.dims[0]
        for tensor in short.graph.initializer
        if tensor.name.endswith("position_embeddings.weight")
    ]
    assert rows == [10]
    feeds = _ids(np.random.default_rng(0), 3, 10)
    assert np.array_equal(_run(short, feeds), _run(encoder, feeds))


def _slotted(
    encoder: ModelProto, rank: int, rng: np.random.Generator
) -> tuple[ModelProto, ModelProto, dict[str, np.ndarray]]:
    _, plain = cut(BERT, encoder, 1)
    _, tail = cut(BERT, encoder, 1)
    values: dict[str, np.ndarray] = {}
    for module in add_slots(BERT, tail, BERT.parts):
        values[f"a.{module.name}"] = rng.normal(size=(1, module.rows, rank)).astype(np.float32) / 4
        values[f"b.{module.name}"] = (
            rng.normal(size=(1, rank, module.columns)).astype(np.float32) / 4
        )
    return plain, tail, values


def test_slots_equal_weights_with_the_product_merged_in(encoder: ModelProto) -> None:
    rng = np.random.default_rng(0)
    plain, tail, values = _slotted(encoder, 3, rng)
    for module in BERT.target_modules(plain):
        node = next(node for node in plain.graph.node if node.name == module.node)
        tensor = next(tensor for tensor in plain.graph.initializer if tensor.name == node.input[1])
        merged = (
            onnx.numpy_helper.to_array(tensor)
            + values[f"a.{module.name}"][0] @ values[f"b.{module.name}"][0]
        )
        tensor.CopyFrom(onnx.numpy_helper.from_array(merged.astype(np.float32), tensor.name))
    feeds = {
        "hidden": rng.normal(size=(2, 5, 32)).astype(np.float32),
        "attention_mask": np.ones((2, 5), np.int64),
    }
    np.testing.assert_allclose(_run(tail, {**feeds, **values}), _run(plain, feeds), atol=2e-5)
