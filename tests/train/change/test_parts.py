"""A task is split in two without its data: each part answers as the whole did among its classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from every import every
from made import make_texts

from cfedge.errors import CfedgeError, TaskError
from cfedge.runtime.engine import Engine
from cfedge.train.change.parts import split
from cfedge.train.change.update import update
from cfedge.train.examples.examples import Examples
from cfedge.train.features.signature import exact_statistics
from cfedge.train.features.statistics import TaskStatistics
from cfedge.train.settings import Settings
from cfedge.train.teach import learn
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge_export.build_bundle import build

TEXTS = [text for text, _ in make_texts("colors", 8, 3)]


def test_each_part_scores_its_classes_as_the_whole_did(tiny_workspace: Path) -> None:
    workspace = WorkspaceFolder(tiny_workspace)
    whole = workspace.task("colors")
    before = Engine(build(workspace)).opened.class_scores(TEXTS, "colors")
    animals = workspace.task("animals").files(workspace.stored)
    stays, leaves = split(workspace, "colors", "sky", ["blue", "green"])
    assert (stays.record.classes, leaves.record.classes) == (("red",), ("blue", "green"))
    assert WorkspaceFolder(tiny_workspace).tasks == ("animals", "colors", "sky")
    assert workspace.task("animals").files(workspace.stored) == animals
    engine = Engine(build(WorkspaceFolder(tiny_workspace)))
    # quantised weights have a step for each row of the head, which another row does not move; the
    # temperature is the part's own, one factor for all scores, and what all classes of an input
    # have in common says nothing; what is in closed form is of fewer examples
    after = engine.opened.class_scores(TEXTS, "sky")
    apart, was = after[:, 0] - after[:, 1], before[:, 0] - before[:, 1]
    factor = float((apart * was).sum() / (was**2).sum())
    assert factor > 0
    np.testing.assert_allclose(apart, factor * was, atol=0.4)
    given = [one.label for one in engine.predict(TEXTS, task="sky")]
    assert given == [("blue", "green")[place] for place in after.argmax(axis=1)]
    counts = [len(part.held_out.inputs) for part in (stays, leaves)]
    assert sum(counts) == len(whole.held_out.inputs)
    assert stays.record.examples + leaves.record.examples == whole.record.examples
    # the curve counted held-out examples that a part has no more
    assert whole.record.curve_now == whole.record.curve != ()
    assert (stays.record.curve_now, leaves.record.curve_now) == ((), ())
    kept = whole.held_out.classes < 2
    same = whole.held_out.answers[kept] < 2
    turned = leaves.held_out.answers[same] != whole.held_out.answers[kept][same]
    assert turned.sum() <= 1 < same.sum()


def test_the_parts_can_be_updated(tiny_workspace: Path) -> None:
    workspace = WorkspaceFolder(tiny_workspace)
    split(workspace, "colors", "sky", ["blue", "green"])
    rows = [row for row in make_texts("colors", 6, 7) if row[1] != "red"]
    done = update(workspace, "sky", Examples(*zip(*rows, strict=True), "more"), max_drop=100)
    assert done.task.record.classes == ("blue", "green")
    assert done.right_now > 0.5 * done.old_held_out


def test_statistics_come_apart_by_class_and_keep_the_shared_covariance() -> None:
    rng = np.random.default_rng(0)
    classes = np.repeat([0, 1, 2], [40, 20, 60])
    one = rng.normal(size=(120, 6)).astype(np.float32)
    from cfedge.lookup import Features

    whole = TaskStatistics.of(Features(one, one[:, :4]), one, classes, 4)
    part = whole.taken([0, 2])
    own = exact_statistics(one[:, :4][classes != 1], np.repeat([0, 1], [40, 60]))
    assert part.tail.counts.tolist() == [40, 60]
    np.testing.assert_allclose(part.tail.means, own.means)
    for label in range(2):
        rows, expected = (
            each.factor[each.factor_classes == label].astype(np.float64)
            for each in (part.tail, own)
        )
        np.testing.assert_allclose(rows.T @ rows, expected.T @ expected, rtol=1e-5, atol=1e-5)
    shared, before = (
        each.adapted.factor.T @ each.adapted.factor / each.adapted.counts.sum()
        for each in (part, whole)
    )
    np.testing.assert_allclose(shared, before, rtol=1e-5, atol=1e-6)


def test_what_cannot_be_split_is_refused_and_nothing_changes(tiny_workspace: Path) -> None:
    workspace = WorkspaceFolder(tiny_workspace)
    rows = make_texts("food", 12, 0)
    soups = Examples(*zip(*[row for row in rows if row[1] == "soup"], strict=True), "held out")
    learn(workspace, "food", Examples(*zip(*rows, strict=True), "food"), soups, settings=Settings(method="closed-form"))  # fmt: skip
    before = {name: workspace.task(name).files(workspace.stored) for name in workspace.tasks}

    def refused(case: tuple[str, str, list[str], str]) -> None:
        name, new, labels, message = case
        with pytest.raises(TaskError, match=message) as caught:
            split(workspace, name, new, labels)
        assert isinstance(caught.value, CfedgeError)
        again = WorkspaceFolder(tiny_workspace)
        assert {one: again.task(one).files(again.stored) for one in again.tasks} == before

    every(
        [
            ("taken", ("colors", "animals", ["red"], "found 'animals'; choose another$")),
            ("malformed", ("colors", "Sky", ["red"], "expected lower-case letters")),
            ("absent", ("colours", "sky", ["red"], "expected one of animals, colors, food")),
            ("no such class", ("colors", "sky", ["mauve"], "found 'mauve'")),
            ("all", ("colors", "sky", ["red", "green", "blue"], "expected a class that stays")),
            ("none", ("colors", "sky", [], "expected at least 1 class, found none")),
            ("no evidence", ("food", "sweet", ["cake"], "nothing could be certified")),
        ],
        refused,
    )
