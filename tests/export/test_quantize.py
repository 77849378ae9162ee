"""int8-row against the same arithmetic written in NumPy, and the promises that make it the default."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from onnx import ModelProto, TensorProto, helper, numpy_helper

from cfedge.runtime.session import open_session
from cfedge_export.encoder import OPSET, to_onnx
from cfedge_export.graph import add_slots, cut
from cfedge_export.quantize import GELU_SHIFT, SCHEMES, quantize_columns


def _product(weight: np.ndarray, *, gelu: bool = False) -> ModelProto:
    """x -> (Gelu) -> x W as a model of one product."""
    nodes = [helper.make_node("Gelu", ["x"], ["g"], domain="com.microsoft")] if gelu else []
    nodes.append(helper.make_node("MatMul", ["g" if gelu else "x", "w"], ["y"], name="product"))
    graph = helper.make_graph(
        nodes, "one", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, weight.shape[0]])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, weight.shape[1]])], [numpy_helper.from_array(weight, "w")],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def _run(model: ModelProto, **feeds: np.ndarray) -> np.ndarray:
    return open_session(model.SerializeToString(), "test").run(None, feeds)[0]


@given(hnp.arrays(np.float32, (7, 5), elements=st.floats(-1e3, 1e3, width=32)))
@settings(max_examples=100, deadline=None)
def test_weights_are_within_half_a_step(weight: np.ndarray) -> None:
    quantized, scale = quantize_columns(weight)
    assert quantized.dtype == np.int8
    assert np.abs(quantized).max(initial=0) <= 127
    assert (np.abs(weight - quantized * scale) <= scale * 0.5 * (1 + 1e-5) + 1e-30).all()


@pytest.mark.parametrize("value", [1e-45, 1e-40, 1.4e-36, 2e-36, 3e38])
def test_weights_of_any_size_quantise_without_a_warning(value: float) -> None:
    weight = np.full((3, 2), value, np.float32)
    quantized, scale = quantize_columns(weight)
    assert np.isfinite(scale).all()
    assert (np.abs(weight - quantized * scale) <= scale * 0.5).all()


def test_int8_row_is_exactly_its_integer_arithmetic() -> None:
    rng = np.random.default_rng(0)
    weight, x = rng.normal(size=(24, 6)).astype(np.float32), rng.normal(size=(5, 24)).astype(np.float32)
    w, w_scale = quantize_columns(weight)
    row_scale = np.abs(x).max(axis=1, keepdims=True) * np.float32(1 / 127)
    q = np.clip(np.rint(x / row_scale), -128, 127).astype(np.int64)
    expected = (q @ w.astype(np.int64)).astype(np.float32) * w_scale * row_scale
    np.testing.assert_allclose(_run(SCHEMES["int8-row"](_product(weight))[0], x=x), expected, rtol=1e-6, atol=1e-7)


def test_gelus_output_uses_all_eight_bits() -> None:
    rng = np.random.default_rng(1)
    weight, x = rng.normal(size=(64, 8)).astype(np.float32), rng.normal(size=(200, 64)).astype(np.float32)
    exact = _run(_product(weight, gelu=True), x=x)
    shifted = np.abs(_run(SCHEMES["int8-row"](_product(weight, gelu=True))[0], x=x) - exact).mean()
    gelu = _run(_product(np.eye(64, dtype=np.float32), gelu=True), x=x)
    plain = np.abs(_run(SCHEMES["int8-row"](_product(weight))[0], x=gelu) - exact).mean()
    assert gelu.min() >= -GELU_SHIFT
    assert shifted < 0.8 * plain


@pytest.mark.parametrize("gelu", [False, True])
def test_a_row_of_zeros_gives_what_zeros_give(gelu: bool) -> None:
    weight = np.random.default_rng(2).normal(size=(16, 4)).astype(np.float32)
    rows = np.zeros((2, 16), np.float32)
    rows[1, 3] = 1.0
    found = _run(SCHEMES["int8-row"](_product(weight, gelu=gelu))[0], x=rows)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[0], 0.0, atol=2e-3 if gelu else 0.0)


@pytest.fixture(scope="module")
def encoder(tiny_folder: Path) -> ModelProto:
    return to_onnx(tiny_folder)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("batch", [1, 3, 8, 16])
def test_a_rows_answer_depends_neither_on_the_batch_nor_on_its_neighbours(encoder: ModelProto, scheme: str, batch: int) -> None:
    session = open_session(SCHEMES[scheme](encoder)[0].SerializeToString(), "test")
    ids = np.random.default_rng(batch).integers(0, 30, (batch, 7))
    together = session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})[0]
    for row in range(batch):
        one = ids[row : row + 1]
        assert np.array_equal(session.run(None, {"input_ids": one, "attention_mask": np.ones_like(one)})[0][0], together[row])


def test_int8_row_is_close_to_float_and_a_quarter_of_its_size(encoder: ModelProto) -> None:
    quantized = SCHEMES["int8-row"](encoder)[0]
    ids = np.random.default_rng(0).integers(0, 30, (16, 7))
    feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
    exact, found = _run(encoder, **feeds), _run(quantized, **feeds)
    cosine = (exact * found).sum(1) / np.linalg.norm(exact, axis=1) / np.linalg.norm(found, axis=1)
    assert cosine.min() > 0.999
    weights = sum(int(np.prod(tensor.dims)) * 4 for tensor in encoder.graph.initializer)
    kept = sum(len(tensor.raw_data) for tensor in quantized.graph.initializer)
    assert kept < 0.5 * weights  # positions, norms and scales stay float; in MiniLM the share is .26


def test_what_training_sees_holds_the_shipped_weights(encoder: ModelProto) -> None:
    _, tail = cut(encoder, 2)
    add_slots(tail, ("qkv",))
    shipped, trained = SCHEMES["int8-row"](tail)
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in shipped.graph.initializer}
    names = {node.input[1] for node in trained.graph.node if node.op_type == "MatMul"}
    weights = [tensor for tensor in trained.graph.initializer if tensor.name in names]
    assert len(weights) == 4
    for tensor in weights:
        np.testing.assert_array_equal(numpy_helper.to_array(tensor), arrays[f"{tensor.name}.q"] * arrays[f"{tensor.name}.scale"])


def test_low_rank_branches_stay_float(encoder: ModelProto) -> None:
    _, tail = cut(encoder, 2)
    add_slots(tail, ("qkv", "o"))
    shipped, _ = SCHEMES["int8-row"](tail)
    branch = [node for node in shipped.graph.node if node.op_type == "MatMul" and node.name.startswith(("a.", "b."))]
    assert len(branch) == 4
