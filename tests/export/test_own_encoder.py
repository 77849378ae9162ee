"""An encoder of one's own: what is taken answers as its file does, and what is not is refused by name,
with nothing written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from every import cases
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from cfedge import Engine
from cfedge.bundle.files import read
from cfedge.bundle.graph import check_graphs
from cfedge.errors import BackboneError, DataError, InputError, UsageError
from cfedge.inputs.array.spec import Array
from cfedge.study.compare import compare
from cfedge.study.options import Options
from cfedge.study.stream import Splits
from cfedge.train.examples.examples import Examples, LabelledData
from cfedge.train.settings import Settings
from cfedge.train.teach import learn, learn_tasks
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge_export.architectures.own_graph import graph_of
from cfedge_export.backbone_request import BackboneRequest
from cfedge_export.make_backbone import make_backbone
from cfedge_export.new_workspace import new_workspace
from cfedge_export.pack import export

RNG = np.random.default_rng(7)
WEIGHTS = {
    "w": RNG.normal(size=(6, 5, 3)).astype(np.float32),  # a convolution: 5 channels to 6
    "c": RNG.normal(size=6).astype(np.float32),
    "m": RNG.normal(size=(40, 8)).astype(np.float32),
    "axis": np.array([2], np.int64),
    "first": np.array([0], np.int64),
    "eight": np.array([8, 40], np.int64),
    "flat": np.array([-1, 40], np.int64),
    "least": np.array(1e-6, np.float32),
}


def _graph(
    nodes: Sequence[NodeProto],
    *,
    shape: Sequence[int | str | None] = ("n", 5, 8),
    dtype: int = TensorProto.FLOAT,
    outputs: Sequence[str] = ("features",),
    inputs: Sequence[str] = ("signal",),
    out_dtype: int = TensorProto.FLOAT,
    opset: int = 18,
) -> ModelProto:
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        list(nodes),
        "own",
        [helper.make_tensor_value_info(name, dtype, shape) for name in inputs],
        [helper.make_tensor_value_info(name, out_dtype, ["n", "d"]) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in WEIGHTS.items() if name in used],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def _node(op: str, inputs: str, output: str, **attributes: object) -> NodeProto:
    return helper.make_node(op, inputs.split(), [output], **attributes)


def _conv(tail: Sequence[NodeProto] = (), last: str = "features") -> list[NodeProto]:
    """[n, 5, 8] -> the means of six channels, [n, 6]."""
    return [
        _node("Conv", "signal w c", "maps"),
        _node("Relu", "maps", "hot"),
        _node("ReduceMean", "hot axis", last, keepdims=0),
        *tail,
    ]


PLAIN = _graph(_conv())
#: The same with the maps over time as a second view, [n, 6, 6].
WITH_HIDDEN = _graph(
    [*_conv(), _node("Transpose", "hot", "hidden", perm=[0, 2, 1])], outputs=("features", "hidden")
)


def _written(model: ModelProto, folder: Path) -> Path:
    path = folder / "encoder.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def _signals(count: int, seed: int) -> Examples:
    """Three kinds of signals, each with a channel of its own."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(0, 0.3, (count, 5, 8)).astype(np.float32)
    kinds = np.arange(count) % 3
    rows[np.arange(count), kinds] += 2
    return Examples(tuple(rows), tuple(f"kind {kind}" for kind in kinds), "made", kind="array")


def _of_old(model: ModelProto) -> ModelProto:
    """As exporters wrote it before initializers were told from inputs."""
    old = ModelProto()
    old.CopyFrom(model)
    old.ir_version = 3
    for one in old.graph.initializer:
        value = helper.make_tensor_value_info(one.name, one.data_type, one.dims)
        old.graph.input.append(value)
    return old


@pytest.mark.parametrize("model", [PLAIN, WITH_HIDDEN], ids=["features", "features and hidden"])
def test_trunk_and_tail_give_the_directions_of_what_the_file_gives(
    model: ModelProto, tmp_path: Path
) -> None:
    workspace = make_backbone(tmp_path / "ws", "onnx", folder=_written(model, tmp_path))
    assert workspace.backbone.input == Array("array", "float32", (5, 8))
    assert (workspace.backbone.scheme, workspace.backbone.slots) == ("as-given", ())
    rows = list(_signals(9, 0).inputs)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    outputs = dict(
        zip(
            [value.name for value in model.graph.output],
            session.run(None, {"signal": np.stack(rows)}),
            strict=True,
        )
    )
    second = outputs["hidden"].mean(axis=1) if "hidden" in outputs else outputs["features"]
    graph_of(_of_old(model), {name: value.shape[1:] for name, value in outputs.items()})
    encoder = workspace.encoder()
    found = encoder.features(encoder(rows))
    for ours, theirs in ((found.trunk, outputs["features"]), (found.tail, second)):
        expected = theirs / np.linalg.norm(theirs, axis=1, keepdims=True)
        np.testing.assert_allclose(ours, expected, atol=1e-6)
    assert workspace.backbone.frozen_views == ("hidden" not in outputs)
    behind = encoder.tail(encoder(rows).hidden, [{}] * len(rows))  # which is run for hidden alone
    assert np.array_equal(found.tail, behind)
    alone = np.concatenate([encoder.features(encoder([row])).tail for row in rows])
    assert np.array_equal(alone, found.tail)


