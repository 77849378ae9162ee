from __future__ import annotations

import numpy as np

from cfedge.doctor import sample


def test_the_hand_made_bytes_are_a_model_that_onnx_accepts() -> None:
    import onnx

    model = onnx.load_from_string(sample.graph())
    onnx.checker.check_model(model, full_check=True)
    assert [node.op_type for node in model.graph.node] == ["MatMulInteger", "Cast", "Mul"] * 2
    assert (model.ir_version, model.opset_import[0].version) == (8, 13)


def test_the_weights_in_the_bytes_are_those_declared() -> None:
    import onnx

    tensors = {
        one.name: onnx.numpy_helper.to_array(one)
        for one in onnx.load_from_string(sample.graph()).graph.initializer
    }
    for name, largest, kind, zero in (("w8", 127, np.uint8, 128), ("w7", 63, np.int8, 0)):
        assert tensors[name].dtype == kind
        around = tensors[name].astype(int) - zero
        assert around.tolist() == sample.weights(largest)
        assert (around.min(), around.max()) == (-largest, largest)
    assert (tensors["zero"].item(), tensors["scale"].item()) == (sample.ZERO_POINT, sample.SCALE)


def test_the_expected_sums_are_numpys_and_exact_in_float32() -> None:
    for largest in (127, 63):
        x, w = np.asarray(sample.rows(), np.int64), np.asarray(sample.weights(largest), np.int64)
        exact = sample.SCALE * ((x - sample.ZERO_POINT) @ w)
        assert np.array_equal(exact, np.asarray(sample.expected(largest)))
        assert np.array_equal(exact.astype(np.float32).astype(np.float64), exact)


def test_onnx_reference_evaluator_computes_the_same() -> None:
    from onnx.reference import ReferenceEvaluator

    y8, y7 = ReferenceEvaluator(sample.graph()).run(
        ["y8", "y7"], {"x": np.asarray(sample.rows(), np.uint8)}
    )
    assert np.array_equal(y8, np.asarray(sample.expected(127), np.float32))
    assert np.array_equal(y7, np.asarray(sample.expected(63), np.float32))


def test_pairs_added_in_16_bits_saturate_with_8_bit_weights_and_not_with_7() -> None:
    """The arithmetic of vpmaddubsw, which AVX2 and AVX-512 without VNNI use: the sample must be
    able to tell.
    """
    for largest, saturates in ((127, True), (63, False)):
        x, w = np.asarray(sample.rows(), np.int64), np.asarray(sample.weights(largest), np.int64)
        products = x[:, :, None] * w[None]
        pairs = products[:, 0::2] + products[:, 1::2]
        sums = np.clip(pairs, -(2**15), 2**15 - 1).sum(axis=1) - sample.ZERO_POINT * w.sum(axis=0)
        assert (
            np.array_equal(sample.SCALE * sums, np.asarray(sample.expected(largest)))
            is not saturates
        )
