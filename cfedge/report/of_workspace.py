"""A workspace -> what its report says. Needs what teaching by the closed form needs (``cfedge[add]``)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cfedge.device import probe
from cfedge.errors import WorkspaceError
from cfedge.inputs.modality import Input
from cfedge.lookup.rules import RULES
from cfedge.progress import Progress, Quiet
from cfedge.report import contents
from cfedge.report.clusters import cluster_map
from cfedge.report.confusion import Row, confusion, rows_of
from cfedge.report.held_out import Answered, HeldOutAnswers
from cfedge.report.of_bundle import backbone_of
from cfedge.report.sureness import sureness
from cfedge.report.thresholds import thresholds
from cfedge.train.measures.certificate import Certified
from cfedge.train.workspace.folder import WorkspaceFolder

__all__ = ["of_workspace"]

#: Held-out inputs of all tasks together that are held back from their own task: each is encoded
#: twice.
_HELD_BACK = 600


def of_workspace(
    folder: Path, *, unknown: Sequence[Input] = (), progress: Progress | None = None
) -> contents.Contents:
    """Return what a workspace's report says.

    Parameters
    ----------
    folder
        Of a workspace with at least one task.
    unknown
        Inputs of no task. Without any, each task's own are held back from it.

    Raises
    ------
    WorkspaceError
        It has no task.
    """
    workspace = WorkspaceFolder(folder)
    if not workspace.tasks:
        raise WorkspaceError(
            f"{folder}: expected a workspace with a task, found none in it; add one with: cfedge add"
        )
    with (progress or Quiet()).track("writing the report", 4) as advance:
        answers = HeldOutAnswers(workspace)
        advance(1)
        known = {name: answers.answered(name) for name in answers.tasks}
        advance(1)
        strange = _unknown(answers, unknown)
        advance(1)
        found = _contents(workspace, answers, known, strange, given=bool(unknown))
        advance(1)
    return found


def _unknown(answers: HeldOutAnswers, given: Sequence[Input]) -> Answered | None:
    """Answer inputs of no task: those given, or each task's own without it."""
    if given:
        return answers.of(given)
    if len(answers.tasks) < 2:
        return None
    most = max(5, _HELD_BACK // len(answers.tasks))
    some = [answers.without_own(name, most) for name in answers.tasks]
    return Answered(
        np.concatenate([one.task for one in some]),
        np.concatenate([one.label for one in some]),
        np.concatenate([one.score for one in some]),
    )


def _contents(
    workspace: WorkspaceFolder,
    answers: HeldOutAnswers,
    known: dict[str, Answered],
    strange: Answered | None,
    *,
    given: bool,
) -> contents.Contents:
    records = {name: workspace.record(name) for name in answers.tasks}
    classes = {name: record.classes for name, record in records.items()}
    certified = answers.certified
    rows: list[Row] = []
    for name, one in known.items():
        rows += rows_of(
            name,
            answers.evidence[name].classes.tolist(),
            answers.evidence[name].inputs,
            one,
            names=answers.tasks,
            classes=classes,
            thresholds={task: limit.threshold for task, limit in certified.items()},
        )
    versions: dict[str, str] = {}
    for record in records.values():
        versions |= record.versions
    rule = RULES[workspace.lookup]
    clusters = {name: rule.clusters(workspace.signature(name)) for name in classes}
    machine = probe()
    return contents.Contents(
        of="workspace",
        digest=None,
        backbone=backbone_of(workspace.backbone),
        versions=versions,
        machine=f"{machine.cpu}, {machine.cores} cores, {machine.machine}",
        tasks=tuple(
            _task(workspace, name, certified[name], records[name].examples)
            for name in answers.tasks
        ),
        clusters=cluster_map(clusters, classes),
        lookup=workspace.lookup,
        confusion=confusion(rows, classes, workspace.backbone.input),
        thresholds=thresholds(
            answers.tasks,
            list(known.values()),
            [answers.right[name] for name in answers.tasks],
            strange,
            "given" if given else "held back",
            answers.terms,
        ),
        sureness=sureness(*(column.tolist() for column in answers.sureness())),
    )


def _task(
    workspace: WorkspaceFolder, name: str, certified: Certified, examples: int
) -> contents.Task:
    record = workspace.record(name)
    return contents.Task(
        name=name,
        classes=record.classes,
        method=record.settings.method,
        examples=examples,
        size_bytes=sum(path.stat().st_size for path in workspace.task_folder(name).iterdir()),
        threshold=certified.threshold,
        false_reject_rate=certified.false_reject_rate,
        certificate=certified.certificate,
    )