def test_tasks_are_taught_exported_and_answered_in_closed_form(tmp_path: Path) -> None:
    workspace = make_backbone(tmp_path / "ws", "onnx", folder=_written(WITH_HIDDEN, tmp_path))
    task = learn(workspace, "kinds", _signals(90, 0))
    assert task.record.settings.method == "closed-form"
    with pytest.raises(
        UsageError, match="expected a backbone with slots for adapters, found 'onnx'"
    ):
        learn(workspace, "other", _signals(90, 0), settings=Settings(method="adapter"))
    other = {"other": LabelledData(_signals(90, 0))}
    with pytest.raises(UsageError, match="expected a backbone with slots for adapters"):
        learn_tasks(workspace, other, settings=Settings(reuse=True))
    export(workspace, tmp_path / "bundle")
    check_graphs(read(tmp_path / "bundle"))
    engine, test = Engine.open(tmp_path / "bundle"), _signals(60, 1)
    answers = engine.predict(np.stack(test.inputs))
    right = [one.label == label for one, label in zip(answers, test.labels, strict=True)]
    assert np.mean(right) > 0.9
    assert len(WorkspaceFolder(tmp_path / "ws").held_out("kinds").inputs) == 18


def test_an_input_that_the_encoder_fails_on_is_named_and_the_others_are_answered(
    tmp_path: Path,
) -> None:
    ids = [
        _node("Gather", "m ids", "rows"),
        _node("ReduceMean", "rows axis", "features", keepdims=0),
    ]
    model = _graph(ids, dtype=TensorProto.INT64, shape=("n", 6), inputs=("ids",))
    workspace = make_backbone(tmp_path / "ws", "onnx", folder=_written(model, tmp_path))
    rng = np.random.default_rng(0)
    rows = [row % 2 * 20 + rng.integers(0, 20, 6) for row in range(40)]
    labels = tuple(f"kind {row % 2}" for row in range(40))
    learn(workspace, "kinds", Examples(tuple(rows), labels, "made", kind="array"))
    export(workspace, tmp_path / "bundle")
    engine, odd = Engine.open(tmp_path / "bundle"), np.full(6, 500)
    said = "expected an array that the encoder takes, found one that it fails on: .*; give other"
    for several, place in (([odd], 0), ([*rows[:5], odd, *rows[5:9]], 5)):
        with pytest.raises(InputError, match=f"^input {place}: {said}"):
            engine.predict(several)
    with pytest.raises(DataError, match=rf"^example 4\d, an array \[6\]: {said}"):
        learn(workspace, "other", Examples((*rows, odd), (*labels, "kind 0"), "made", kind="array"), Examples(tuple(rows), labels, "held", kind="array"))  # fmt: skip


def test_an_array_whose_features_overflow_is_named_before_anything_is_learned(
    tmp_path: Path,
) -> None:
    workspace = make_backbone(tmp_path / "ws", "onnx", folder=_written(PLAIN, tmp_path))
    good, huge = _signals(30, 0), np.full((5, 8), 3e38, np.float32)
    data = Examples((*good.inputs, huge), (*good.labels, "kind 0"), "made", kind="array")
    with pytest.raises(
        DataError, match=r"^features of example 31, an array \[5, 8\]: expected finite .*; leave"
    ):
        learn(workspace, "kinds", data, good)
    assert not list((tmp_path / "ws" / "tasks").iterdir())


def test_methods_are_compared_on_arrays_too_but_for_what_trains_adapters(tmp_path: Path) -> None:
    base = make_backbone(tmp_path / "ws", "onnx", folder=_written(PLAIN, tmp_path))
    stream = {name: Splits(*map(_signals, (30, 15, 15), seeds)) for name, seeds in (("a", (0, 1, 2)), ("b", (3, 4, 5)))}  # fmt: skip
    study = compare(base, stream, Options(("cfedge", "lda+heads"), orders=1))
    assert set(study.runs) >= {"cfedge", "lda+heads"}
    with pytest.raises(
        UsageError, match="--joint, --sequential, --reuse: expected a backbone with"
    ):
        compare(base, stream, Options(("cfedge",), orders=1, joint=True))


