"""One contract for every family of encoders: what it exports is the library's own model, it may be
cut at every block, and slots change nothing until they are filled.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from every import cases
from families import FAMILIES, Feeds
from onnx import ModelProto, TensorProto, helper, numpy_helper

from cfedge.errors import BackboneError, UsageError
from cfedge.runtime.session import open_session
from cfedge.train.learn.tail import TorchTail
from cfedge_export.architectures import ARCHITECTURES, Architecture, config_of, find
from cfedge_export.architectures.transformer import residual_streams, target_modules
from cfedge_export.calibration import measure_ranges, ranges_of, state_ranges, table
from cfedge_export.graph import add_slots, cut, layers
from cfedge_export.names import FEATURES, HIDDEN, MASK
from cfedge_export.schemes import SCHEMES

NAMES = sorted(ARCHITECTURES)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> object:
    def make(name: str) -> Path:
        folder = tmp_path_factory.mktemp(name)
        FAMILIES[name].make(folder)
        return folder

    return cache(make)


@pytest.fixture(scope="module")
def encoders(folders: object) -> object:
    """The whole float32 graph of a family's tiny model."""
    return cache(lambda name: ARCHITECTURES[name].to_onnx(folders(name), FAMILIES[name].spec))


def _feeds(name: str, seed: int = 0, batch: int = 3) -> Feeds:
    return FAMILIES[name].feeds(np.random.default_rng(seed), batch)


def _run(model: ModelProto, feeds: Feeds, output: str = FEATURES) -> np.ndarray:
    known = {value.name for value in model.graph.input}
    given = {key: value for key, value in feeds.items() if key in known}
    return open_session(model.SerializeToString(), "test").run([output], given)[0]


def _plainly(model: ModelProto, feeds: Feeds, output: str = FEATURES) -> np.ndarray:
    """As the graph is written: no operators are fused."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    known = {value.name for value in model.graph.input}
    given = {key: value for key, value in feeds.items() if key in known}
    return np.asarray(session.run([output], given)[0])


def _splits(family: Architecture, encoder: ModelProto) -> range:
    return range(1, len(family.cuts(encoder)) - 1)


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def _values(modules: list, rank: int, scale: float) -> Feeds:
    rng = np.random.default_rng(rank)
    values = {}
    for module in modules:
        for key, shape in (
            (f"a.{module.name}", (1, module.rows, rank)),
            (f"b.{module.name}", (1, rank, module.columns)),
        ):
            values[key] = (scale * rng.normal(size=shape)).astype(np.float32)
    return values


def test_every_family_has_a_tiny_model_here() -> None:
    assert sorted(FAMILIES) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_graph_answers_as_the_librarys_own_model(
    folders: object, encoders: object, name: str
) -> None:
    feeds = _feeds(name, batch=4)
    if MASK in feeds:
        feeds[MASK][1, 5:] = 0
        feeds[MASK][3, 1:] = 0
    family = FAMILIES[name]
    expected = _unit(family.reference(folders(name), feeds).astype(np.float64))
    np.testing.assert_allclose(_run(encoders(name), feeds), expected, atol=family.rounding)


@pytest.mark.parametrize("name", NAMES)
def test_trunk_and_tail_are_the_whole_at_every_cut_to_the_last_bit(
    encoders: object, name: str
) -> None:
    """To the bit as the graphs are written; ONNX Runtime's fusions may sum convolutions in another
    order at a cut.
    """
    family, encoder = ARCHITECTURES[name], encoders(name)
    feeds = _feeds(name)
    expected, fused = _plainly(encoder, feeds), _run(encoder, feeds)
    assert len(_splits(family, encoder)) >= 2
    for split in _splits(family, encoder):
        trunk, tail = cut(family, encoder, split)
        hidden = _plainly(trunk, feeds, HIDDEN)
        assert np.array_equal(_plainly(tail, {**feeds, HIDDEN: hidden}), expected)
        hidden = _run(trunk, feeds, HIDDEN)
        found = _run(tail, {**feeds, HIDDEN: hidden})
        np.testing.assert_allclose(found, fused, atol=FAMILIES[name].rounding)


@pytest.mark.parametrize("name", NAMES)
def test_a_cut_that_leaves_a_half_empty_is_refused(encoders: object, name: str) -> None:
    family, encoder = ARCHITECTURES[name], encoders(name)
    blocks = len(family.cuts(encoder)) - 1
    for split in (0, blocks, -1):
        with pytest.raises(
            BackboneError, match=f"split: expected 1..{blocks - 1} for {blocks} blocks, found"
        ):
            cut(family, encoder, split)


@pytest.mark.parametrize("name", NAMES)
def test_the_form_that_answers_is_the_whole_and_a_row_does_not_depend_on_its_batch(
    encoders: object, name: str
) -> None:
    family, encoder = ARCHITECTURES[name], encoders(name)
    feeds = _feeds(name)
    deployed = family.deployed(encoder)
    together = _run(deployed, feeds)
    np.testing.assert_allclose(together, _run(encoder, feeds), atol=1e-6)
    for row in range(3):
        alone = {key: value[row : row + 1] for key, value in feeds.items()}
        assert np.array_equal(_run(deployed, alone)[0], together[row])


@pytest.mark.parametrize("name", NAMES)
def test_what_the_lookup_reads_is_views_of_the_stated_widths_each_of_length_one(
    encoders: object, name: str
) -> None:
    """And where the first of them are said to be the whole encoder's features, they are."""
    family, encoder = ARCHITECTURES[name], encoders(name)
    expected = _run(encoder, _feeds(name))
    for split in _splits(family, encoder):
        trunk = family.deployed(cut(family, encoder, split)[0])
        features = _run(trunk, _feeds(name))
        widths = family.views(encoder, family.cuts(encoder)[split])
        assert features.shape == (3, sum(widths))
        for view in np.split(features, np.cumsum(widths)[:-1], axis=1):
            np.testing.assert_allclose(np.linalg.norm(view, axis=1), 1, atol=1e-5)
        count = family.frozen_views(encoder, family.cuts(encoder)[split])
        assert bool(count) == (name in {"efficientnet-lite", "onnx"})
        if count:
            assert sum(widths[:count]) == expected.shape[1]
            found = features[:, : expected.shape[1]] / np.sqrt(count)
            np.testing.assert_allclose(found, expected, atol=FAMILIES[name].rounding)
        stated = next(value for value in trunk.graph.output if value.name == FEATURES)
        assert stated.type.tensor_type.shape.dim[1].dim_value == sum(widths)


