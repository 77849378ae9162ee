"""evaluate: how well a workspace answers test data."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cfedge.cli.evidence import JSON, WORKSPACE
from cfedge.cli.places import JOBS, ON
from cfedge.cli.show import PLOT, TerminalProgress, print_json, print_table, say
from cfedge.kinds import KINDS

if TYPE_CHECKING:
    from cfedge.train.measures.metrics import Scores

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("evaluate", epilog="Example: cfedge evaluate ws --test lighting=lighting-test.csv")(
        evaluate
    )


def evaluate(
    workspace: WORKSPACE,
    test: Annotated[
        list[str], typer.Option(help="Test examples of a task, as TASK=FILE; may be repeated.")
    ],
    unknown: Annotated[
        Path | None,
        typer.Option(
            help=(
                "File of inputs of no task, whose column is named after their kind"
                f" ({', '.join(KINDS)}), or a folder of pictures or arrays."
            )
        ),
    ] = None,
    jobs: JOBS = 1,
    on: ON = None,
    plot: PLOT = None,
    json: JSON = False,
) -> None:
    """Measure accuracy on test data.

    The int8 runtime answers each input by itself. You see how often task and label are right, how
    often the task is right, and how often the label is right with the task given.

    With --unknown you also see how well inputs of no task are told apart: AUROC, false positives
    at 95 % detection, risk by coverage.
    """
    from cfedge.errors import UsageError
    from cfedge.teaching import Workspace

    files: dict[str, Path] = {}
    for pair in test:
        name, _, file = pair.partition("=")
        if not file:
            raise UsageError(
                f"--test: expected TASK=FILE, found {pair!r}; write the task's name and = before it"
            )
        if name in files:
            raise UsageError(
                f"--test: expected one file of task {name!r}, found another: {file}; put them"
                " into one"
            )
        files[name] = Path(file)
    scores = Workspace(workspace).evaluate(
        files, unknown=unknown or (), jobs=jobs, on=on, progress=TerminalProgress()
    )
    if json:
        print_json(dataclasses.asdict(scores))
    else:
        _print_scores(scores)
    if plot is not None:
        from cfedge.plot.figure import save
        from cfedge.plot.scores import draw_scores

        save(draw_scores(scores), plot)


def _print_scores(scores: Scores) -> None:
    print_table(
        "shares of the test examples, each answered alone as a device does",
        ("task", "examples", "task and label right", "right task", "label right, task given"),
        [
            (
                task.task,
                task.examples,
                f"{task.accuracy:.3f}",
                f"{task.task_identification:.3f}",
                f"{task.known:.3f}",
            )
            for task in scores.tasks
        ],
    )
    for task in scores.tasks:
        if task.learned_from:
            say(
                f"{task.task}: it was learned from {task.learned_from} of these {task.examples} test"
                " examples, so its shares look better than they are; test it with others"
            )
    say(
        f"all tasks: task and label right {scores.accuracy:.3f} (mean over tasks"
        f" {scores.task_mean:.3f}), right task {scores.task_identification:.3f} (among the best two"
        f" {scores.top2:.3f}), label right with the task given {scores.known:.3f}; an input that is"
        " called unknown counts by the task and label that are closest"
    )
    say(
        f"the lookup took its second stage for {scores.second_stages:.1%} of inputs and its third for"
        f" {scores.third_stages:.1%}; {scores.early_exits:.1%} exited early"
    )
    if scores.calibration_error is not None:
        say(
            f"probabilities are wrong by {scores.calibration_error:.3f} on average (expected"
            " calibration error, task and label, of inputs that are not called unknown)"
        )
    if scores.unknown:
        apart, curve = scores.unknown.detection, scores.unknown.risk_coverage
        say(
            f"inputs of no task: AUROC {apart.auroc:.3f}, false positives at 95 % detection"
            f" {apart.fpr95:.1%}, called unknown {apart.detected:.1%} (of known inputs"
            f" {apart.false_rejects:.1%}), mean risk over coverage {curve.area:.3f}"
        )