@cases(
    "dtype, element",
    [
        ("float64", TensorProto.DOUBLE),
        ("int8", TensorProto.INT8),
        ("int16", TensorProto.INT16),
        ("int32", TensorProto.INT32),
        ("int64", TensorProto.INT64),
        ("uint8", TensorProto.UINT8),
    ],
)
def test_arrays_of_each_dtype_are_taken_as_they_are(
    dtype: str, element: int, tmp_path: Path
) -> None:
    cast = _node("Cast", "raw", "signal", to=TensorProto.FLOAT)
    model = _graph([cast, *_conv()], dtype=element, inputs=("raw",))
    workspace = make_backbone(tmp_path / dtype, "onnx", folder=_written(model, tmp_path))
    assert workspace.backbone.input == Array("array", dtype, (5, 8))  # type: ignore[arg-type]
    row = np.ones((5, 8), dtype)
    assert np.isfinite(workspace.encoder()([row]).features[0]).all()


def _loop() -> ModelProto:
    model = _graph(_conv())
    body = helper.make_graph([], "body", [], [])
    model.graph.node.append(
        helper.make_node("If", ["signal"], ["odd"], then_branch=body, else_branch=body)
    )
    return model


def _function() -> ModelProto:
    model = _graph(
        [*_conv(last="mean"), helper.make_node("Twice", ["mean"], ["features"], domain="own")]
    )
    model.opset_import.append(helper.make_opsetid("own", 1))
    twice = helper.make_function(
        "own", "Twice", ["x"], ["y"], [_node("Add", "x x", "y")], [helper.make_opsetid("", 18)]
    )
    model.functions.append(twice)
    return model


def _elsewhere() -> ModelProto:
    model = _graph(_conv())
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../secret.bin")
    return model


#: What is refused: how it is made, and a part of what is said.
ODD: dict[str, tuple[Callable[[], ModelProto], str]] = {
    "a loop": (_loop, "a subgraph, as loops and branches have"),
    "a function": (_function, "functions of its own"),
    "external data": (_elsewhere, "external data; export it with external_data=False, or"),
    "an operator that devices refuse": (
        lambda: _graph([*_conv(last="mean"), _node("NonZero", "mean", "features")]),
        "the operator 'NonZero'",
    ),
    "an operator of another domain": (
        lambda: _graph([helper.make_node("Run", ["signal"], ["features"], domain="own")]),
        "the operator 'own.Run'",
    ),
    "random features": (
        lambda: _graph([_node("RandomNormalLike", "signal", "features")]),
        "the operator 'RandomNormalLike'",
    ),
    "two inputs": (
        lambda: _graph([_node("Add", "signal other", "features")], inputs=("signal", "other")),
        "expected one input, found signal, other",
    ),
    "another output": (
        lambda: _graph(_conv(last="logits"), outputs=("logits",)),
        "expected the output features, and at most hidden beside it, found logits",
    ),
    "an output too many": (
        lambda: _graph(_conv(), outputs=("features", "maps")),
        "found features, maps; name them so when you export",
    ),
    "a batch of one": (
        lambda: _graph(_conv(), shape=(1, 5, 8)),
        "expected an input whose first axis is the batch, of any size, found [1, 5, 8]",
    ),
    "no axis at all": (lambda: _graph(_conv(), shape=()), "of any size, found []"),
    "an axis of any size": (
        lambda: _graph(_conv(), shape=("n", 5, "time")),
        "expected an input [batch, ...] of 1 to 7 sizes > 0 behind the batch",
    ),
    "the batch alone": (
        lambda: _graph([_node("Identity", "signal", "features")], shape=("n",)),
        "expected an input [batch, ...] of 1 to 7 sizes > 0 behind the batch",
    ),
    "half precision": (
        lambda: _graph([_node("Identity", "signal", "features")], dtype=TensorProto.FLOAT16),
        "found float16; cast it inside the graph",
    ),
    "features in float64": (
        lambda: _graph(
            [*_conv(last="mean"), _node("Cast", "mean", "features", to=TensorProto.DOUBLE)],
            out_dtype=TensorProto.DOUBLE,
        ),
        "expected features in float32, found double",
    ),
    "features over time": (
        lambda: _graph([*_conv()[:2], _node("Identity", "hot", "features")]),
        "expected features [B, D] for B = 8 arrays, found [8, 6, 6]",
    ),
    "hidden maps": (
        lambda: _graph(
            [*_conv(), _node("Unsqueeze", "hot axis", "hidden")], outputs=("features", "hidden")
        ),
        "expected hidden [B, D] or [B, S, D] for B = 8 arrays, found [8, 6, 1, 6]",
    ),
    "NaN for silence": (
        lambda: _graph([*_conv(last="mean"), _node("Log", "mean", "features")]),
        "expected finite features, found NaN or infinity for",
    ),
    "statistics over the batch": (
        lambda: _graph(
            [
                *_conv(last="mean"),
                _node("ReduceMean", "mean first", "over", keepdims=1),
                _node("Sub", "mean over", "features"),
            ]
        ),
        "expected an array's features to be the same alone and beside others",
    ),
    "a batch axis that lies": (
        lambda: _graph(
            [_node("Reshape", "signal eight", "rows"), _node("MatMul", "rows m", "features")]
        ),
        "for 1 arrays of noise",
    ),
    "rows that are dropped": (
        lambda: _graph([*_conv(last="mean"), _node("ReduceMax", "mean first", "features")]),
        "expected features [B, D] for B = 8 arrays, found [1, 6]",
    ),
    "operators of the future": (
        lambda: _graph(_conv(), opset=99),
        "loads, found: ONNX Runtime only *guarantees* support",
    ),
    "features of nothing": (
        lambda: _graph(
            [
                *_conv(last="mean"),
                _node("Sub", "mean mean", "nothing"),
                _node("Add", "nothing c", "features"),
            ]
        ),
        "expected features that tell arrays apart",
    ),
}


