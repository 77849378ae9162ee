"""One class is a task: the lookup alone decides, in the workshop, on a device, and without torch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from made import make_texts, write_csv

from cfedge.errors import TaskError, UsageError
from cfedge.runtime.engine import Engine
from cfedge.train.certify.certificates import certificates
from cfedge.train.examples.examples import Examples
from cfedge.train.settings import Settings
from cfedge.train.teach import learn
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge_export.build_bundle import build
from cfedge_export.merged import export_merged
from cfedge_export.pack import export

_BARRED = """
import sys
from cfedge.demo.device import Barrier
sys.meta_path.insert(0, Barrier())
from cfedge.cli import main
main(sys.argv[1:])
"""


def soup(count: int, seed: int = 0) -> Examples:
    rows = [row for row in make_texts("food", count, seed) if row[1] == "soup"]
    return Examples(*zip(*rows, strict=True), "soup")


def test_one_new_class_is_found_and_the_others_stay(tiny_workspace: Path, tmp_path: Path) -> None:
    workspace = WorkspaceFolder(tiny_workspace)
    before = {name: workspace.task(name).files(workspace.stored) for name in workspace.tasks}
    learned = learn(workspace, "soup", soup(20))
    assert learned.record.classes == ("soup",)
    assert learned.record.settings.method == "closed-form"
    assert {name: workspace.task(name).files(workspace.stored) for name in before} == before
    certified = certificates(workspace).tasks["soup"]
    assert certified.certificate.held_out == 4
    assert certified.certificate.tasks == 3
    export(workspace, tmp_path / "bundle")
    engine = Engine.open(tmp_path / "bundle")
    answers = engine.predict(soup(8, seed=3).inputs)
    assert np.mean([(one.task, one.label) == ("soup", "soup") for one in answers]) > 0.8
    # of 64, by a random encoder of 32 numbers; a third would be chance
    assert np.mean([one.task == "soup" for one in engine.predict(soup(64, seed=3).inputs)]) > 0.7
    odds = {task.name: task.calibration.odds for task in engine.manifest.tasks}["soup"]
    for one in answers:  # the label is certain, the task is not
        if one.task == "soup":
            assert one.probability == odds.of_task(one.stages, one.margin) < 1
    (given,) = engine.predict(["the tabby"], task="soup", top=2, coverage=0.5)
    assert (given.label, given.probability) == ("soup", 1.0)
    assert given.top == given.label_set
    assert len(given.top) == 1


def test_a_workspace_whose_only_task_has_one_class_answers(tiny_workspace: Path) -> None:
    workspace = WorkspaceFolder(tiny_workspace)
    for name in workspace.tasks:
        workspace.remove(name)
    learn(workspace, "soup", soup(20))
    engine = Engine(build(workspace))
    known, strange = (
        engine.predict(inputs)
        for inputs in (soup(8, seed=3).inputs, [text for text, _ in make_texts("animals", 8, 0)])
    )
    assert {one.task for one in known} == {"soup"}
    assert np.mean([one.unknown for one in strange]) > np.mean([one.unknown for one in known])


@pytest.mark.parametrize("count", [2, 3])
def test_a_handful_of_examples_is_enough(tiny_workspace: Path, count: int) -> None:
    workspace = WorkspaceFolder(tiny_workspace)
    learned = learn(workspace, "soup", soup(count))
    assert learned.record.examples == count - 1
    assert Engine(build(workspace)).predict(["broth"])[0].task in workspace.tasks


def test_what_a_task_of_one_class_cannot_have_is_refused(
    tiny_workspace: Path, tmp_path: Path
) -> None:
    workspace = WorkspaceFolder(tiny_workspace)
    with pytest.raises(UsageError, match="--train: expected a task of at least 2 classes, found 1"):
        learn(workspace, "soup", soup(20), settings=Settings(method="adapter"))
    assert workspace.tasks == ("animals", "colors")
    learn(workspace, "soup", soup(20))
    with pytest.raises(TaskError, match="'soup': expected at least 2 classes to score, found 1"):
        export_merged(workspace, "soup", tmp_path / "soup.onnx")


def test_one_class_is_added_where_torch_cannot_be_imported(
    tiny_workspace: Path, tmp_path: Path
) -> None:
    kept = soup(20)
    data = write_csv(tmp_path / "soup.csv", list(zip(kept.inputs, kept.labels, strict=True)))
    command = [sys.executable, "-c", _BARRED, "add", str(tiny_workspace), "soup", "--data", data]
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False)  # type: ignore[list-item]
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["labels"] == ["soup"]
