"""Tasks and labels are renamed, and classes removed, without data."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from every import cases
from made import make_texts

from cfedge.errors import TaskError
from cfedge.runtime.engine import Engine
from cfedge.train.change.edit import lost_by, remove_class, rename, rename_label
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge_export.build_bundle import build

TEXTS = [text for text, _ in make_texts("colors", 8, 3)]


def test_a_renamed_task_answers_as_before(tiny_workspace: Path) -> None:
    workspace = WorkspaceFolder(tiny_workspace)
    before = Engine(build(workspace)).predict(TEXTS)
    rename(workspace, "colors", "paint")
    assert WorkspaceFolder(tiny_workspace).tasks == ("animals", "paint")
    after = Engine(build(workspace)).predict(TEXTS)
    called = {"colors": "paint", "animals": "animals"}
    assert [(called[a.task], a.label, a.score) for a in before] == [(b.task, b.label, b.score) for b in after]  # fmt: skip


def test_a_renamed_label_keeps_its_place(tiny_workspace: Path) -> None:
    workspace = WorkspaceFolder(tiny_workspace)
    rename_label(workspace, "colors", "green", "verdant")
    assert workspace.record("colors").classes == ("blue", "verdant", "red")
    found = {one.label for one in Engine(build(workspace)).predict(TEXTS, task="colors")}
    assert found == {"blue", "verdant", "red"}
    task = workspace.task("animals")
    label = task.record.classes[0]
    said = dataclasses.replace(task.record, same_labels={label: "red"})
    workspace.put(dataclasses.replace(task, record=said), replace=True)
    rename_label(workspace, "colors", "red", "crimson")
    assert workspace.record("colors").same_labels == {"crimson": "red"}
    rename_label(workspace, "animals", label, "beast")
    assert workspace.record("animals").same_labels == {"beast": "red"}
    assert workspace.meanings().same("colors", "crimson", "animals", "beast")


def test_a_removed_class_is_never_answered_and_the_rest_stays(tiny_workspace: Path) -> None:
    workspace = WorkspaceFolder(tiny_workspace)
    before = Engine(build(workspace)).opened.class_scores(TEXTS, "colors")
    remove_class(workspace, "colors", "green")
    task = workspace.task("colors")
    assert task.record.classes == ("blue", "red")
    owners = task.signature.trunk.factor_classes
    assert owners.tolist() == sorted(owners)
    assert set(owners) <= set(range(len(task.signature.trunk.counts)))
    assert task.held_out.classes.max() == 1
    assert set(task.held_out.answers) <= {0, 1}
    assert task.record.examples == task.statistics.tail.counts.sum()
    engine = Engine(build(WorkspaceFolder(tiny_workspace)))
    after = engine.opened.class_scores(TEXTS, "colors") @ [1, -1]
    rest = before[:, 0] - before[:, 2]
    temperature = float((rest * rest).sum() / (rest * after).sum())
    # one temperature is chosen anew for the classes that stay; the int8 steps of the head differ,
    # and what is in closed form, which is of fewer examples
    np.testing.assert_allclose(after * temperature, rest, atol=0.4)
    assert temperature == pytest.approx(1, abs=0.3)
    assert "green" not in {one.label for one in engine.predict(TEXTS)}
    remove_class(workspace, "colors", "blue")
    assert Engine(build(workspace)).predict(["ruby"])[0].task in workspace.tasks
    with pytest.raises(TaskError, match="expected another class beside 'red', found none"):
        remove_class(workspace, "colors", "red")


@cases(
    ("change", "message"),
    [
        (lambda ws: rename(ws, "colors", "animals"), "expected one that no task has"),
        (lambda ws: rename(ws, "colors", "Paint"), "expected lower-case letters"),
        (lambda ws: rename(ws, "food", "paint"), "expected one of animals, colors, found 'food'"),
        (lambda ws: rename_label(ws, "colors", "mauve", "x"), "found 'mauve'"),
        (lambda ws: rename_label(ws, "colors", "red", "blue"), "found 'blue'"),
        (lambda ws: rename_label(ws, "colors", "red", "x" * 201), "at most 200 characters"),
        (
            lambda ws: rename_label(ws, "colors", "red", "  "),
            "labels of printable characters, found ''",
        ),
        (lambda ws: rename_label(ws, "colors", "red", "\u3164"), "labels of printable characters"),
        (lambda ws: rename_label(ws, "colors", "red", " blue "), "found 'blue'"),
        (lambda ws: remove_class(ws, "colors", "mauve"), "found 'mauve'"),
    ],
)
def test_what_cannot_be_changed_is_named_and_nothing_is(
    tiny_workspace: Path, change: object, message: str
) -> None:
    workspace = WorkspaceFolder(tiny_workspace)
    before = {name: workspace.task(name).files(workspace.stored) for name in workspace.tasks}
    with pytest.raises(TaskError, match=message):
        change(workspace)  # type: ignore[operator]
    again = WorkspaceFolder(tiny_workspace)
    assert {name: again.task(name).files(again.stored) for name in again.tasks} == before


def test_what_would_be_lost_is_named(tiny_workspace: Path) -> None:
    workspace = WorkspaceFolder(tiny_workspace)
    record = workspace.record("colors")
    whole = record.examples + len(workspace.held_out("colors").inputs)
    each = dict.fromkeys(record.classes, whole)
    assert lost_by(workspace, "colors", each) is None
    assert lost_by(workspace, "colors", {"red": 2, "blue": 2}) == (
        f"1 of its classes ('green') and what {whole - 4} of its {whole} examples taught"
    )
