"""Each way to quantise against the same arithmetic written in NumPy or done by ONNX Runtime's own
tool.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from every import cases
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from onnx import ModelProto, TensorProto, helper, numpy_helper

from cfedge.runtime.session import open_session
from cfedge_export import quantize
from cfedge_export.names import OPSET
from cfedge_export.quantize import GELU_SHIFT
from cfedge_export.rounding import quantize_columns, rounded_weights


def _product(weight: np.ndarray, *, gelu: bool = False) -> ModelProto:
    """x -> (Gelu) -> x W as a model of one product."""
    nodes = [helper.make_node("Gelu", ["x"], ["g"], domain="com.microsoft")] if gelu else []
    nodes.append(helper.make_node("MatMul", ["g" if gelu else "x", "w"], ["y"], name="product"))
    graph = helper.make_graph(
        nodes,
        "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, weight.shape[0]])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, weight.shape[1]])],
        [numpy_helper.from_array(weight, "w")],
    )
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


@cases("value", [1e-45, 1e-40, 1.4e-36, 2e-36, 3e38])
def test_weights_of_any_size_quantise_without_a_warning(value: float) -> None:
    weight = np.full((3, 2), value, np.float32)
    quantized, scale = quantize_columns(weight)
    assert np.isfinite(scale).all()
    assert (np.abs(weight - quantized * scale) <= scale * 0.5).all()


def test_int8_row_is_exactly_its_integer_arithmetic() -> None:
    rng = np.random.default_rng(0)
    weight, x = (
        rng.normal(size=(24, 6)).astype(np.float32),
        rng.normal(size=(5, 24)).astype(np.float32),
    )
    w, w_scale = quantize_columns(weight)
    row_scale = np.abs(x).max(axis=1, keepdims=True) * np.float32(1 / 127)
    q = np.clip(np.rint(x / row_scale), -128, 127).astype(np.int64)
    expected = (q @ w.astype(np.int64)).astype(np.float32) * w_scale * row_scale
    np.testing.assert_allclose(
        _run(quantize.rows(_product(weight)), x=x), expected, rtol=1e-6, atol=1e-7
    )


def test_gelus_output_uses_all_eight_bits() -> None:
    rng = np.random.default_rng(1)
    weight, x = (
        rng.normal(size=(64, 8)).astype(np.float32),
        rng.normal(size=(200, 64)).astype(np.float32),
    )
    exact = _run(_product(weight, gelu=True), x=x)
    shifted = np.abs(_run(quantize.rows(_product(weight, gelu=True)), x=x) - exact).mean()
    gelu = _run(_product(np.eye(64, dtype=np.float32), gelu=True), x=x)
    plain = np.abs(_run(quantize.rows(_product(weight)), x=gelu) - exact).mean()
    assert gelu.min() >= -GELU_SHIFT
    assert shifted < 0.8 * plain


@cases("gelu", [False, True])
def test_a_row_of_zeros_gives_what_zeros_give(gelu: bool) -> None:
    weight = np.random.default_rng(2).normal(size=(16, 4)).astype(np.float32)
    rows = np.zeros((2, 16), np.float32)
    rows[1, 3] = 1.0
    found = _run(quantize.rows(_product(weight, gelu=gelu)), x=rows)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[0], 0.0, atol=2e-3 if gelu else 0.0)


def test_seven_bit_weights_stay_within_what_16_bits_hold() -> None:
    weight = np.random.default_rng(3).normal(size=(32, 4)).astype(np.float32)
    quantized, scale = quantize_columns(weight, largest=63)
    assert np.abs(quantized).max() == 63
    assert 2 * 255 * 63 < 2**15 <= 2 * 255 * 127
    assert (np.abs(weight - quantized * scale) <= scale * 0.5 * (1 + 1e-5)).all()


def test_dynamic_is_bit_for_bit_what_onnx_runtimes_own_tool_and_its_own_operator_make(
    tmp_path: Path,
) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    rng = np.random.default_rng(4)
    weight, x = (
        rng.normal(size=(48, 12)).astype(np.float32),
        rng.normal(size=(5, 48)).astype(np.float32),
    )
    onnx.save(_product(weight), tmp_path / "float.onnx")
    quantize_dynamic(
        tmp_path / "float.onnx", tmp_path / "q.onnx", per_channel=True, weight_type=QuantType.QInt8,
        extra_options={"DefaultTensorType": TensorProto.FLOAT},
    )  # fmt: skip
    fused = _product(weight)
    fused.graph.node[0].CopyFrom(
        helper.make_node(
            "DynamicQuantizeMatMul", ["x", "w.q", "w.scale"], ["y"], domain="com.microsoft"
        )
    )
    q, scale = quantize_columns(weight)
    fused.graph.initializer[0].CopyFrom(numpy_helper.from_array(q, "w.q"))
    fused.graph.initializer.append(numpy_helper.from_array(scale, "w.scale"))
    found = _run(quantize.dynamic(_product(weight)), x=x)
    assert np.array_equal(found, _run(onnx.load(tmp_path / "q.onnx"), x=x))
    assert np.array_equal(found, _run(fused, x=x))


def test_weights_alone_are_computed_as_the_float_product_of_the_rounded_weights() -> None:
    rng = np.random.default_rng(5)
    weight, x = (
        rng.normal(size=(96, 12)).astype(np.float32),
        rng.normal(size=(5, 96)).astype(np.float32),
    )
    q, scale = quantize_columns(weight)
    exact = _run(_product(q * scale), x=x)
    assert np.array_equal(_run(quantize.weights_only(_product(weight)), x=x), exact)


@cases("ship", [quantize.rows, quantize.dynamic, quantize.weights_only, rounded_weights])
def test_a_product_that_is_kept_stays_float_to_the_last_bit(
    ship: Callable[..., ModelProto],
) -> None:
    rng = np.random.default_rng(6)
    weight, x = (
        rng.normal(size=(16, 4)).astype(np.float32),
        rng.normal(size=(3, 16)).astype(np.float32),
    )
    exact = _run(_product(weight), x=x)
    assert np.array_equal(_run(ship(_product(weight), keep=["product"]), x=x), exact)
    assert not np.array_equal(_run(ship(_product(weight), keep=["another"]), x=x), exact)