@pytest.mark.parametrize("name", NAMES)
def test_the_hidden_states_have_the_stated_sizes(encoders: object, name: str) -> None:
    family, encoder = ARCHITECTURES[name], encoders(name)
    for split in _splits(family, encoder):
        hidden = _run(cut(family, encoder, split)[0], _feeds(name), HIDDEN)
        stated = family.hidden(encoder, family.cuts(encoder)[split])
        assert len(stated) == hidden.ndim - 1
        assert all(
            isinstance(size, str) or size == found
            for size, found in zip(stated, hidden.shape[1:], strict=True)
        )
        assert all(axis < hidden.ndim for axis in family.pooled_axes)


@pytest.mark.parametrize("name", NAMES)
def test_target_modules_are_named_by_block_and_part_in_the_whole_and_in_a_tail(
    encoders: object, name: str
) -> None:
    family, encoder = ARCHITECTURES[name], encoders(name)
    modules = family.target_modules(encoder)
    parts = [module.name.partition(".")[2] for module in modules]
    assert set(parts) == set(family.parts)
    assert set(family.default_parts) <= set(family.parts)
    assert len({module.node for module in modules}) == len(modules)
    for split in _splits(family, encoder):
        tail = family.target_modules(cut(family, encoder, split)[1])
        assert [module.name for module in tail] == [
            module.name
            for module in modules
            if int(module.name.partition(".")[0].removeprefix("l")) >= split
        ]
    assert set(layers(family, encoder)) >= {module.name for module in modules}


@pytest.mark.parametrize("name", NAMES)
def test_slots_of_rank_zero_and_of_zeros_change_nothing(encoders: object, name: str) -> None:
    family, encoder = ARCHITECTURES[name], encoders(name)
    for split in _splits(family, encoder):
        trunk, plain = cut(family, encoder, split)
        slotted = cut(family, encoder, split)[1]
        modules = add_slots(family, slotted, family.parts)
        feeds = {**_feeds(name), HIDDEN: _run(trunk, _feeds(name), HIDDEN)}
        expected, fused = _plainly(plain, feeds), _run(plain, feeds)
        for rank in (0, 2):
            nothing = {**feeds, **_values(modules, rank, 0)}
            assert np.array_equal(_plainly(slotted, nothing), expected)
            found = _run(slotted, nothing)
            np.testing.assert_allclose(found, fused, atol=FAMILIES[name].rounding)


