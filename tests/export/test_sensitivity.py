"""An encoder with one layer that quantising ruins, and the search that is to find it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import onnx
import pytest
from every import cases
from made import make_texts
from onnx import ModelProto, numpy_helper

from cfedge import Engine
from cfedge.device import this_board
from cfedge.errors import BackboneError, ParityError, UsageError
from cfedge.runtime.session import open_session
from cfedge.train.examples.examples import Examples
from cfedge.train.settings import Settings
from cfedge.train.teach import learn
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge_export import parity, parity_gate
from cfedge_export.architectures.text.bert import BERT
from cfedge_export.backbone_request import BackboneRequest
from cfedge_export.build_bundle import build
from cfedge_export.graph import layers
from cfedge_export.make_backbone import make_backbone, same_backbone
from cfedge_export.repair import repair
from cfedge_export.scheme_selection import measure, pick
from cfedge_export.schemes import SCHEMES
from cfedge_export.sensitivity import MIN_COSINE, STATED, Sensitivity, float_layers, search
from cfedge_export.source import Feeds, Source, load_source

TEXT_SCHEMES = [name for name in SCHEMES if name in BERT.schemes]
QUANTISED = [name for name in TEXT_SCHEMES if name != "float32"]
PARTS = ("qkv", "o", "fc1", "fc2")


def _ruin(source: Source, layer: str) -> Source:
    """Give the product's weight one row of huge numbers, and let what it multiplies be 0: float32
    does not see it, a scale by column does.
    """
    ruined = ModelProto()
    ruined.CopyFrom(source.encoder)
    arrays = {tensor.name: tensor for tensor in ruined.graph.initializer}
    product = next(node for node in ruined.graph.node if node.name == _layers(source)[layer])
    weight = numpy_helper.to_array(arrays[product.input[1]]).copy()
    weight[5] = 1000.0
    arrays[product.input[1]].CopyFrom(numpy_helper.from_array(weight, product.input[1]))
    norm = next(node for node in ruined.graph.node if product.input[0] in node.output)
    assert norm.op_type == "LayerNormalization"
    for name in norm.input[1:3]:
        array = numpy_helper.to_array(arrays[name]).copy()
        array[5] = 0.0
        arrays[name].CopyFrom(numpy_helper.from_array(array, name))
    return dataclasses.replace(source, encoder=ruined)


def _layers(source: Source) -> dict[str, str]:
    return layers(source.architecture, source.encoder)


@pytest.fixture(scope="module")
def sound(tiny_folder: Path) -> Source:
    return load_source("local", tiny_folder)


@pytest.fixture(scope="module")
def ruined(sound: Source) -> Source:
    return _ruin(sound, "l1.fc1")


def _feeds(source: Source) -> list[Feeds]:
    return source.feeds([text for text, _ in make_texts("colors", 8, 0)])


def _search(source: Source, scheme: str, at_least: float = MIN_COSINE) -> Sensitivity:
    return search(
        source.deployed(),
        _layers(source),
        SCHEMES[scheme].ship,
        _feeds(source),
        rng=np.random.default_rng(0),
        at_least=at_least,
    )


@pytest.mark.parametrize("scheme", QUANTISED)
def test_the_one_layer_that_hurts_is_found_and_nothing_else_is_left(
    ruined: Source, scheme: str
) -> None:
    found = _search(ruined, scheme)
    assert found.layers == ("l1.fc1",)
    assert max(found.damage, key=lambda name: found.damage[name]) == "l1.fc1"
    assert set(found.damage) == {
        "words",
        *(f"l{block}.{part}" for block in range(3) for part in PARTS),
    }
    assert found.mean_cosine_before < MIN_COSINE - 0.01 < MIN_COSINE <= found.mean_cosine
    assert (
        1.9 * 32 * 64 < found.extra_bytes < 3 * 32 * 64
    )  # three bytes a weight, less scales and nodes
    assert found.time_ratio > 0


def test_of_a_sound_encoder_nothing_is_left_until_more_is_asked_for(sound: Source) -> None:
    assert _search(sound, "int8-row").layers == ()
    assert _search(sound, "int8-row").extra_bytes == 0
    strict = _search(sound, "int8-row", at_least=1 - 1e-9)
    assert strict.mean_cosine == pytest.approx(1.0, abs=1e-6)
    order = sorted(strict.damage, key=lambda name: -strict.damage[name])
    assert set(strict.layers) == set(order[: len(strict.layers)])  # the worst ones
    assert list(strict.layers) == [
        name for name in _layers(sound) if name in strict.layers
    ]  # in the network's order


@pytest.mark.parametrize("scheme", QUANTISED)
@pytest.mark.parametrize("left", [("l1.fc1",), ("words", "l0.o", "l2.qkv")])
def test_a_workspaces_graphs_hold_what_was_left_in_float32_and_state_it(
    ruined: Source, tmp_path: Path, scheme: str, left: tuple[str, ...]
) -> None:
    made = make_backbone(
        tmp_path / "ws", "local", source=ruined, split=2, scheme=scheme, float_layers=left
    )
    shipped = [made.backbone_file(name) for name in ("trunk.onnx", "tail.onnx")]
    assert float_layers(*shipped) == left
    exact = {tensor.name: tensor.raw_data for tensor in ruined.encoder.graph.initializer}
    weights = {
        name: node.input[0 if name == "words" else 1] for name, node in _nodes(ruined).items()
    }
    stored = {
        tensor.name: tensor.raw_data
        for data in shipped
        for tensor in onnx.load_from_string(data).graph.initializer
    }
    assert {name for name, weight in weights.items() if stored.get(weight) == exact[weight]} == set(
        left
    )
    for data in shipped:  # as a device reads it, without the package onnx
        stated = open_session(data, "graph").get_modelmeta().custom_metadata_map.get(STATED, "")
        assert set(stated.split(",")) <= {*left, ""}
    trained = {
        tensor.name: tensor.raw_data
        for tensor in onnx.load_from_string(made.backbone_file("train_tail.onnx")).graph.initializer
    }
    for name, weight in weights.items():
        if name.startswith("l2"):
            assert (trained[weight] == exact[weight]) == (name in left)


def _nodes(source: Source) -> dict[str, onnx.NodeProto]:
    named = {node.name: node for node in source.encoder.graph.node}
    return {name: named[node] for name, node in _layers(source).items()}


def test_where_nothing_is_left_nothing_is_stated(tiny_workspace: Path) -> None:
    workspace = WorkspaceFolder(tiny_workspace)
    assert (
        float_layers(workspace.backbone_file("trunk.onnx"), workspace.backbone_file("tail.onnx"))
        == ()
    )


def test_a_layer_that_is_not_there_is_refused(sound: Source, tmp_path: Path) -> None:
    with pytest.raises(
        UsageError,
        match=r"layers left in float32: expected some of words, l0.qkv, .*, found 'l9.o'",
    ):
        make_backbone(
            tmp_path / "ws", "local", source=sound, split=2, float_layers=["l0.o", "l9.o"]
        )


def test_auto_leaves_the_layer_too_and_says_so(ruined: Source) -> None:
    measured = measure(ruined, _feeds(ruined), this_board(), rng=np.random.default_rng(0))
    found = {one.scheme: one for one in measured}
    assert found["float32"].float_layers == ()
    assert found["int8-weight-only"].float_layers == ("l1.fc1",)
    assert found["int8-weight-only"].mean_cosine >= MIN_COSINE
    assert found["int8-weight-only"].reason is None
    assert found["int8-dynamic"].float_layers == ()  # it would not be picked anyway
    others = [one for one in measured if one.scheme != "int8-weight-only"]
    only = [dataclasses.replace(one, reason="is not tried here") for one in others]
    choice = pick([*only, found["int8-weight-only"]])
    assert choice.float_layers == ("l1.fc1",)
    assert "with l1.fc1 left in float32" in choice.why


def test_float32_may_be_picked_however_much_is_asked_for(sound: Source) -> None:
    measured = measure(
        sound, _feeds(sound), this_board(), rng=np.random.default_rng(0), at_least=2.0
    )
    assert [one.scheme for one in measured if one.reason is None] == ["float32"]


@cases("at_least", [0.0, 1.0, -0.5, 1.5, float("nan"), float("inf")])
def test_a_cosine_that_cannot_be_asked_for_is_refused(at_least: float) -> None:
    with pytest.raises(UsageError, match="sensitivity: expected a mean cosine above 0 and below 1"):
        BackboneRequest(sensitivity=at_least)


def test_another_workshop_comes_to_the_same_backbone_only_with_the_same_layers(
    ruined: Source, tmp_path: Path
) -> None:
    like = make_backbone(
        tmp_path / "one", "local", source=ruined, split=2, float_layers=["l1.fc1"]
    ).backbone
    again = same_backbone(tmp_path / "two", ruined, like, float_layers=["l1.fc1"])
    assert again.backbone == like
    with pytest.raises(BackboneError, match=r"expected digest .* found"):
        same_backbone(tmp_path / "three", ruined, like)


@pytest.fixture(scope="module")
def refused(ruined: Source, tmp_path_factory: pytest.TempPathFactory) -> WorkspaceFolder:
    """A workspace whose task misses the gate: learned on the float backbone, brought to the ruined
    one.
    """
    root = tmp_path_factory.mktemp("refused")
    exact = make_backbone(
        root / "float", "local", source=ruined, split=2, target_modules=PARTS, scheme="float32"
    )
    rows = [
        Examples(*zip(*make_texts("colors", count, seed=seed), strict=True), "made")
        for count, seed in ((24, 0), (160, 1))
    ]
    learn(exact, "colors", *rows, settings=Settings(rank=2, epochs=1, min_steps=80, threads=1))
    made = make_backbone(root / "int8", "local", source=ruined, split=2, target_modules=PARTS)
    task = exact.task("colors")
    made.put(
        dataclasses.replace(
            task, record=dataclasses.replace(task.record, base=made.backbone.digest)
        )
    )
    return made


def test_a_refused_workspace_is_repaired_by_leaving_just_that_layer(
    refused: WorkspaceFolder, ruined: Source, tmp_path: Path
) -> None:
    with pytest.raises(ParityError, match=r"cfedge init NEW --repair WS"):
        parity_gate.check(parity.compare(refused, Engine(build(refused))))
    planned = repair(refused, ruined)
    assert planned.choice.float_layers == ("l1.fc1",)
    assert (planned.choice.scheme, planned.split) == ("int8-row", 2)
    made = make_backbone(
        tmp_path / "new",
        "local",
        source=ruined,
        split=2,
        target_modules=PARTS,
        float_layers=planned.choice.float_layers,
    )
    task = refused.task("colors")
    made.put(
        dataclasses.replace(
            task, record=dataclasses.replace(task.record, base=made.backbone.digest)
        )
    )
    parity_gate.check(parity.compare(made, Engine(build(made))))


def test_what_need_not_or_cannot_be_repaired_is_refused(
    refused: WorkspaceFolder, sound: Source, ruined: Source, tiny_workspace: Path, tmp_path: Path
) -> None:
    with pytest.raises(
        UsageError,
        match=r"--repair: expected tasks that the parity gate refuses, found that those of .* pass",
    ):
        repair(WorkspaceFolder(tiny_workspace), sound)
    with pytest.raises(
        UsageError, match="or give the limits that refused them"
    ):  # it is the gate that decides, not the cosine
        repair(refused, ruined, gate=parity_gate.Gate(max_drop=100, max_error_ratio=1e9))
    with pytest.raises(UsageError, match=r"--repair: expected the weights .*, found 000"):
        repair(refused, dataclasses.replace(ruined, sha256="0" * 64))
    with pytest.raises(UsageError, match="--repair: expected a workspace with tasks, found none"):
        repair(make_backbone(tmp_path / "none", "local", source=sound, split=2), sound)
