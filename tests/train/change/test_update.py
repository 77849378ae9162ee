"""More examples and new classes for a task whose old data are gone."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from made import make_texts

from cfedge.errors import DataError, TaskError, UsageError
from cfedge.lookup import Features, Slices
from cfedge.runtime.engine import Engine
from cfedge.train.change.joining import join
from cfedge.train.change.update import update
from cfedge.train.examples.examples import Examples
from cfedge.train.features.signature import compressed, exact_statistics, learn_signature
from cfedge.train.features.statistics import TaskStatistics
from cfedge.train.features.sums import added
from cfedge.train.settings import Settings
from cfedge.train.teach import learn
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge_export.build_bundle import build

CLOSED = Settings(method="closed-form")
QUICK = Settings(method="adapter", rank=2, epochs=1, min_steps=30, threads=1)


def rows_of(task: str, count: int, seed: int, *labels: str) -> Examples:
    rows = [row for row in make_texts(task, count, seed) if not labels or row[1] in labels]
    return Examples(*zip(*rows, strict=True), task)


def drawn(count: int, seed: int) -> tuple[Features, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    classes = np.arange(count) % 3
    trunk = rng.normal(size=(count, 12)) + np.eye(12)[classes]
    tail = rng.normal(size=(count, 4)) + np.eye(4)[classes]
    return Features(trunk.astype(np.float32), tail.astype(np.float32)), tail[:, ::-1].astype(np.float32), classes  # fmt: skip


def scatter(one: object) -> np.ndarray:
    return one.factor.T @ one.factor  # type: ignore[attr-defined]


def test_two_parts_added_are_the_whole() -> None:
    features, _, classes = drawn(90, 0)
    for width in (40, 60):  # fewer rows than the other, and more than there are columns
        one, more = (
            exact_statistics(features.trunk[part], classes[part])
            for part in (slice(None, width), slice(width, None))
        )
        whole, joint = exact_statistics(features.trunk, classes), added(one, more, [0, 1, 2])
        assert joint.counts.tolist() == whole.counts.tolist()
        np.testing.assert_allclose(joint.means, whole.means, atol=1e-12)
        np.testing.assert_allclose(scatter(joint), scatter(whole), rtol=1e-9, atol=1e-9)


def test_the_classes_own_scatters_add_up_too() -> None:
    features, _, classes = drawn(90, 1)
    one, more = (
        exact_statistics(features.tail[part], classes[part])
        for part in (slice(None, 40), slice(40, None))
    )
    whole, joint = exact_statistics(features.tail, classes), added(one, more, [0, 1, 2])
    for label in range(3):
        own, both = (
            each.factor[each.factor_classes == label].astype(np.float64) for each in (whole, joint)
        )
        assert len(both) <= 4
        np.testing.assert_allclose(both.T @ both, own.T @ own, rtol=1e-9, atol=1e-9)


def test_they_are_read_as_they_were_written_and_give_the_signature_that_examples_give() -> None:
    features, adapted, classes = drawn(90, 2)
    one = TaskStatistics.of(features, adapted, classes, 4)
    direct, through = learn_signature(features, classes, 2), one.signature(2)
    for name, array in direct.arrays().items():
        np.testing.assert_array_equal(through.arrays()[name], array)
    sizes = np.array([30.0, *[1.0] * 2999], np.float32)
    uneven = Features(np.tile(features.trunk, 250) * sizes, features.tail)
    slices = Slices(2, 4, 4)
    wide = TaskStatistics.of(uneven, adapted, classes, 3000, slices=slices)
    assert TaskStatistics.parsed(wide.dumped(), "here").slices == slices
    of_all = wide.signature(2)
    for name, array in learn_signature(uneven, classes, 2, 3000, slices).arrays().items():
        np.testing.assert_array_equal(of_all.arrays()[name], array)
    off, plain = (
        np.square(found.means - wide.near.means).sum()
        for found in (of_all.trunk, compressed(wide.near, 2))
    )
    assert off < 0.9 * plain  # the largest number of each mean is cut off
    read = TaskStatistics.parsed(one.dumped(), "here")
    assert read.slices is None
    for space in ("trunk", "near", "tail", "adapted"):
        np.testing.assert_array_equal(getattr(read, space).means, getattr(one, space).means)
        np.testing.assert_allclose(
            scatter(getattr(read, space)), scatter(getattr(one, space)), rtol=1e-4, atol=1e-4
        )
    assert read.dumped() == TaskStatistics.parsed(read.dumped(), "here").dumped()


def test_new_classes_have_places_of_their_own_and_known_ones_keep_theirs() -> None:
    features, adapted, classes = drawn(90, 3)
    old = classes < 2
    one = TaskStatistics.of(*[Features(*(x[old] for x in features)), adapted[old], classes[old]], 4)
    more = TaskStatistics.of(features, adapted, classes, 4)
    joint = one.with_more(more, [0, 1, 2])
    assert joint.tail.counts.tolist() == [60, 60, 30]
    assert set(joint.taken([1, 2]).near.factor_classes.tolist()) == {0, 1}
    assert len(joint.taken([1, 2]).tail.factor) < len(joint.tail.factor)
    assert joint.taken([1, 2]).adapted.counts.tolist() == [60, 30]


@pytest.mark.parametrize("settings", [CLOSED, QUICK], ids=["closed form", "adapter"])
def test_more_examples_are_added_when_the_old_ones_are_gone(
    tiny_workspace: Path, settings: Settings
) -> None:
    workspace = WorkspaceFolder(tiny_workspace)
    first = learn(workspace, "food", rows_of("food", 12, 0), settings=settings)
    others = {name: workspace.task(name).files(workspace.stored) for name in ("animals", "colors")}
    task = update(workspace, "food", rows_of("food", 12, 7)).task
    assert task.record.examples == 2 * first.record.examples
    assert task.record.updates == 1
    assert len(task.held_out.inputs) == 2 * len(first.held_out.inputs)
    assert task.statistics.tail.counts.sum() == task.record.examples
    assert {name: workspace.task(name).files(workspace.stored) for name in others} == others
    engine = Engine(build(WorkspaceFolder(tiny_workspace)))
    test = rows_of("food", 10, 3)
    answers = engine.predict(test.inputs, task="food")
    assert np.mean([a.label == label for a, label in zip(answers, test.labels, strict=True)]) > 0.8


@pytest.mark.parametrize("settings", [CLOSED, QUICK], ids=["closed form", "adapter"])
def test_a_new_class_is_added_when_the_old_ones_are_gone(
    tiny_workspace: Path, settings: Settings
) -> None:
    workspace = WorkspaceFolder(tiny_workspace)
    workspace.remove("colors")
    learn(workspace, "paint", rows_of("colors", 40, 0, "red", "green"), settings=settings)
    task = update(workspace, "paint", rows_of("colors", 40, 1, "blue")).task
    assert task.record.classes == ("green", "red", "blue")
    at_once = learn(workspace, "atonce", _both(), settings=CLOSED)
    test = rows_of("colors", 10, 3)
    engine, found = Engine(build(WorkspaceFolder(tiny_workspace))), {}
    for name in ("paint", at_once.record.name):
        answers = engine.predict(test.inputs, task=name)
        pairs = zip(answers, test.labels, strict=True)
        found[name] = np.mean([answer.label == label for answer, label in pairs])
    assert found["paint"] >= found["atonce"] - 0.1


def _both() -> Examples:
    """What the two parts of the test above hold together."""
    parts = rows_of("colors", 40, 0, "red", "green"), rows_of("colors", 40, 1, "blue")
    return Examples(
        tuple(text for part in parts for text in part.inputs),
        tuple(label for part in parts for label in part.labels),
        "colors",
    )


def test_a_task_of_one_class_grows(tiny_workspace: Path) -> None:
    workspace = WorkspaceFolder(tiny_workspace)
    learn(workspace, "food", rows_of("food", 12, 0, "soup"))
    assert update(workspace, "food", rows_of("food", 4, 1, "soup")).task.record.classes == ("soup",)
    task = update(workspace, "food", rows_of("food", 12, 2, "cake")).task
    assert task.record.classes == ("soup", "cake")
    assert (task.held_out.answers == task.held_out.classes).mean() > 0.7


def test_one_example_of_a_known_class_is_learned_and_of_a_new_one_refused(
    tiny_workspace: Path,
) -> None:
    workspace = WorkspaceFolder(tiny_workspace)
    first = learn(workspace, "food", rows_of("food", 12, 0), settings=CLOSED)
    task = update(workspace, "food", Examples(("a broth",), ("soup",), "new")).task
    assert task.record.examples == first.record.examples + 1
    assert task.held_out.inputs == first.held_out.inputs
    kept = workspace.task("food").files(workspace.stored)
    with pytest.raises(DataError, match="at least 2 different texts of label 'pie'"):
        update(workspace, "food", Examples(("a slice",), ("pie",), "new"))
    assert workspace.task("food").files(workspace.stored) == kept


def test_a_version_that_is_worse_is_not_taken(tiny_workspace: Path) -> None:
    workspace = WorkspaceFolder(tiny_workspace)
    first = learn(workspace, "food", rows_of("food", 40, 0), settings=CLOSED)
    right = (first.held_out.answers == first.held_out.classes).sum()
    kept = workspace.task("food").files(workspace.stored)
    turned = {"soup": "cake", "cake": "soup"}
    wrong = rows_of("food", 120, 1)
    wrong = Examples(wrong.inputs, tuple(turned[label] for label in wrong.labels), "new")
    with pytest.raises(
        TaskError, match=rf"found {right} of 16 right before and .* the old version stays"
    ):
        update(workspace, "food", wrong)
    assert workspace.task("food").files(workspace.stored) == kept
    for odd in (-1.0, float("nan"), float("inf")):  # nothing is more than not a number
        with pytest.raises(UsageError, match="max_drop: expected 0 to 100 points, found"):
            update(workspace, "food", wrong, max_drop=odd)
        with pytest.raises(UsageError, match="max_drop: expected 0 to 100 points, found"):
            join(workspace, "food", "colors", "all", max_drop=odd)
    update(workspace, "food", wrong, max_drop=100)
    with pytest.raises(TaskError, match="expected one of animals, colors, food"):
        update(workspace, "drink", wrong)


def test_a_held_out_text_that_comes_again_with_another_label_stays_evidence_and_is_told(
    tiny_workspace: Path,
) -> None:
    workspace = WorkspaceFolder(tiny_workspace)
    first = learn(workspace, "food", rows_of("food", 40, 0), settings=CLOSED)
    turned = {"soup": "cake", "cake": "soup"}
    text, place = first.held_out.inputs[3], int(first.held_out.classes[3])
    more = rows_of("food", 40, 1)
    more = Examples(
        (*more.inputs, text.upper()), (*more.labels, turned[first.record.classes[place]]), "new"
    )
    updated = update(workspace, "food", more)
    held, labels = updated.task.held_out, updated.task.record.classes
    assert held.inputs[: len(first.held_out.inputs)] == first.held_out.inputs
    assert labels[held.classes[3]] == first.record.classes[place]
    assert updated.contradicted == (
        (text, first.record.classes[place], turned[first.record.classes[place]]),
    )
    assert updated.old_held_out == len(first.held_out.inputs)
    assert updated.right_before == (first.held_out.answers == first.held_out.classes).sum()
    assert updated.task.record.reading.conflicting == first.record.reading.conflicting + 1
    assert updated.task.record.repeated == first.record.repeated


def test_new_labels_for_what_a_task_answers_wrongly_do_not_make_it_look_better(
    tiny_workspace: Path,
) -> None:
    workspace = WorkspaceFolder(tiny_workspace)
    rows = rows_of("food", 40, 0)
    turned = {"soup": "cake", "cake": "soup"}
    noisy = tuple(turned[label] if row % 5 == 0 else label for row, label in enumerate(rows.labels))
    first = learn(workspace, "food", dataclasses.replace(rows, labels=noisy), settings=CLOSED)
    wrong = np.flatnonzero(first.held_out.answers != first.held_out.classes)
    assert 2 <= len(wrong) < len(first.held_out.inputs) / 2
    labels = tuple(first.record.classes[place] for place in first.held_out.answers[wrong])
    told = Examples(tuple(first.held_out.inputs[row] for row in wrong), labels, "new")
    updated = update(workspace, "food", told, rows_of("food", 4, 2))
    held = updated.task.held_out
    assert len(updated.contradicted) == len(wrong)
    assert (held.answers[wrong] != held.classes[wrong]).sum() >= len(wrong) - 1


def test_what_the_task_had_before_is_neither_learned_nor_held_out_again(
    tiny_workspace: Path,
) -> None:
    workspace = WorkspaceFolder(tiny_workspace)
    old, new = rows_of("food", 12, 0), rows_of("food", 12, 7)
    first = learn(workspace, "food", old, settings=CLOSED)
    kept = workspace.task("food").files(workspace.stored)
    shouted = Examples(tuple(text.upper() for text in old.inputs), old.labels, "food")
    for again in (old, shouted):
        with pytest.raises(DataError, match="has all 24 of them; give new ones"):
            update(workspace, "food", again)
    assert workspace.task("food").files(workspace.stored) == kept
    fresh = [row for row, text in enumerate(new.inputs) if text not in old.inputs]
    grown = update(workspace, "food", old.joined(new.take(fresh)), old)
    assert grown.again == 48  # of what is learned from, and of what is held out
    assert grown.task.record.examples == first.record.examples + len(fresh)
    assert grown.task.held_out.inputs == first.held_out.inputs
    with pytest.raises(DataError, match="has all"):
        update(workspace, "food", new.take(fresh))
    whole = update(workspace, "food", rows_of("food", 12, 9)).task.statistics
    assert len(whole.known.digests) == whole.tail.counts.sum()
    assert len(whole.taken([1]).known.digests) == whole.tail.counts[1]


def test_an_update_that_leaves_a_new_class_without_evidence_or_contradicts_most_is_refused(
    tiny_workspace: Path,
) -> None:
    workspace = WorkspaceFolder(tiny_workspace)
    first = learn(workspace, "food", rows_of("food", 12, 0), settings=CLOSED)
    kept = workspace.task("food").files(workspace.stored)
    soups = first.held_out.classes == first.record.classes.index("soup")
    bare = Examples(("a slice", "a crust"), ("pie", "pie"), "new")
    judged = first.held_out.inputs
    turned = tuple("cake" if soup else "soup" for soup in soups)
    with pytest.raises(DataError, match=rf"found that {len(judged)} of its {len(judged)} held-out"):
        update(
            workspace, "food", Examples(judged, turned, "new"), rows_of("food", 4, 2), max_drop=100
        )
    with pytest.raises(DataError, match="found none of 'pie', so that nothing could be"):
        update(workspace, "food", bare, rows_of("food", 4, 2, "cake"), max_drop=100)
    assert workspace.task("food").files(workspace.stored) == kept