@pytest.mark.parametrize("name", NAMES)
def test_filled_slots_change_every_row_alone_and_a_stack_of_them_serves_as_each(
    encoders: object, name: str
) -> None:
    family, encoder = ARCHITECTURES[name], encoders(name)
    trunk, tail = cut(family, encoder, 1)
    modules = add_slots(family, tail, family.parts)
    hidden = _run(trunk, _feeds(name, batch=2), HIDDEN)
    deployed = family.deployed(tail)
    one, other = (_values(modules, 3, scale) for scale in (0.2, 0.3))
    stacked = {key: np.concatenate([one[key], other[key]]) for key in one}
    together = _run(deployed, {HIDDEN: hidden, **stacked})
    for row, values in enumerate((one, other)):
        alone = _run(deployed, {HIDDEN: hidden[row : row + 1], **values})
        np.testing.assert_allclose(together[row], alone[0], atol=1e-6)
        plain = _run(deployed, {HIDDEN: hidden[row : row + 1], **_values(modules, 0, 0)})
        assert np.abs(alone - plain).max() > 1e-3


@pytest.mark.parametrize("name", NAMES)
def test_torch_runs_the_tail_alike_and_gradients_reach_every_slot(
    encoders: object, name: str
) -> None:
    family, encoder = ARCHITECTURES[name], encoders(name)
    trunk, tail = cut(family, encoder, 1)
    modules = add_slots(family, tail, family.parts)
    feeds = _feeds(name)
    hidden, values = _run(trunk, feeds, HIDDEN), _values(modules, 2, 0.2)
    slots = {key: torch.from_numpy(value).requires_grad_() for key, value in values.items()}
    mask = torch.from_numpy(feeds[MASK]) if MASK in feeds else None
    features = TorchTail(tail)(torch.from_numpy(hidden), slots, mask)
    expected = _run(tail, {**feeds, HIDDEN: hidden, **values})
    rounding = FAMILIES[name].rounding
    np.testing.assert_allclose(features.detach().numpy(), expected, atol=rounding)
    (features @ torch.linspace(-1, 1, features.shape[1])).sum().backward()
    assert all(
        slot.grad is not None and float(slot.grad.abs().max()) > 0 for slot in slots.values()
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_default_scheme_stays_close_to_float(encoders: object, name: str) -> None:
    family = ARCHITECTURES[name]
    whole, feeds = family.deployed(encoders(name)), _feeds(name, batch=8)
    ranged = ModelProto()
    ranged.CopyFrom(whole)
    if family.schemes[0] == "int8-static":
        state_ranges(ranged, measure_ranges(whole, [feeds]))
    shipped = SCHEMES[family.schemes[0]].ship(ranged)
    cosines = (_run(shipped, feeds) * _run(whole, feeds)).sum(axis=1)
    assert cosines.min() > 0.99
    assert shipped.ByteSize() < whole.ByteSize()
    stored = {tensor.name: tensor.data_type for tensor in shipped.graph.initializer}
    weights = {
        stored[node.input[place]]
        for node in shipped.graph.node
        for place in [{"MatMulIntegerToFloat": 1, "DequantizeLinear": 0}.get(node.op_type)]
        if place is not None and node.input[place] in stored
    }
    assert weights - {TensorProto.INT32} == {TensorProto.UINT8}  # biases are int32


@cases("name", NAMES)
def test_every_large_constant_has_its_group_in_the_table_of_sizes(
    encoders: object, name: str
) -> None:
    encoder = encoders(name)
    groups = ARCHITECTURES[name].groups(encoder)
    large = [tensor.name for tensor in encoder.graph.initializer if len(tensor.dims) > 1]
    assert set(large) <= set(groups)


def test_a_family_that_is_not_known_is_refused_by_name(tmp_path: Path) -> None:
    from transformers import GPT2Config, GPT2Model

    config = GPT2Config(vocab_size=40, n_embd=32, n_layer=2, n_head=4, n_positions=16)
    GPT2Model(config).save_pretrained(tmp_path)
    with pytest.raises(BackboneError, match=r"expected a model type of bert, .*, found 'gpt2'"):
        find(str(config_of(tmp_path)["model_type"]), tmp_path)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match="expected a Hugging Face model folder, found"):
        config_of(tmp_path)


