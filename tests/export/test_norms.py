"""Layer norms as instance norms: the same numbers, row by row."""

from __future__ import annotations

import numpy as np
import onnx
from every import cases
from onnx import ModelProto, TensorProto, helper, numpy_helper

from cfedge.runtime.session import open_session
from cfedge_export.norms import by_instance


def _model(width: int, epsilon: float) -> ModelProto:
    rng = np.random.default_rng(0)
    arrays = {
        name: rng.normal(size=width).astype(np.float32)
        for name in ("scale", "bias", "scale2", "bias2")
    }
    nodes = [
        helper.make_node(
            "LayerNormalization",
            ["x", "scale", "bias"],
            ["middle"],
            "first",
            epsilon=epsilon,
            axis=-1,
        ),
        helper.make_node(
            "LayerNormalization", ["middle", "scale2", "bias2"], ["y"], "second", epsilon=epsilon
        ),
    ]
    shape = ["batch", "sequence", width]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in "xy"]
    constants = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    graph = helper.make_graph(nodes, "norms", values[:1], values[1:], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def _run(model: ModelProto, x: np.ndarray) -> np.ndarray:
    return np.asarray(open_session(model.SerializeToString(), "norms").run(None, {"x": x})[0])


@cases(("batch", "tokens", "width"), [(1, 1, 16), (1, 12, 384), (3, 5, 32)])
def test_numbers_are_those_of_numpy_and_of_the_layer_norm(
    batch: int, tokens: int, width: int
) -> None:
    model = _model(width, 1e-12)
    x = np.random.default_rng(1).normal(3, 2, size=(batch, tokens, width)).astype(np.float32)
    found = _run(by_instance(model), x)
    exact = x.astype(np.float64)
    arrays = {
        tensor.name: numpy_helper.to_array(tensor).astype(np.float64)
        for tensor in model.graph.initializer
    }
    for end in ("", "2"):
        unit = (exact - exact.mean(axis=-1, keepdims=True)) / np.sqrt(
            exact.var(axis=-1, keepdims=True) + 1e-12
        )
        exact = unit * arrays[f"scale{end}"] + arrays[f"bias{end}"]
    np.testing.assert_allclose(found, exact, atol=5e-5)
    np.testing.assert_allclose(found, _run(model, x), atol=5e-5)


def test_a_row_does_not_depend_on_its_batch_nor_on_other_tokens() -> None:
    model = by_instance(_model(32, 1e-12))
    x = np.random.default_rng(1).normal(size=(4, 6, 32)).astype(np.float32)
    together = _run(model, x)
    for row in range(4):
        assert np.array_equal(_run(model, x[row : row + 1])[0], together[row])
        assert np.array_equal(_run(model, x[row : row + 1, :2])[0], together[row, :2])


def test_norms_of_rows_that_are_not_aligned_stay_as_they_are() -> None:
    for width in (30, 33, 312):
        model = _model(width, 1e-12)
        assert by_instance(model) == model
        x = np.random.default_rng(1).normal(size=(7, 3, width)).astype(np.float32)
        together = _run(by_instance(model), x)
        assert all(
            np.array_equal(_run(by_instance(model), x[row : row + 1])[0], together[row])
            for row in range(7)
        )


@cases("width", [16, 48, 384])
def test_no_bit_depends_on_the_place_in_a_batch(width: int) -> None:
    model = by_instance(_model(width, 1e-12))
    x = np.random.default_rng(2).normal(size=(7, 3, width)).astype(np.float32)
    together = _run(model, x)
    assert all(np.array_equal(_run(model, x[row : row + 1])[0], together[row]) for row in range(7))


def test_constant_rows_give_the_bias_and_epsilon_is_kept() -> None:
    x = np.full((1, 2, 16), 7, np.float32)
    x[0, 1, 0] += np.float32(1e-3)
    for epsilon in (1e-12, 1e-3):
        model = _model(16, epsilon)
        np.testing.assert_allclose(
            _run(by_instance(model), x), _run(model, x), atol=2e-2 if epsilon < 1e-6 else 1e-4
        )
        assert np.isfinite(_run(by_instance(model), x)).all()


def test_a_graph_without_norms_is_copied() -> None:
    graph = helper.make_graph(
        [helper.make_node("Abs", ["x"], ["y"])], "plain",
        *([helper.make_tensor_value_info(name, TensorProto.FLOAT, [1])] for name in "xy"),
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    assert by_instance(model) == model
    assert by_instance(model) is not model


def test_no_layer_norm_is_left_and_the_graph_is_valid() -> None:
    model = by_instance(_model(16, 1e-5))
    assert {node.op_type for node in model.graph.node} == {
        "Shape",
        "ConstantOfShape",
        "InstanceNormalization",
        "Mul",
        "Add",
    }
    onnx.checker.check_model(model, full_check=True)


def test_each_norm_reads_its_own_length_where_the_first_input_is_a_picture() -> None:
    """[B, 3, 2, 8] -> 3 tokens, then 5, of width 16: the second is none of the picture's sizes."""
    rng = np.random.default_rng(0)
    arrays = {"scale": rng.normal(size=16), "bias": rng.normal(size=16)}
    shapes = {"as_three": [-1, 3, 16]}
    mixing = rng.normal(size=(5, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Reshape", ["x", "as_three"], ["three"], "three"),
        helper.make_node("LayerNormalization", ["three", "scale", "bias"], ["normed"], "first"),
        helper.make_node("MatMul", ["mixing", "normed"], ["five"], "five"),
        helper.make_node("LayerNormalization", ["five", "scale", "bias"], ["y"], "second"),
    ]
    constants = [
        *(
            numpy_helper.from_array(array.astype(np.float32), name)
            for name, array in arrays.items()
        ),
        *(numpy_helper.from_array(np.array(shape), name) for name, shape in shapes.items()),
        numpy_helper.from_array(mixing, "mixing"),
    ]
    values = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, 2, 8]),
        helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 5, 16]),
    ]
    graph = helper.make_graph(nodes, "picture", values[:1], values[1:], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    x = rng.normal(size=(4, 3, 2, 8)).astype(np.float32)
    rewritten = by_instance(model)
    assert "LayerNormalization" not in {node.op_type for node in rewritten.graph.node}
    np.testing.assert_allclose(_run(rewritten, x), _run(model, x), atol=5e-5)
