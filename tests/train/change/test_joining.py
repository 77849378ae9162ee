"""Two tasks become one without their data, if the one answers as well."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from every import every
from made import make_texts

from cfedge.errors import TaskError
from cfedge.runtime.engine import Engine
from cfedge.train.change.edit import rename_label
from cfedge.train.change.joining import join
from cfedge.train.change.parts import split
from cfedge.train.examples.examples import Examples
from cfedge.train.settings import Settings
from cfedge.train.teach import learn
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge_export.build_bundle import build

CLOSED = Settings(method="closed-form")


def of(task: str, count: int, seed: int, *labels: str) -> Examples:
    rows = [row for row in make_texts(task, count, seed) if not labels or row[1] in labels]
    return Examples(*zip(*rows, strict=True), task)


def test_the_joined_task_is_what_learning_all_at_once_gives(tiny_workspace: Path) -> None:
    workspace = WorkspaceFolder(tiny_workspace)
    workspace.remove("colors")
    one, two = of("colors", 40, 0, "red", "green"), of("colors", 40, 0, "blue")
    held = [of("colors", 10, 5, *labels) for labels in (("red", "green"), ("blue",))]
    learn(workspace, "warm", one, held[0], settings=CLOSED)
    learn(workspace, "cold", two, held[1], settings=CLOSED)
    done = join(workspace, "warm", "cold", "paint", max_drop=100)
    assert WorkspaceFolder(tiny_workspace).tasks == ("animals", "paint")
    assert done.task.record.classes == ("green", "red", "blue")
    both = [Examples((*a.inputs, *b.inputs), (*a.labels, *b.labels), "all") for a, b in ((one, two), held)]  # fmt: skip
    whole = learn(workspace, "whole", *both, settings=CLOSED)
    turn = [whole.record.classes.index(label) for label in done.task.record.classes]
    for space in ("tail", "near"):
        joined, at_once = (getattr(task.statistics, space) for task in (done.task, whole))
        np.testing.assert_array_equal(joined.counts, at_once.counts[turn])
        np.testing.assert_allclose(joined.means, at_once.means[turn], atol=1e-6)
    test = of("colors", 10, 3)
    engine, right = Engine(build(WorkspaceFolder(tiny_workspace))), {}
    for name in ("paint", "whole"):
        pairs = zip(engine.predict(test.inputs, task=name), test.labels, strict=True)
        right[name] = np.mean([answer.label == label for answer, label in pairs])
    assert right["paint"] == pytest.approx(right["whole"], abs=0.05)


def test_a_label_of_both_that_means_the_same_becomes_one_class(tiny_workspace: Path) -> None:
    workspace = WorkspaceFolder(tiny_workspace)
    rename_label(workspace, "animals", "cat", "red")
    with pytest.raises(TaskError, match="'red' in both; say --same-label red"):
        join(workspace, "colors", "animals", "all", max_drop=100)
    done = join(workspace, "colors", "animals", "colors", same_labels=["red"], max_drop=100)
    assert done.task.record.classes == ("blue", "green", "red", "bird", "dog")
    counts = done.task.statistics.tail.counts
    assert counts.sum() == done.task.record.examples
    assert counts[2] > counts[0]
    assert WorkspaceFolder(tiny_workspace).tasks == ("colors",)


def test_what_was_split_can_be_joined_again(tiny_workspace: Path) -> None:
    workspace = WorkspaceFolder(tiny_workspace)
    whole = workspace.task("colors")
    split(workspace, "colors", "sky", ["blue"])
    done = join(workspace, "sky", "colors", "colors", max_drop=100)
    assert sorted(done.task.record.classes) == sorted(whole.record.classes)
    assert done.task.record.examples == whole.record.examples
    assert sorted(done.task.held_out.inputs) == sorted(whole.held_out.inputs)


def test_a_join_that_answers_worse_leaves_both_tasks(tiny_workspace: Path) -> None:
    """What is yes of plain colours is no of coloured kittens: no one linear head says both."""
    workspace = WorkspaceFolder(tiny_workspace)
    turned = {"red": ("yes", "no"), "green": ("no", "yes")}
    plain = of("colors", 60, 9, "red", "green")
    kittens = tuple(f"kitten {text} tabby kitten purr" for text in plain.inputs)
    for place, (name, texts) in enumerate((("plain", plain.inputs), ("kittens", kittens))):
        labels = tuple(turned[label][place] for label in plain.labels)
        learn(workspace, name, Examples(texts, labels, name), settings=CLOSED)
    before = {name: workspace.task(name).files(workspace.stored) for name in workspace.tasks}
    with pytest.raises(TaskError, match="both tasks stay: allow more with --max-drop"):
        join(workspace, "plain", "kittens", "plain", same_labels=["yes", "no"])
    again = WorkspaceFolder(tiny_workspace)
    assert {name: again.task(name).files(again.stored) for name in again.tasks} == before
    done = join(workspace, "plain", "kittens", "plain", same_labels=["yes", "no"], max_drop=100)
    assert done.right_now < done.right_before


def test_what_cannot_be_joined_is_refused(tiny_workspace: Path) -> None:
    workspace = WorkspaceFolder(tiny_workspace)
    learn(workspace, "food", of("food", 12, 0), settings=CLOSED)

    def refused(case: tuple[str, str, str, list[str], str]) -> None:
        one, two, new, same, message = case
        with pytest.raises(TaskError, match=message):
            join(workspace, one, two, new, same_labels=same)
        assert WorkspaceFolder(tiny_workspace).tasks == ("animals", "colors", "food")

    every(
        [
            ("itself", ("colors", "colors", "x", [], "expected two tasks to join")),
            ("absent", ("colors", "paint", "x", [], "expected one of animals, colors, food")),
            ("taken", ("colors", "animals", "food", [], "expected one that no task has")),
            ("malformed", ("colors", "animals", "X", [], "expected lower-case letters")),
            ("no such label", ("colors", "animals", "x", ["red"], "that both tasks have")),
        ],
        refused,
    )