@cases("name", ODD)
def test_a_file_that_cannot_serve_is_refused_by_name(name: str, tmp_path: Path) -> None:
    make, said = ODD[name]
    path = _written(make(), tmp_path)
    with pytest.raises(BackboneError) as refusal:
        make_backbone(tmp_path / "ws", "onnx", folder=path)
    message = str(refusal.value)
    assert said in message, message
    assert "\n" not in message
    assert ";" in message  # and what to do
    assert not (tmp_path / "ws").exists()


@cases(
    "data, said",
    [
        (b"", "found"),
        (b"<html>not found</html>", "found"),
        (b"\x00" * 4096, "found"),
        (b"\0\0\0\0ORTM", "ONNX Runtime's own file format"),
        (b"\x1c\0\0\0TFL3" + bytes(99), "a TensorFlow Lite model; export it to ONNX"),
        (b"\x80\x02\x8a" + bytes(99), "a pickle of Python or an older PyTorch file"),
        (b"\x09" + bytes(7) + b'{"a": {}}', "weights without a graph (safetensors)"),
        (b"GGUF\x03" + bytes(99), "a GGUF model"),
        (PLAIN.SerializeToString()[:-40], "found"),
    ],
)
def test_a_file_that_is_no_onnx_is_refused(data: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "encoder.onnx"
    path.write_bytes(data)
    with pytest.raises(BackboneError) as refusal:
        make_backbone(tmp_path / "ws", "onnx", folder=path)
    assert str(path) in str(refusal.value)
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match=r"none\.onnx"):
        make_backbone(tmp_path / "ws", "onnx", folder=tmp_path / "none.onnx")


@cases(
    "choices, said",
    [
        ({"backbone": "onnx"}, "expected an ONNX file with --backbone onnx, found no --model"),
        ({"model": Path("a.onnx")}, "found --backbone minilm-l6; name both"),
        ({"backbone": "onnx", "model": Path("a.onnx"), "kind": "text"}, "--input: expected array"),
        ({"backbone": "lite0", "kind": "array"}, "--input: expected image"),
        (
            {"backbone": "onnx", "model": Path("a.onnx"), "folder": Path("b")},
            "--model: expected no --folder with it",
        ),
        (
            {"backbone": "onnx", "model": Path("a.onnx"), "target_modules": ("qkv",)},
            "--model: expected no --target-modules with it",
        ),
    ],
)
def test_what_is_asked_for_must_agree(choices: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        BackboneRequest(**choices)  # type: ignore[arg-type]


def test_a_second_workshop_makes_the_very_same_backbone(tmp_path: Path) -> None:
    path = _written(PLAIN, tmp_path)
    workspace = make_backbone(tmp_path / "ws", "onnx", folder=path)
    learn(workspace, "kinds", _signals(60, 0))
    export(workspace, tmp_path / "bundle")
    request = BackboneRequest(backbone="onnx", model=path, same_backbone=tmp_path / "bundle")
    made = new_workspace(tmp_path / "other", request, inputs={})
    assert made.workspace.backbone.digest == workspace.backbone.digest
    another = BackboneRequest(same_backbone=tmp_path / "bundle")
    with pytest.raises(
        UsageError, match=r"--backbone: expected onnx, which .*, found minilm-l6; le"
    ):
        new_workspace(tmp_path / "third", another, inputs={})
    measured = BackboneRequest(backbone="onnx", model=path, scheme="auto")
    with pytest.raises(UsageError, match="expected inputs of kind array to measure on, found none"):
        new_workspace(tmp_path / "third", measured, inputs={"text": lambda: ["it is dark"]})
