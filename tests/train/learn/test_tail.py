"""The torch tail against ONNX Runtime on the same graph, and its gradients against finite
differences.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import helper

from cfedge.errors import BackboneError
from cfedge.runtime.session import open_session
from cfedge.train.learn.tail import TorchTail
from cfedge.train.workspace.folder import WorkspaceFolder


def _inputs(
    workspace: WorkspaceFolder, batch: int, ab: int, dtype: type = np.float32
) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    feeds = {
        "hidden": rng.normal(size=(batch, 6, workspace.backbone.width)).astype(dtype),
        "attention_mask": np.ones((batch, 6), np.int64),
    }
    feeds["attention_mask"][-1, 4:] = 0
    for slot in workspace.backbone.slots:
        feeds[f"a.{slot.name}"] = rng.normal(size=(ab, slot.rows, 2)).astype(dtype) / 4
        feeds[f"b.{slot.name}"] = rng.normal(size=(ab, 2, slot.columns)).astype(dtype) / 4
    return feeds


@pytest.mark.parametrize("file", ["train_tail.onnx", "float_tail.onnx"])
@pytest.mark.parametrize("ab", [1, 3])
def test_torch_equals_onnx_runtime_with_padding_where_the_graph_takes_it(
    tiny_workspace: Path, file: str, ab: int
) -> None:
    workspace = WorkspaceFolder(tiny_workspace)
    model = workspace.backbone_file(file)
    feeds = _inputs(workspace, 3, ab)
    if file == "float_tail.onnx":
        del feeds["attention_mask"]
    expected = open_session(model, "tail").run(None, feeds)[0]
    tensors = {name: torch.from_numpy(array) for name, array in feeds.items()}
    hidden, mask = tensors.pop("hidden"), tensors.pop("attention_mask", None)
    found = TorchTail(onnx.load_from_string(model))(hidden, tensors, mask)
    np.testing.assert_allclose(found.numpy(), expected, atol=2e-6)


def test_gradients_reach_every_slot_and_equal_finite_differences(tiny_workspace: Path) -> None:
    workspace = WorkspaceFolder(tiny_workspace)
    tail = TorchTail(onnx.load_from_string(workspace.backbone_file("train_tail.onnx")))
    feeds = {name: torch.from_numpy(array) for name, array in _inputs(workspace, 2, 1).items()}
    hidden, mask = feeds.pop("hidden"), feeds.pop("attention_mask")
    slots = {name: value.requires_grad_() for name, value in feeds.items()}
    weight = torch.linspace(-1, 1, workspace.backbone.width)
    (tail(hidden, slots, mask) @ weight).sum().backward()
    for name, value in slots.items():
        assert value.grad is not None
        step = torch.zeros_like(value)
        step.view(-1)[0] = 1e-2
        with torch.no_grad():
            ahead = (tail(hidden, {**slots, name: value + step}, mask) @ weight).sum()
            behind = (tail(hidden, {**slots, name: value - step}, mask) @ weight).sum()
        assert float((ahead - behind) / 2e-2) == pytest.approx(
            float(value.grad.view(-1)[0]), rel=0.02, abs=2e-3
        )


def test_an_operator_that_cannot_be_trained_through_is_named(tiny_workspace: Path) -> None:
    model = onnx.load_from_string(WorkspaceFolder(tiny_workspace).backbone_file("float_tail.onnx"))
    model.graph.node.append(helper.make_node("TopK", ["hidden", "k"], ["v", "i"]))
    with pytest.raises(BackboneError, match="cannot train through TopK"):
        TorchTail(model)
