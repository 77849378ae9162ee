"""A workspace's report against what the workspace says by other ways: certificates, and its engine."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from made import make_texts

from cfedge.errors import WorkspaceError
from cfedge.report.contents import Contents, dumped
from cfedge.report.earlier import parsed
from cfedge.report.held_out import HeldOutAnswers
from cfedge.report.of_workspace import of_workspace
from cfedge.report.thresholds import RATES
from cfedge.runtime.engine import Engine
from cfedge.train.certify.certificates import certificates
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge_export.build_bundle import build


@pytest.fixture(scope="module")
def workspace(_tiny_workspace: Path) -> WorkspaceFolder:
    return WorkspaceFolder(_tiny_workspace)


@pytest.fixture(scope="module")
def report(_tiny_workspace: Path) -> Contents:
    return of_workspace(_tiny_workspace)


@pytest.fixture(scope="module")
def engine(workspace: WorkspaceFolder) -> Engine:
    return Engine(build(workspace))


def test_the_report_says_what_the_certificates_say(
    workspace: WorkspaceFolder, report: Contents
) -> None:
    wanted = certificates(workspace).tasks
    assert [task.name for task in report.tasks] == list(wanted)
    for task in report.tasks:
        one = wanted[task.name]
        assert task.certificate == one.certificate
        assert (task.threshold, task.false_reject_rate) == (one.threshold, one.false_reject_rate)
        assert (task.classes, task.examples, task.method) == (one.labels, one.examples, one.method)


def test_held_out_inputs_are_counted_as_their_certificates_count_them(
    workspace: WorkspaceFolder, report: Contents
) -> None:
    answers = HeldOutAnswers(workspace)
    assert report.confusion is not None
    for place, task in enumerate(report.tasks):
        found, truth = answers.answered(task.name), workspace.held_out(task.name).classes
        wrong = (found.task != place) | (found.label != truth)
        assert (found.task != place).sum() == task.certificate.errors
        assert wrong.sum() == task.certificate.wrong
        line = report.confusion.counts[report.confusion.tasks.index(task.name)]
        assert sum(line) - line[place] == task.certificate.errors
        own = next(table for table in report.confusion.classes if table.task == task.name)
        assert sum(map(sum, own.counts)) == task.certificate.held_out


def test_other_inputs_are_answered_as_the_engine_answers_them(
    workspace: WorkspaceFolder, engine: Engine
) -> None:
    texts = [text for task in ("colors", "animals") for text, _ in make_texts(task, 12, seed=9)]
    answers = HeldOutAnswers(workspace)
    found, names, same = answers.of(texts), workspace.tasks, 0
    for row, prediction in enumerate(engine.predict(texts, top=2)):
        task = names[found.task[row]]
        label = workspace.record(task).classes[found.label[row]]
        assert task == prediction.task
        same += label == prediction.label
        # Adapters travel in int8, which turns a label that is as likely as the next one.
        assert prediction.top is not None
        first, second = prediction.top
        assert label in {
            prediction.label,
            second.label if first.probability < 1.2 * second.probability else "",
        }
        if not prediction.early_exit:
            assert found.score[row] == pytest.approx(prediction.ood_score, rel=0.02, abs=0.5)
    assert same >= len(texts) - 1


def test_without_its_own_task_an_input_goes_to_another(workspace: WorkspaceFolder) -> None:
    answers = HeldOutAnswers(workspace)
    for place, name in enumerate(answers.tasks):
        found = answers.without_own(name, 5)
        assert 1 <= len(found.task) <= 5
        assert place not in found.task
        assert np.isfinite(found.score).all()
        others = answers.answered(name)
        # What is not its own task's is farther from it than what is.
        assert np.median(found.score) > np.median(others.score)


def test_unknown_inputs_that_are_given_are_answered_as_the_engine_answers_them(
    workspace: WorkspaceFolder, engine: Engine, tmp_path: Path
) -> None:
    texts = [text for text, _ in make_texts("food", 10, seed=5)]
    found = HeldOutAnswers(workspace).of(texts)
    predictions = engine.predict(texts)
    names = workspace.tasks
    assert [names[task] for task in found.task] == [one.task for one in predictions]
    report = of_workspace(workspace.folder, unknown=texts)
    assert report.thresholds is not None
    assert (report.thresholds.source, report.thresholds.unknown) == ("given", len(texts))
    caught = np.mean([one.unknown for one in predictions if not one.early_exit] or [0])
    share = report.thresholds.caught[RATES.index(0.05)]
    assert abs(share - caught) < 0.35


def test_the_report_is_the_same_each_time_and_reads_back(
    report: Contents, workspace: WorkspaceFolder
) -> None:
    assert of_workspace(workspace.folder) == report
    assert parsed(dumped(report), "report") == report


def test_one_task_alone_has_a_report_without_unknown_inputs(
    tiny_workspace: Path, report: Contents
) -> None:
    opened = WorkspaceFolder(tiny_workspace)
    opened.remove("colors")
    alone = of_workspace(tiny_workspace)
    assert alone.thresholds is not None
    assert (alone.thresholds.unknown, len(alone.tasks)) == (0, 1)
    assert dataclasses.replace(alone).clusters.faithfulness is not None


def test_a_workspace_without_tasks_has_none(tiny_workspace: Path) -> None:
    opened = WorkspaceFolder(tiny_workspace)
    for name in opened.tasks:
        opened.remove(name)
    with pytest.raises(WorkspaceError, match="expected a workspace with a task, found none in it"):
        of_workspace(tiny_workspace)
