"""The exported graph against the model it came from, and against itself when it is cut."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto

from cfedge.errors import BackboneError
from cfedge.runtime.session import open_session
from cfedge_export.encoder import keep_positions, to_onnx
from cfedge_export.graph import add_slots, blocks, cut, sites, with_views, without_mask
from cfedge_export.schemes import SCHEMES


@pytest.fixture(scope="module")
def encoder(tiny_folder: Path) -> ModelProto:
    return to_onnx(tiny_folder)


def _ids(rng: np.random.Generator, batch: int, tokens: int) -> dict[str, np.ndarray]:
    return {
        "input_ids": rng.integers(0, 30, (batch, tokens)),
        "attention_mask": np.ones((batch, tokens), np.int64),
    }


def _run(model: ModelProto, feeds: dict[str, np.ndarray], output: str = "features") -> np.ndarray:
    return open_session(model.SerializeToString(), "test").run([output], feeds)[0]


def test_onnx_equals_transformers_with_padding_and_without(
    tiny_folder: Path, encoder: ModelProto
) -> None:
    import torch
    from transformers import AutoModel

    reference = AutoModel.from_pretrained(tiny_folder, attn_implementation="eager").eval()
    feeds = _ids(np.random.default_rng(0), 4, 9)
    feeds["attention_mask"][1, 5:] = 0
    feeds["attention_mask"][3, 1:] = 0
    mask = torch.from_numpy(feeds["attention_mask"])
    with torch.inference_mode():
        states = reference(
            input_ids=torch.from_numpy(feeds["input_ids"]), attention_mask=mask
        ).last_hidden_state
    expected = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    np.testing.assert_allclose(
        _run(encoder, feeds), torch.nn.functional.normalize(expected, dim=-1).numpy(), atol=1e-6
    )


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("split", [1, 2])
def test_cutting_changes_no_bit(encoder: ModelProto, split: int, scheme: str) -> None:
    trunk, tail = (SCHEMES[scheme].ship(part) for part in cut(encoder, split))
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
    trunk, _ = cut(encoder, 2)
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
    trunk = with_views(without_mask(cut(encoder, 2)[0]))
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


def test_without_a_mask_a_graph_answers_as_with_a_mask_of_ones(encoder: ModelProto) -> None:
    trunk, tail = cut(encoder, 1)
    feeds = _ids(np.random.default_rng(4), 3, 8)
    ids = {"input_ids": feeds["input_ids"]}
    hidden, mask = _run(trunk, feeds, "hidden"), {"attention_mask": feeds["attention_mask"]}
    np.testing.assert_allclose(_run(without_mask(trunk), ids, "hidden"), hidden, atol=2e-6)
    np.testing.assert_allclose(_run(without_mask(trunk), ids), _run(trunk, feeds), atol=1e-6)
    np.testing.assert_allclose(
        _run(without_mask(tail), {"hidden": hidden}),
        _run(tail, {"hidden": hidden, **mask}),
        atol=1e-6,
    )
    assert "attention_mask" in [
        value.name for value in trunk.graph.input
    ]  # the original is as it was


def test_positions_that_no_input_reaches_are_dropped_and_no_bit_changes(
    tiny_folder: Path, encoder: ModelProto
) -> None:
    short = to_onnx(tiny_folder)
    keep_positions(short, 10)
    rows = [
        tensor.dims[0]
        for tensor in short.graph.initializer
        if tensor.name.endswith("position_embeddings.weight")
    ]
    assert rows == [10]
    feeds = _ids(np.random.default_rng(0), 3, 10)
    assert np.array_equal(_run(short, feeds), _run(encoder, feeds))


@pytest.mark.parametrize("split", [0, 3, -1])
def test_a_cut_that_leaves_a_half_empty_is_refused(encoder: ModelProto, split: int) -> None:
    with pytest.raises(BackboneError, match=r"split: expected 1..2 for 3 blocks, found"):
        cut(encoder, split)


def test_sites_are_named_by_block_and_part_whatever_the_library_calls_them(
    encoder: ModelProto,
) -> None:
    names = [site.name for site in sites(encoder)]
    assert names == [
        f"l{block}.{part}" for block in range(3) for part in ("qkv", "o", "fc1", "fc2")
    ]
    assert [(site.rows, site.columns) for site in sites(encoder)][:4] == [
        (32, 96),
        (32, 32),
        (32, 64),
        (64, 32),
    ]
    assert len(blocks(encoder)) == 4
    _, tail = cut(encoder, 2)
    assert [site.name for site in sites(tail)] == ["l2.qkv", "l2.o", "l2.fc1", "l2.fc2"]


def _slotted(
    encoder: ModelProto, rank: int, rng: np.random.Generator
) -> tuple[ModelProto, ModelProto, dict[str, np.ndarray]]:
    _, plain = cut(encoder, 1)
    _, tail = cut(encoder, 1)
    values: dict[str, np.ndarray] = {}
    for site in add_slots(tail, ("qkv", "o", "fc1", "fc2")):
        values[f"a.{site.name}"] = rng.normal(size=(1, site.rows, rank)).astype(np.float32) / 4
        values[f"b.{site.name}"] = rng.normal(size=(1, rank, site.columns)).astype(np.float32) / 4
    return plain, tail, values


def test_slots_equal_weights_with_the_product_merged_in(encoder: ModelProto) -> None:
    rng = np.random.default_rng(0)
    plain, tail, values = _slotted(encoder, 3, rng)
    for site in sites(plain):
        node = next(node for node in plain.graph.node if node.name == site.node)
        tensor = next(tensor for tensor in plain.graph.initializer if tensor.name == node.input[1])
        merged = (
            onnx.numpy_helper.to_array(tensor)
            + values[f"a.{site.name}"][0] @ values[f"b.{site.name}"][0]
        )
        tensor.CopyFrom(onnx.numpy_helper.from_array(merged.astype(np.float32), tensor.name))
    feeds = {
        "hidden": rng.normal(size=(2, 5, 32)).astype(np.float32),
        "attention_mask": np.ones((2, 5), np.int64),
    }
    np.testing.assert_allclose(_run(tail, {**feeds, **values}), _run(plain, feeds), atol=2e-5)


def test_slots_of_rank_zero_and_of_zeros_change_nothing(encoder: ModelProto) -> None:
    rng = np.random.default_rng(1)
    plain, tail, values = _slotted(encoder, 2, rng)
    feeds = {
        "hidden": rng.normal(size=(1, 5, 32)).astype(np.float32),
        "attention_mask": np.ones((1, 5), np.int64),
    }
    expected = _run(plain, feeds)
    zeros = {name: np.zeros_like(value) for name, value in values.items()}
    empty = {
        name: value[:, :, :0] if name.startswith("a.") else value[:, :0]
        for name, value in values.items()
    }
    assert np.array_equal(_run(tail, {**feeds, **zeros}), expected)
    assert np.array_equal(_run(tail, {**feeds, **empty}), expected)


def test_one_graph_serves_a_stack_of_adapters_as_it_serves_each(encoder: ModelProto) -> None:
    rng = np.random.default_rng(2)
    _, tail, one = _slotted(encoder, 2, rng)
    other = {
        name: rng.normal(size=value.shape).astype(np.float32) / 4 for name, value in one.items()
    }
    hidden, mask = rng.normal(size=(2, 5, 32)).astype(np.float32), np.ones((2, 5), np.int64)
    stacked = {name: np.concatenate([one[name], other[name]]) for name in one}
    together = _run(tail, {"hidden": hidden, "attention_mask": mask, **stacked})
    for row, values in enumerate((one, other)):
        alone = _run(tail, {"hidden": hidden[row : row + 1], "attention_mask": mask[:1], **values})
        np.testing.assert_allclose(together[row], alone[0], atol=1e-6)


def test_a_decoder_is_refused_by_name(tiny_folder: Path, tmp_path: Path) -> None:
    from transformers import GPT2Config, GPT2Model

    GPT2Model(
        GPT2Config(vocab_size=40, n_embd=32, n_layer=2, n_head=4, n_positions=16)
    ).save_pretrained(tmp_path)
    with pytest.raises(BackboneError, match="use a BERT-like encoder"):
        to_onnx(tmp_path)
