"""One task as one plain ONNX file, opened with ONNX Runtime alone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from made import make_texts
from tokenizers import Tokenizer

from cfedge import Engine
from cfedge.bundle.files import read
from cfedge.errors import ParityError, StorageError, TaskError
from cfedge.runtime.adapter import Adapter
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge_export import merged
from cfedge_export.architectures.text.bert import BERT
from cfedge_export.build_bundle import build
from cfedge_export.make_backbone import make_backbone
from cfedge_export.merged import TOLERANCE, export_merged
from cfedge_export.merged_graph import merge
from cfedge_export.parity_gate import Gate
from cfedge_export.schemes import SCHEMES
from cfedge_export.source import load_source

TEXT_SCHEMES = [name for name in SCHEMES if name in BERT.schemes]


def _scores(path: Path, tokenizer: bytes, texts: list[str]) -> np.ndarray:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert [one.name for one in session.get_inputs()] == ["input_ids"]
    assert [one.name for one in session.get_outputs()] == ["scores"]
    encode = Tokenizer.from_str(tokenizer.decode()).encode
    return np.concatenate(
        [session.run(None, {"input_ids": np.array([encode(text).ids])})[0] for text in texts]
    )


def test_a_file_scores_as_the_engine_does(tiny_workspace: Path, tmp_path: Path) -> None:
    workspace = WorkspaceFolder(tiny_workspace)
    done = export_merged(workspace, "colors", tmp_path / "colors.onnx")
    texts = [text for text, _ in make_texts("colors", 12, seed=6)]
    expected = Engine(build(workspace)).opened.class_scores(texts, "colors")
    found = _scores(tmp_path / "colors.onnx", workspace.backbone_file("tokenizer.json"), texts)
    np.testing.assert_allclose(found, expected, atol=TOLERANCE)
    assert done.difference <= TOLERANCE
    model = onnx.load(tmp_path / "colors.onnx")
    stated = {entry.key: entry.value for entry in model.metadata_props}
    assert (
        json.loads(stated["cfedge.labels"])
        == list(done.labels)
        == list(workspace.record("colors").classes)
    )
    assert stated["cfedge.task"] == "colors"
    assert done.size_bytes == (tmp_path / "colors.onnx").stat().st_size


def test_where_the_trunks_part_is_sure_a_file_scores_by_it_alone_as_the_engine_does(
    tiny_workspace: Path, tmp_path: Path
) -> None:
    workspace = WorkspaceFolder(tiny_workspace)
    task = workspace.task("colors")
    trunk = Adapter.from_arrays(task.adapter).trunk(task.held_out.features.trunk)
    ordered = np.sort(trunk, axis=1)
    middle = np.sort(ordered[:, -1] - ordered[:, -2])[len(trunk) // 2 - 1 :][
        :2
    ].mean()  # clear of every example
    workspace.put(
        replace(task, adapter={**task.adapter, "exit.margin": np.array([middle], np.float32)}),
        replace=True,
    )
    done = export_merged(workspace, "colors", tmp_path / "colors.onnx")
    texts = list(task.held_out.inputs)
    expected = Engine(build(workspace)).opened.class_scores(texts, "colors")
    found = _scores(tmp_path / "colors.onnx", workspace.backbone_file("tokenizer.json"), texts)
    np.testing.assert_allclose(found, expected, atol=TOLERANCE)
    np.testing.assert_allclose(
        (np.abs(found - trunk).max(axis=1) < 0.05).mean(), 0.5, atol=0.1
    )  # but for int8
    assert done.difference <= TOLERANCE


def test_rows_of_one_length_may_share_a_run(tiny_workspace: Path, tmp_path: Path) -> None:
    export_merged(WorkspaceFolder(tiny_workspace), "colors", tmp_path / "colors.onnx")
    session = onnxruntime.InferenceSession(
        tmp_path / "colors.onnx", providers=["CPUExecutionProvider"]
    )
    ids = np.random.default_rng(0).integers(4, 30, (5, 6))
    together = session.run(None, {"input_ids": ids})[0]
    alone = np.concatenate([session.run(None, {"input_ids": row[None]})[0] for row in ids])
    np.testing.assert_allclose(together, alone, atol=1e-5)


@pytest.mark.parametrize("scheme", TEXT_SCHEMES)
def test_every_scheme_merges(tiny_folder: Path, tmp_path: Path, scheme: str) -> None:
    from cfedge.train.examples.examples import Examples
    from cfedge.train.settings import Settings
    from cfedge.train.teach import learn

    workspace = make_backbone(
        tmp_path / "ws", "local", source=_source(tiny_folder), split=1, scheme=scheme
    )
    rows = make_texts("food", 8, seed=0)
    learn(
        workspace,
        "food",
        Examples(*zip(*rows, strict=True), "made"),
        settings=Settings(rank=2, epochs=1, min_steps=30, threads=1),
    )
    assert (
        export_merged(workspace, "food", tmp_path / "food.onnx", gate=Gate(100, 100)).difference
        <= TOLERANCE
    )


_SOURCES: dict[Path, object] = {}


def _source(folder: Path) -> object:
    if folder not in _SOURCES:
        _SOURCES[folder] = load_source("local", folder)
    return _SOURCES[folder]


def test_a_graph_that_scores_otherwise_is_refused_and_not_written(
    tiny_workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(*given: object) -> onnx.ModelProto:
        model = merge(*given)  # type: ignore[arg-type]
        bias = next(tensor for tensor in model.graph.initializer if tensor.name == "trunk.bias")
        bias.CopyFrom(
            onnx.numpy_helper.from_array(
                onnx.numpy_helper.to_array(bias) + np.float32([0.01, 0, 0]), "trunk.bias"
            )
        )
        return model

    monkeypatch.setattr(merged, "merge", wrong)
    with pytest.raises(
        ParityError,
        match=(
            r"task 'colors': expected the merged graph to score within 0.0001 of the engine, found"
            r" 0.01"
        ),
    ):
        export_merged(WorkspaceFolder(tiny_workspace), "colors", tmp_path / "colors.onnx")
    assert not (tmp_path / "colors.onnx").exists()
    # float32 rounds large scores by more: those of 2,663 of somebody's encoder differed by 0.00049
    assert merged._limit(np.float32([[3.0, -2663.0]])) > 0.001
    assert merged._limit(np.float32([[3.0, -99.0]])) == TOLERANCE


def test_what_is_there_is_kept_unless_replace_is_said_and_a_folder_always(
    tiny_workspace: Path, tmp_path: Path
) -> None:
    workspace, file = WorkspaceFolder(tiny_workspace), tmp_path / "colors.onnx"
    file.write_bytes(b"mine")
    with pytest.raises(StorageError, match="expected a new name for the file"):
        export_merged(workspace, "colors", file)
    assert file.read_bytes() == b"mine"
    export_merged(workspace, "colors", file, replace=True)
    onnx.checker.check_model(onnx.load(file))
    with pytest.raises(StorageError, match="expected a new name for the file"):
        export_merged(workspace, "colors", tmp_path, replace=True)


def test_a_task_that_is_not_there_is_refused_by_name(tiny_workspace: Path, tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="expected one of animals, colors, found 'nope'"):
        export_merged(WorkspaceFolder(tiny_workspace), "nope", tmp_path / "nope.onnx")


def test_the_bundle_and_the_file_agree_on_the_backbone(
    tiny_workspace: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    export_merged(WorkspaceFolder(tiny_workspace), "colors", tmp_path / "colors.onnx")
    stated = {
        entry.key: entry.value for entry in onnx.load(tmp_path / "colors.onnx").metadata_props
    }
    assert stated["cfedge.base"] == read(tiny_bundle).manifest.backbone.digest
