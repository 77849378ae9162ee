"""Pictures from the first to the last: a tiny network of random weights, two tasks of colours."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from families import FAMILIES
from onnx import ModelProto

from cfedge import Engine
from cfedge.bundle.arrays import load_arrays, load_note
from cfedge.bundle.files import read
from cfedge.bundle.graph import check_graphs
from cfedge.runtime.golden import check_golden
from cfedge.train.certify.certificates import certificates
from cfedge.train.change.update import update
from cfedge.train.examples.examples import Examples
from cfedge.train.settings import Settings
from cfedge.train.teach import learn
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge_export import parity
from cfedge_export.architectures import ARCHITECTURES
from cfedge_export.build_bundle import build
from cfedge_export.calibration import measure_ranges, state_ranges
from cfedge_export.make_backbone import make_backbone
from cfedge_export.merged import TOLERANCE, export_merged
from cfedge_export.pack import export
from cfedge_export.parity_gate import TORCH_COSINE, Gate
from cfedge_export.source import Source

COLOURS = {
    "warm": {"red": (220, 30, 30), "orange": (230, 140, 20)},
    "cold": {"blue": (30, 40, 210), "green": (20, 180, 60)},
}


def _frames(task: str, count: int, seed: int) -> Examples:
    rng = np.random.default_rng(seed)
    frames, labels = [], []
    for label, colour in COLOURS[task].items():
        for _ in range(count):
            noise = rng.normal(0, 12, (48, 40, 3))
            frames.append(np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8))
            labels.append(label)
    return Examples(tuple(frames), tuple(labels), "made", kind="image")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> WorkspaceFolder:
    """One task by a closed form, one with an adapter."""
    root = tmp_path_factory.mktemp("pictures")
    family, made = ARCHITECTURES["efficientnet-lite"], FAMILIES["efficientnet-lite"]
    made.make(root)
    encoder: ModelProto = family.to_onnx(root, made.spec)
    ranges = measure_ranges(encoder, [made.feeds(np.random.default_rng(0), 16)])
    state_ranges(encoder, ranges)
    source = Source("lite0", "0" * 64, "efficientnet-lite", encoder, made.spec, {})
    opened = make_backbone(root / "ws", "lite0", source=source, split=11)
    settings = Settings(rank=2, epochs=1, min_steps=300, batch=8, threads=1)
    for task, method in (("warm", "closed-form"), ("cold", "adapter")):
        chosen = Settings(**{**vars(settings), "method": method})
        learn(opened, task, _frames(task, 20, seed=0), None, settings=chosen)
    return opened


def test_a_bundle_of_pictures_answers_frames_alone_and_together(
    workspace: WorkspaceFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tail is run for the task that has an adapter, and for nothing else."""
    done = export(workspace, tmp_path / "bundle", gate=Gate(100, 100))
    backbone = done.bundle.manifest.backbone
    assert (backbone.scheme, backbone.hidden[0]) == ("int8-static", 16)
    assert sum(backbone.views) == 2 * (12 + 16 + 24 + 20)
    assert (backbone.frozen_views, backbone.width) == (4, 2 * (24 + 20))
    check_graphs(read(tmp_path / "bundle"))
    assert done.bundle.manifest.margins.third == 0
    for task in done.bundle.manifest.tasks:  # the tail's features are among the trunk's
        stored = load_arrays(done.bundle[task.signature], task.name)
        assert {name.partition(".")[0] for name in stored} == {"trunk"}
        assert stored["trunk.diagonal"].shape == (sum(backbone.views),)
    engine = Engine.open(tmp_path / "bundle")
    right, runs, tail = [], [], engine.opened.encoder.tail
    monkeypatch.setattr(
        engine.opened.encoder, "tail", lambda *rows: runs.append(rows) or tail(*rows)
    )
    for task in COLOURS:
        test = _frames(task, 8, seed=1)
        runs.clear()
        assert not all(one.early_exit for one in engine.predict(list(test.inputs), task=task))
        assert bool(runs) == (workspace.record(task).settings.method == "adapter")
        answers = engine.predict(list(test.inputs))
        right += [
            answer.task == task and answer.label == label
            for answer, label in zip(answers, test.labels, strict=True)
        ]
        alone = engine.predict([test.inputs[0]])[0]
        assert (alone.task, alone.label) == (answers[0].task, answers[0].label)
    assert np.mean(right) > 0.8


def test_torch_onnx_runtime_and_one_plain_graph_see_the_same_features_of_pictures(
    workspace: WorkspaceFolder, tmp_path: Path
) -> None:
    """Torch runs the tail also where the trunk's views are its features; the graph does not."""
    for task in parity.compare(workspace, Engine(build(workspace))):
        assert task.cosine_torch_onnx > TORCH_COSINE
    for name, adapted in (("warm", False), ("cold", True)):
        path = tmp_path / f"{name}.onnx"
        made = export_merged(workspace, name, path, gate=Gate(100, 1e9))
        assert made.difference <= TOLERANCE
        nodes = [node.name for node in onnx.load(path).graph.node]
        assert any(node.startswith("tail.l") for node in nodes) == adapted


def test_on_pictures_an_adapter_has_to_prove_itself_and_add_says_what_it_gained(
    workspace: WorkspaceFolder, tmp_path: Path
) -> None:
    other = WorkspaceFolder(shutil.copytree(workspace.folder, tmp_path / "ws"))
    settings = Settings(rank=2, epochs=1, min_steps=20, batch=8, threads=1)
    tried = learn(other, "shades", _frames("warm", 20, seed=2), None, settings=settings).record
    assert tried.trial is not None
    assert tried.trial.examples == 6  # a fifth of the 32 that are not held out
    kept = "adapter" if tried.trial.adapter_pays else "closed-form"
    assert tried.settings.method == kept
    assert other.record("shades").trial == tried.trial
    assert certificates(other).tasks["shades"].record()["trial"]["examples"] == 6
    assert workspace.record("cold").trial is None  # which was asked for


def test_a_class_of_one_new_picture_is_learned_from_by_an_update(
    workspace: WorkspaceFolder, tmp_path: Path
) -> None:
    other = WorkspaceFolder(shutil.copytree(workspace.folder, tmp_path / "ws"))
    new = _frames("warm", 6, seed=3)
    first_red = new.take(
        [row for row, label in enumerate(new.labels) if row == 0 or label != "red"]
    )
    updated = update(other, "warm", first_red, max_drop=100)
    assert updated.examples == 1 + 5  # a fifth of six is held out
    assert other.record("warm").examples == workspace.record("warm").examples + 6


def test_where_pictures_must_not_travel_golden_ones_are_made_up(
    workspace: WorkspaceFolder, tmp_path: Path
) -> None:
    done = export(workspace, tmp_path / "bundle", gate=Gate(100, 1e9), synthetic_golden=True)
    engine = Engine.open(tmp_path / "bundle")
    check_golden(engine, done.bundle)
    kept = engine.modality
    for task in done.bundle.manifest.tasks:
        data = done.bundle[task.golden]
        arrays = {k: v for k, v in load_arrays(data, "golden").items() if k.startswith("input.")}
        inputs = kept.load(arrays, load_note(data)["inputs"], "golden")
        assert [one.shape for one in inputs] == 4 * [(32, 32, 3)]
        held_out = {one.tobytes() for one in workspace.held_out(task.name).inputs}
        assert not held_out & {one.tobytes() for one in inputs}
    again = build(workspace, synthetic_golden=True)
    assert [task.golden for task in again.manifest.tasks] == [
        task.golden for task in done.bundle.manifest.tasks
    ]
