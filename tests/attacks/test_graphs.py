"""Graphs that pass their golden vectors and do harm later: random answers, sizes that follow from
what is asked, and operators that a bundle never needs.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from bounded import bounded
from every import cases
from onnx import TensorProto, helper, numpy_helper

from cfedge.bundle.files import read
from cfedge.bundle.graph import check_graph, check_graphs
from cfedge.bundle.onnx_fields import LIMITS
from cfedge.bundle.operators import ADAPTER, ENCODER
from cfedge.errors import IncompatibleError

CONSTANTS = {
    "one": np.array([1], np.int64),
    "zero": np.array([0], np.int64),
    "minus": np.array([-1], np.int64),
    "many": np.array([10**9], np.int64),
    "float": np.array([1], np.float32),
    "table": np.array([1, 10**9], np.int64),
    "kernel": np.ones((1, 1, 1, 1), np.float32),
}


def graph(nodes: Sequence[onnx.NodeProto], constants: dict[str, np.ndarray] | None = None) -> bytes:
    """A model with the input ids int64 [B, S] and x float32 [B, S, D]."""
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "attack",
            [
                helper.make_tensor_value_info("ids", TensorProto.INT64, ["b", "s"]),
                helper.make_tensor_value_info("x", TensorProto.FLOAT, ["b", "s", 4]),
            ],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
            [
                numpy_helper.from_array(array, name)
                for name, array in {**CONSTANTS, **(constants or {})}.items()
            ],
        )
    )
    return bytes(model.SerializeToString())


def node(operator: str, inputs: str, output: str = "y", **attributes: object) -> onnx.NodeProto:
    return helper.make_node(operator, inputs.split(), [output], **attributes)


SHAPE = node("Shape", "x", "shape")
LENGTH = [SHAPE, node("Gather", "shape one", "length", axis=0)]

#: A size that follows from data, made in each of these ways.
FROM_DATA = {
    "the ids themselves": [node("Identity", "ids", "n")],
    "the largest id": [node("ReduceMax", "ids one", "n")],
    "a sum of ids": [node("ReduceSum", "ids one", "n")],
    "an id that is cast": [node("Cast", "ids", "n", to=TensorProto.INT64)],
    "an id times a constant": [node("Mul", "ids many", "n")],
    "a constant looked up by an id": [node("Gather", "table ids", "n")],
    "a constant chosen by data": [
        node("GreaterOrEqual", "ids one", "which"),
        node("Where", "which many one", "n"),
    ],
    "a constant looked up by the length": [*LENGTH, node("Gather", "table length", "n")],
    "a constant cut by the length": [*LENGTH, node("Slice", "table zero length", "n")],
    "the length times a constant": [*LENGTH, node("Mul", "length many", "n")],
    "the length and a constant": [*LENGTH, node("Add", "length many", "n")],
    "the length without a constant": [*LENGTH, node("Sub", "many length", "n")],
    "a constant over the length": [*LENGTH, node("Div", "many length", "n")],
    "the length below zero": [*LENGTH, node("Neg", "length", "n")],
    "the length in eight bits": [*LENGTH, node("Cast", "length", "n", to=TensorProto.INT8)],
    "the length beside a number below zero": [
        *LENGTH,
        node("Concat", "length minus", "n", axis=0),
    ],
    "a size chosen by data": [SHAPE, node("Gather", "shape ids", "n")],
    "a size cut by a size": [*LENGTH, node("Slice", "shape length one", "n")],
}
#: Where a size is said by value.
PLACES = {
    "ConstantOfShape": "n",
    "Expand": "x n",
    "Reshape": "x n",
}
CONSTANT_PLACES = {
    "Pad": "x n",
    "Conv": "x n",
    "ConvInteger": "x n",
    "QLinearConv": "x float zero n float zero float zero",
    "ReduceMax": "x n",
    "ReduceMean": "x n",
    "ReduceMin": "x n",
    "ReduceSum": "x n",
    "Slice": "x n one",
    "Split": "x n",
    "Squeeze": "x n",
    "TopK": "x n",
    "Unsqueeze": "x n",
}


def refused(model: bytes, found: str, allowed: frozenset[str] = ENCODER) -> None:
    with bounded(), pytest.raises(IncompatibleError, match=found) as caught:
        check_graph(model, "trunk", allowed)
    assert "\n" not in str(caught.value)


@cases("way", FROM_DATA)
def test_a_size_that_follows_from_data_is_refused(way: str) -> None:
    for operator, inputs in {**PLACES, **CONSTANT_PLACES}.items():
        refused(
            graph([*FROM_DATA[way], node(operator, inputs)]),
            f"found ({operator}|Slice) with a size",
        )


@cases("operator", CONSTANT_PLACES)
def test_a_size_where_results_would_shrink_is_refused(operator: str) -> None:
    inputs = " ".join("length" if one == "n" else one for one in CONSTANT_PLACES[operator].split())
    model = graph([*LENGTH, node(operator, inputs)])
    refused(model, f"found {operator} with a size that is no constant")


@cases("operator", PLACES)
def test_a_length_is_a_size(operator: str) -> None:
    nodes = [*LENGTH, node("Concat", "length one many", "n", axis=0)]
    check_graph(graph([*nodes, node(operator, PLACES[operator])]), "trunk")


NOT_LISTED = {
    "Bernoulli": "x",
    "Compress": "x ids",
    "CumSum": "x one",
    "Dropout": "x",
    "Einsum": "x x",
    "EyeLike": "x",
    "If": "x",
    "ImageDecoder": "x",
    "Loop": "one x",
    "Multinomial": "x",
    "NonMaxSuppression": "x x",
    "NonZero": "x",
    "OneHot": "ids many table",
    "Optional": "x",
    "RandomNormal": "",
    "RandomNormalLike": "x",
    "RandomUniform": "",
    "RandomUniformLike": "x",
    "Range": "zero many one",
    "Resize": "x",
    "STFT": "x one",
    "Scan": "x",
    "ScatterND": "x ids x",
    "SequenceConstruct": "x x",
    "Size": "x",
    "SplitToSequence": "x",
    "StringConcat": "x x",
    "StringNormalizer": "x",
    "TfIdfVectorizer": "x",
    "Tile": "x many",
    "Unique": "x",
    "Upsample": "x float",
}


@cases("operator", NOT_LISTED)
def test_an_operator_that_is_not_listed_is_refused(operator: str) -> None:
    refused(graph([node(operator, NOT_LISTED[operator])]), f"found the operator '{operator}'")


@cases(
    ("domain", "operator", "found"),
    [
        ("com.microsoft", "RandomNormal", "com.microsoft.RandomNormal"),
        ("com.microsoft", "BeamSearch", "com.microsoft.BeamSearch"),
        ("com.microsoft", "GreedySearch", "com.microsoft.GreedySearch"),
        ("com.microsoft", "Sampling", "com.microsoft.Sampling"),
        ("com.microsoft", "ExpandDims", "com.microsoft.ExpandDims"),
        ("com.microsoft", "WordConvEmbedding", "com.microsoft.WordConvEmbedding"),
        ("ai.onnx.ml", "TreeEnsemble", "ai.onnx.ml.TreeEnsemble"),
        ("ai.onnxcom.microsoft", "Gelu", "ai.onnxcom.microsoft.Gelu"),
        ("com.microsoft.nchwc", "Conv", "com.microsoft.nchwc.Conv"),
        ("", "com.evil\x1b[2J", "com.evil"),
    ],
)
def test_an_operator_of_another_domain_is_refused(domain: str, operator: str, found: str) -> None:
    model = graph([node(operator, "x", domain=domain)])
    refused(model, f"found the operator '{found}")


@cases("operator", sorted(ENCODER - ADAPTER))
def test_an_adapter_only_copies_and_dequantises(operator: str) -> None:
    refused(graph([node(operator, "x")]), f"found the operator '{operator}'", ADAPTER)


def test_an_input_that_is_a_constant_too_can_be_fed() -> None:
    model = onnx.load_from_string(graph([node("ConstantOfShape", "many")]))
    model.graph.input.append(helper.make_tensor_value_info("many", TensorProto.INT64, [1]))
    refused(model.SerializeToString(), "found ConstantOfShape with a size that follows from data")


def test_a_result_of_a_constants_name_is_refused() -> None:
    refused(graph([node("ReduceMax", "ids one", "many")]), "found 'many' made twice")


FROM_END, TO_START = np.array([-20], np.int64), np.array([10], np.int64)
#: Ways to cut x to ten places where it has ten, and to none where it has thirty: by the power of eight
#: of so many an input of ten would take gigabytes, and the longest nothing.
CUT: dict[str, list[onnx.NodeProto]] = {
    "from a place before the end to one behind the start": [
        node("Slice", "x from_end to_start one", "cut")
    ],
    "backwards": [node("Slice", "x to_start from_end one minus", "cut")],
    "to the length of something short": [
        node("Slice", "x zero to_start one", "short"),
        node("Shape", "short", "sizes"),
        node("Gather", "sizes one", "size", axis=0),
        node("Slice", "x from_end size one", "cut"),
    ],
    "by places that are reckoned": [
        node("Neg", "to_start", "reckoned"),
        node("Slice", "x reckoned to_start one", "cut"),
    ],
    "by attributes": [helper.make_node("Slice", ["x"], ["cut"], axes=[1], starts=[-20], ends=[10])],
    "by a number of parts": [
        helper.make_node("Split", ["x"], ["p", "q", "cut"], axis=1, num_outputs=3)
    ],
}


@cases("way", CUT)
def test_a_cut_that_is_smaller_of_more_is_refused(way: str) -> None:
    """Each alone, as a product of such a part with itself needs no size that is said."""
    constants = {"from_end": FROM_END, "to_start": TO_START}
    found = "Slice to a part that may be smaller of more|Split into 3 parts without their sizes"
    refused(graph([*CUT[way], node("Relu", "cut")], constants), found)


def test_cuts_that_grow_are_accepted() -> None:
    """The same places from one end, to the end of everything, of sizes, and two halves."""
    constants = {"from_end": FROM_END, "to_start": TO_START, "all": np.array([2**63 - 1], np.int64)}
    last = numpy_helper.from_array(np.array(-1, np.int64))
    ways: list[list[onnx.NodeProto]] = [
        [node("Slice", "x from_end all one")],
        [node("Slice", "x from_end minus one")],
        [node("Slice", "x to_start minus one one")],
        [*LENGTH, node("Slice", "x zero length one")],
        [node("Slice", "x minus to_start one minus")],
        [SHAPE, node("Slice", "shape from_end to_start zero", "n"), node("Expand", "x n")],
        [
            node("Constant", "", "scalar", value=last),
            node("Unsqueeze", "scalar zero", "last"),
            node("Slice", "x last all one"),
        ],
        [helper.make_node("Split", ["x"], ["y", "z"], axis=1, num_outputs=2)],
    ]
    for nodes in ways:
        check_graph(graph(nodes, constants), "trunk")


def test_a_result_made_twice_is_refused() -> None:
    nodes = [node("Identity", "many", "n"), node("Identity", "ids", "n")]
    refused(graph([*nodes, node("ConstantOfShape", "n")]), "found 'n' made twice")


def test_an_operator_before_what_it_takes_is_refused() -> None:
    refused(graph([node("ConstantOfShape", "n"), node("Identity", "ids", "n")]), "nothing before")


def test_a_constant_of_numbers_below_zero_joins_no_size() -> None:
    below = numpy_helper.from_array(np.array([-5], np.int64))
    nodes = [*LENGTH, node("Constant", "", "below", value=below)]
    nodes.append(node("Concat", "length below", "n", axis=0))
    refused(graph([*nodes, node("Expand", "x n")]), "found Expand with a size that follows")


def test_a_constant_said_twice_joins_no_size() -> None:
    """As which of the two counts is the decoder's choice."""
    nodes = [*LENGTH, node("Concat", "length many", "n", axis=0), node("Expand", "x n")]
    model = onnx.load_from_string(graph(nodes))
    model.graph.initializer.append(numpy_helper.from_array(np.array([-9], np.int64), "many"))
    refused(model.SerializeToString(), "found Expand with a size that follows")


