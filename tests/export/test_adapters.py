from __future__ import annotations

import numpy as np
import onnx
import pytest

from cfedge.runtime.session import constants
from cfedge_export.adapters import adapter_onnx


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "a.l2.qkv": rng.normal(size=(1, 32, 4)).astype(np.float32),
        "b.l2.qkv": (
            rng.normal(size=(1, 4, 96)).astype(np.float32)
            * np.array([1e-3, 1, 50, 0], np.float32)[:, None]
        ),
        "head.weight": rng.normal(size=(32, 3)).astype(np.float32),
        "head.bias": rng.normal(size=3).astype(np.float32),
        "exit.margin": np.array([1.234567], np.float32),
    }


def test_every_value_comes_back_within_half_a_step_of_its_own_unit(
    arrays: dict[str, np.ndarray],
) -> None:
    found, metadata = constants(adapter_onnx(arrays, base="f" * 64, task="t"), "adapter")
    assert metadata["cfedge.base"] == "f" * 64
    assert metadata["cfedge.task"] == "t"
    assert metadata["cfedge.rank"] == "4"
    assert set(found) == set(arrays)
    for name, axis in (("a.l2.qkv", 1), ("b.l2.qkv", 2), ("head.weight", 0)):
        step = np.abs(arrays[name]).max(axis=axis, keepdims=True) / 127
        error = np.abs(found[name] - arrays[name])
        assert (error <= step * 0.5001 + 1e-12).all()  # type: ignore[operator]
    for name in ("head.bias", "exit.margin"):
        np.testing.assert_array_equal(found[name], arrays[name])


def test_equal_arrays_give_equal_bytes_in_any_order(arrays: dict[str, np.ndarray]) -> None:
    backwards = dict(reversed(arrays.items()))
    assert adapter_onnx(arrays, base="b", task="t") == adapter_onnx(backwards, base="b", task="t")


def test_it_is_int8_self_contained_and_without_inputs(arrays: dict[str, np.ndarray]) -> None:
    data = adapter_onnx(arrays, base="b", task="t")
    model = onnx.load_from_string(data)
    assert not model.graph.input
    assert {node.op_type for node in model.graph.node} == {"DequantizeLinear", "Identity"}
    assert not any(tensor.external_data for tensor in model.graph.initializer)
    numbers = sum(array.size for array in arrays.values())
    assert len(data) < numbers + 4 * 110 + 2000
