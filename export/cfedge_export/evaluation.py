"""Measure a workspace on test data: its bundle answers, here or in another place."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from cfedge.progress import Progress
from cfedge.runtime.engine import Engine
from cfedge.train.examples.arrays import inputs_of
from cfedge.train.examples.examples import Examples, check_labels
from cfedge.train.examples.given_data import Labelled, check_by_task, given_examples
from cfedge.train.examples.inputs_alone import load_inputs
from cfedge.train.jobs.answering import Answered, Question
from cfedge.train.jobs.place import Place
from cfedge.train.measures.metrics import Scores, evaluate
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge_export.build_bundle import build

__all__ = ["evaluated"]


def evaluated(
    workspace: WorkspaceFolder,
    tests: Mapping[str, Labelled],
    unknown: Iterable[object] | Path | str,
    place: Place,
    progress: Progress | None = None,
) -> Scores:
    """Measure per sample, through the int8 runtime that ships.

    Parameters
    ----------
    tests
        By task: a path, or inputs and labels.
    unknown
        Inputs of no task, or the path of a file of them.
    place
        Where they are answered.

    Raises
    ------
    TaskError, DataError, UsageError
        A task is not there, or one of its labels was never learned.
    """
    check_by_task("tests", tests)
    kind = workspace.kind
    data = {
        name: given_examples(f"test of task {name!r}", given, kind) for name, given in tests.items()
    }
    for name, examples in data.items():
        check_labels(examples, workspace.record(name).classes)
    outside = (
        load_inputs(Path(unknown), kind=kind)
        if isinstance(unknown, str | os.PathLike)
        else inputs_of(unknown, "unknown", kind)
    )
    bundle = build(workspace)
    if place.executor is None:
        scores = evaluate(Engine(bundle), data, outside, workspace.meanings())
        return _with_learned(scores, workspace, data)
    questions = {f"inputs of task {name!r}": Question(one.inputs) for name, one in data.items()}
    questions |= {f"task {name!r}": Question(one.inputs, name) for name, one in data.items()}
    questions["inputs of no task"] = Question(tuple(outside))
    answered = Answered(bundle, questions, place, progress)
    return _with_learned(evaluate(answered, data, outside, workspace.meanings()), workspace, data)


def _with_learned(
    scores: Scores, workspace: WorkspaceFolder, data: Mapping[str, Examples]
) -> Scores:
    """Count the test examples that a task was learned from."""
    tasks = []
    for row in scores.tasks:
        examples = data[row.task]
        again = workspace.statistics(row.task).known.repeated(
            examples.keys, examples.labels, workspace.record(row.task).classes
        )
        tasks.append(dataclasses.replace(row, learned_from=len(again)))
    return dataclasses.replace(scores, tasks=tasks)
