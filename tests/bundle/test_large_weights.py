"""Large weights that are taken out of a graph: the session reads them where they are, and computes the
same.
"""

from __future__ import annotations

import gc

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from cfedge.bundle.large_weights import LARGE_BYTES, without_large_weights
from cfedge.errors import IncompatibleError
from cfedge.runtime.session import open_session

RNG = np.random.default_rng(0)


def graph(*initializers: onnx.TensorProto) -> bytes:
    """``y`` = the rows x [B] of wide [50, 40] @ narrow [40, 30] + shift [30]."""
    nodes = [
        helper.make_node("Gather", ["wide", "x"], ["rows"]),
        helper.make_node("MatMul", ["rows", "narrow"], ["product"]),
        helper.make_node("Add", ["product", "shift"], ["y"]),
    ]
    made = helper.make_graph(
        nodes, "g",
        [helper.make_tensor_value_info("x", TensorProto.INT64, ["B"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["B", 30])],
        list(initializers),
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 17)]
    return helper.make_model(made, ir_version=8, opset_imports=opsets).SerializeToString()


def tensor(name: str, *sizes: int, raw: bool = True, kind: int = TensorProto.FLOAT) -> onnx.TensorProto:  # fmt: skip
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    numbers = RNG.normal(size=sizes).astype(dtype)
    content = numbers.tobytes() if raw else numbers.ravel()
    return helper.make_tensor(name, kind, sizes, content, raw=raw)


def test_a_session_computes_the_same_with_weights_that_stay_where_they_are() -> None:
    wide, narrow, shift = tensor("wide", 50, 40), tensor("narrow", 40, 30), tensor("shift", 30)
    listed = tensor("wide", 50, 40, raw=False)
    split = onnx.TensorProto.FromString(wide.SerializeToString())
    split.double_data.append(0.0)
    short = onnx.TensorProto.FromString(wide.SerializeToString())
    short.dims[0] = 49
    deep = onnx.TensorProto.FromString(wide.SerializeToString())
    deep.dims.extend(70 * [1])  # more than NumPy's arrays have
    half = tensor("half", 50, 80, kind=TensorProto.FLOAT16)
    inputs = np.arange(50)
    for given, taken in [
        ((wide, narrow, shift), {"wide", "narrow"}),
        ((listed, narrow, shift), {"narrow"}),
        ((split, narrow, shift), {"narrow"}),
        ((short, narrow, shift), {"narrow"}),
        ((deep, narrow, shift), {"narrow"}),
        ((wide, narrow, shift, half), {"wide", "narrow"}),
        ((wide, wide, narrow, shift), {"wide", "narrow"}),
    ]:
        model = graph(*given)
        for unaligned in range(4):  # how far from where floats may begin
            shifted = _named(model, unaligned) if unaligned else model
            small, weights = without_large_weights(shifted, "graph")
            assert set(weights) == taken
            if given.count(wide) > 1:  # which of two is meant?
                assert wide.raw_data in small
            expected = {one.name: one for one in given}
            for name, numbers in weights.items():
                assert numbers.flags.aligned
                assert np.array_equal(numbers, numpy_helper.to_array(expected[name]))
            assert len(small) < len(shifted) - sum(one.nbytes for one in weights.values()) + 200
            if given[0] in (split, short, deep) or len(given) == 4:
                continue  # what ONNX Runtime refuses, or warns of
            whole, lent = (
                open_session(shifted, "graph"),
                open_session(small, "graph", weights=weights),
            )
            del weights, numbers
            gc.collect()  # the session keeps what it reads
            (there,), (here,) = whole.run(["y"], {"x": inputs}), lent.run(["y"], {"x": inputs})
            assert np.array_equal(there, here)


def _named(model: bytes, more: int) -> bytes:
    """The same graph, whose bytes begin so much later."""
    loaded = onnx.load_from_string(model)
    loaded.producer_name = more * "p"
    return loaded.SerializeToString()


def test_bytes_that_are_no_graph_are_refused() -> None:
    large = graph(tensor("wide", 50, 40), tensor("narrow", 40, 30), tensor("shift", 30))
    for damaged in (large[:LARGE_BYTES], b"\xff" + large, large[:-3]):
        with pytest.raises(IncompatibleError, match="the trunk: expected a graph"):
            without_large_weights(damaged, "the trunk")