def test_a_configuration_does_not_name_code_to_run(tmp_path: Path) -> None:
    detector, ran = tmp_path / "detector", tmp_path / "ran"
    detector.mkdir()
    code = "from pathlib import Path\nfrom transformers import PretrainedConfig\n"
    code += f"Path({str(ran)!r}).touch()\nclass Config(PretrainedConfig):\n    model_type = 'x'\n"
    (detector / "code.py").write_text(code, "utf-8")
    own = {"model_type": "x", "auto_map": {"AutoConfig": "code.Config"}}
    (detector / "config.json").write_text(json.dumps(own), "utf-8")
    named = {"model_type": "x", "_name_or_path": str(detector)}
    hostile = {
        "model_type": "lightglue",
        "trust_remote_code": True,
        "keypoint_detector_config": named,
    }
    (tmp_path / "config.json").write_text(json.dumps(hostile), "utf-8")
    with pytest.raises(BackboneError, match="found 'lightglue'"):
        config_of(tmp_path)
    assert not ran.exists()


def test_the_cut_is_the_residual_stream_where_the_norm_comes_first() -> None:
    """x -> norm -> q, k, v -> attention -> product -> + x: what carries everything on is x."""
    weights = {"w": (16, 48), "o": (16, 16), "one": (16, 32), "two": (32, 16)}
    sizes = {"scale": 16, "bias": 16, "qkv.bias": 48}
    nodes = [
        helper.make_node("LayerNormalization", ["x", "scale", "bias"], ["normed"], "norm"),
        helper.make_node("MatMul", ["normed", "w"], ["packed"], "qkv"),
        helper.make_node("Split", ["packed"], ["q", "k", "v"], "split", axis=-1, num_outputs=3),
        helper.make_node(
            "MultiHeadAttention", ["q", "k", "v", "qkv.bias"], ["mixed"], "attention",
            domain="com.microsoft", num_heads=2,
        ),
        helper.make_node("MatMul", ["mixed", "o"], ["projected"], "out"),
        helper.make_node("Add", ["projected", "x"], ["between"], "residual"),
        helper.make_node("MatMul", ["between", "one"], ["wide"], "fc1"),
        helper.make_node("MatMul", ["wide", "two"], ["y"], "fc2"),
    ]  # fmt: skip
    shapes = {**weights, **{name: (size,) for name, size in sizes.items()}}
    constants = [
        numpy_helper.from_array(np.ones(shape, np.float32), name) for name, shape in shapes.items()
    ]
    values = [helper.make_tensor_value_info(name, 1, ["batch", "sequence", 16]) for name in "xy"]
    graph = helper.make_graph(nodes, "block", values[:1], values[1:], constants)
    model = helper.make_model(graph)
    assert residual_streams(model) == ["x"]
    assert [module.name for module in target_modules(model)] == [
        "l0.qkv", "l0.o", "l0.fc1", "l0.fc2",
    ]  # fmt: skip
    after = next(node for node in model.graph.node if node.name == "residual")
    after.input[1] = "normed"  # the norm before it is the block's own: what it puts out is added
    assert residual_streams(model) == ["normed"]


def test_ranges_are_those_of_these_weights_and_this_size_or_the_scheme_is_refused(
    encoders: object,
) -> None:
    family, encoder = ARCHITECTURES["efficientnet-lite"], encoders("efficientnet-lite")
    assert table("0" * 64, encoder) == {}
    trunk = family.deployed(cut(family, encoder, 11)[0])
    with pytest.raises(UsageError, match="int8-static: expected ranges of the activations"):
        SCHEMES["int8-static"].ship(trunk)
    ranged = ModelProto()
    ranged.CopyFrom(encoder)
    state_ranges(ranged, measure_ranges(encoder, [_feeds("efficientnet-lite")]))
    trunk, tail = cut(family, ranged, 11)
    add_slots(family, tail, family.parts)
    shipped = SCHEMES["int8-static"].ship(trunk)
    assert ranges_of(shipped) == {}  # they are in its nodes
    assert "DequantizeLinear" in {node.op_type for node in shipped.graph.node}
    assert "DequantizeLinear" not in {
        node.op_type for node in SCHEMES["int8-static"].ship(tail).graph.node
    }


def test_int8_static_gives_a_picture_the_same_bits_in_any_company(encoders: object) -> None:
    family, ranged = ARCHITECTURES["efficientnet-lite"], ModelProto()
    ranged.CopyFrom(encoders("efficientnet-lite"))
    feeds = _feeds("efficientnet-lite", batch=8)
    state_ranges(ranged, measure_ranges(ranged, [feeds]))
    shipped = SCHEMES["int8-static"].ship(cut(family, ranged, 11)[0])
    together = _run(shipped, feeds)
    for row in range(8):
        alone = _run(shipped, {"pixels": feeds["pixels"][row : row + 1]})
        assert np.array_equal(alone[0], together[row])