def test_more_operators_than_there_may_be_are_refused() -> None:
    nodes = [node("Identity", "x", f"y{at}") for at in range(LIMITS.nodes + 1)]
    refused(graph(nodes), "found more than 16384 of them")


def test_a_constant_of_millions_of_fields_is_refused_soon() -> None:
    model = onnx.load_from_string(graph([node("Identity", "x")]))
    data = model.SerializeToString()
    numbers = b"\x38\x01" * 2_000_000  # int64_data, one field a number
    tensor = b"\x2a" + varint(len(numbers)) + numbers
    piece = b"\x3a" + varint(len(tensor)) + tensor
    refused(data + piece, "found more than 1048576 fields")


def test_a_constant_of_100_mb_is_read_in_little_time() -> None:
    model = graph([node("Identity", "x")], {"large": np.zeros(25_000_000, np.float32)})
    with bounded():
        check_graph(model, "trunk")


def test_the_graphs_that_are_exported_are_accepted(tiny_bundle: Path) -> None:
    with bounded():
        check_graphs(read(tiny_bundle))


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def test_a_graph_that_does_not_load_or_run_is_refused_in_one_line(tmp_path: Path) -> None:
    unfit = graph([node("MatMul", "x kernel")])
    running = graph([node("Gather", "table many")])
    program = (
        "import sys; from pathlib import Path\n"
        "from cfedge.runtime.session import constants, open_session\n"
        "from cfedge.errors import CfedgeError\n"
        "for call in (lambda: open_session(Path(sys.argv[1]).read_bytes(), 'trunk'),\n"
        "             lambda: constants(Path(sys.argv[2]).read_bytes(), 'adapter')):\n"
        "    try:\n        call()\n    except CfedgeError as error:\n"
        "        print(error, file=sys.stderr)\n"
    )
    without = onnx.load_from_string(running)
    del without.graph.input[:]
    paths = [tmp_path / "unfit", tmp_path / "running"]
    for path, data in zip(paths, (unfit, without.SerializeToString()), strict=True):
        path.write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, paths)],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stderr.splitlines()
    assert len(lines) == 2, done.stderr
    assert "trunk: expected a graph that ONNX Runtime" in lines[0]
    assert "adapter: expected " in lines[1]
    assert "\x1b" not in done.stderr
