"""list, inspect, evaluate: what is known of a workspace's tasks, and how that is measured."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cfedge.cli.show import PLOT, TerminalProgress, print_json, print_table, say

if TYPE_CHECKING:
    from cfedge.bundle.manifest import Certificate
    from cfedge.train.certificates import Certificates
    from cfedge.train.inspection import Inspection
    from cfedge.train.metrics import Scores

__all__ = ["JSON", "WORKSPACE", "register"]

WORKSPACE = Annotated[Path, typer.Argument(metavar="WS", help="Folder of the workspace.")]
JSON = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command("list", epilog="Example: cfedge list ws")(list_tasks)
    app.command("inspect", epilog="Example: cfedge inspect ws --json")(inspect_tasks)
    app.command("evaluate", epilog="Example: cfedge evaluate ws --test lighting=lighting-test.csv")(
        evaluate
    )


def list_tasks(workspace: WORKSPACE, json: JSON = False) -> None:
    """Show the tasks and their certificates.

    The thresholds of unknown inputs are those of export's default --false-reject.
    """
    from cfedge.train.advice import nothing_learned
    from cfedge.train.certificates import certificates
    from cfedge.train.workspace import WorkspaceFolder

    certified = certificates(WorkspaceFolder(workspace), of=())
    if json:
        print_json([one.record() for one in certified.tasks.values()])
        return
    columns = (
        "task",
        "classes",
        "examples",
        "as",
        "held out",
        "right",
        "wrong at most",
        "wrong task",
        "at most",
        "nearest rival",
        "unknown above",
    )
    print_table(f"{workspace}: {len(certified.tasks)} tasks", columns, [
        (
            one.task, len(one.labels), one.examples, one.method, one.answers.held_out,
            one.answers.right, f"{one.answers.wrong_upper_bound:.1%}", one.certificate.errors,
            f"{one.certificate.upper_bound:.1%}", _rival(one.certificate), f"{one.threshold:.1f}",
        )
        for one in certified.tasks.values()
    ])  # fmt: skip
    for line in nothing_learned(certified):
        say(line)


def _rival(certificate: Certificate) -> str:
    return f"{certificate.rival} ({certificate.rival_errors})" if certificate.rival else "none"


def inspect_tasks(
    workspace: WORKSPACE,
    mixtures: Annotated[
        bool,
        typer.Option(
            "--mixtures",
            help=(
                "Also bound the errors of comparing mixtures, where each task has its own"
                " covariance (slow)."
            ),
        ),
    ] = False,
    curve: Annotated[
        bool,
        typer.Option(
            "--curve", help="How many more examples? What fewer gave, and what twice as many may."
        ),
    ] = False,
    plot: PLOT = None,
    json: JSON = False,
) -> None:
    """Show which tasks are taken for which.

    For each task: how often the lookup picked another one, measured, certified, and by the lookup's
    own model.
    """
    from cfedge.train.advice import advice
    from cfedge.train.certificates import certificates, inspected
    from cfedge.train.workspace import WorkspaceFolder

    opened = WorkspaceFolder(workspace)
    certified = certificates(opened)
    models = inspected(opened, mixtures=mixtures, progress=TerminalProgress())
    rows = [one.record() for one in certified.tasks.values()]
    if plot is not None:
        from cfedge.plot.certificates import draw_certificates
        from cfedge.plot.figure import save

        save(draw_certificates(rows), plot)
    if json:
        for row in rows:
            pairs = [one for one in certified.overlaps if one.task == row["task"]]
            row["model"] = dataclasses.asdict(models[row["task"]])
            row["overlaps"] = [dataclasses.asdict(pair) for pair in pairs]
        print_json(rows)
        return
    if curve:
        _print_curves(certified)
        return
    _print_inspected(f"{workspace}", rows, models, mixtures=mixtures)
    for line in advice(certified):
        say(line)


def _print_curves(certified: Certificates) -> None:
    """Print each task's learning curve and what twice its examples may bring."""
    import numpy as np

    from cfedge.train.curve import outlook

    rows = []
    for one in certified.tasks.values():
        held_out = one.answers.held_out
        more = outlook(one.curve, held_out, np.random.default_rng(0))
        said = "too few examples or classes to say"
        if more is not None:
            said = (
                f"{1 - more.error:.1%} ({1 - more.high:.1%} to {1 - more.low:.1%}) of"
                f" {more.examples} examples"
            )
        points = ", ".join(
            f"{point.right / held_out:.1%} of {point.examples}" for point in one.curve
        )
        rows.append((one.task, held_out, points or None, said))
    print_table(
        "the right label with the task given, by a closed form behind the frozen encoder",
        ("task", "held out", "after so many examples", "twice as many may bring"),
        rows,
    )


def _print_inspected(
    title: str,
    rows: Sequence[Mapping[str, Any]],
    models: Mapping[str, Inspection],
    *,
    mixtures: bool,
) -> None:
    print_table(
        f"{title}: picks another task (upper bounds hold for all tasks together; the model is the"
        " first stage's)",
        (
            "task", "held out", "wrong", "upper bound", "first stage wrong", "model bound", "status",
            *(("likelier mixture wrong", "its bound", "status") if mixtures else ()),
            "nearest rival", "separation", "taken by it", "reuses",
        ),
        [
            (
                row["task"], row["held_out"], f"{row['errors'] / row['held_out']:.2%}", f"{row['upper_bound']:.1%}",
                f"{model.errors / row['held_out']:.2%}", _bound(model.bound), model.status,
                *_mixture(model, row["held_out"]), model.nearest,
                "-" if model.separation is None else f"{model.separation:.1f}", model.nearest_errors, _reused(row["transfer"]),
            )
            for row, model in ((row, models[row["task"]]) for row in rows)
        ],
    )  # fmt: skip


def _mixture(one: Inspection, held_out: int) -> tuple[str, ...]:
    if one.mixture_errors is None or one.mixture_bound is None or one.mixture_status is None:
        return ()
    return f"{one.mixture_errors / held_out:.2%}", _bound(one.mixture_bound), one.mixture_status


def _bound(share: float) -> str:
    return f"{share:.2%}" if share < 1 else ">= 100%"


def evaluate(
    workspace: WORKSPACE,
    test: Annotated[
        list[str], typer.Option(help="Test examples of a task, as TASK=FILE; repeat for each task.")
    ],
    unknown: Annotated[
        Path | None, typer.Option(help="A file of inputs of no task, in a column text.")
    ] = None,
    plot: PLOT = None,
    json: JSON = False,
) -> None:
    """Measure accuracy on test data.

    Per sample, through the int8 runtime: task and label right, task identification, and accuracy
    with the task known.

    With --unknown also how well inputs of no task are told apart: AUROC, false positives at 95 %
    detection, risk by coverage.
    """
    from cfedge.errors import UsageError
    from cfedge.teaching import Workspace

    files: dict[str, Path] = {}
    for pair in test:
        name, _, file = pair.partition("=")
        if not file:
            raise UsageError(f"--test: expected TASK=FILE, found {pair!r}")
        if name in files:
            raise UsageError(
                f"--test: expected one file of task {name!r}, found another: {file}; put them"
                " into one"
            )
        files[name] = Path(file)
    scores = Workspace(workspace).evaluate(files, unknown=unknown or ())
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
        "per sample, int8 runtime",
        ("task", "examples", "accuracy", "task_identification", "task known"),
        [
            (
                one.task,
                one.examples,
                f"{one.accuracy:.3f}",
                f"{one.task_identification:.3f}",
                f"{one.known:.3f}",
            )
            for one in scores.tasks
        ],
    )
    say(
        f"accuracy {scores.accuracy:.3f} (task mean {scores.task_mean:.3f}), task identification"
        f" {scores.task_identification:.3f} (in the best two {scores.top2:.3f}), task known"
        f" {scores.known:.3f}, second stages {scores.second_stages:.1%}, third"
        f" {scores.third_stages:.1%}, early exits {scores.early_exits:.1%}"
    )
    if scores.unknown:
        apart, curve = scores.unknown.detection, scores.unknown.risk_coverage
        say(
            f"inputs of no task: AUROC {apart.auroc:.3f}, false positives at 95 % detection"
            f" {apart.fpr95:.1%}, called unknown {apart.detected:.1%} (of known inputs"
            f" {apart.false_rejects:.1%}), mean risk over coverage {curve.area:.3f}"
        )


def _reused(transfer: Mapping[str, float]) -> str:
    from cfedge.train.composition import NEW_UNITS

    shares = sorted(
        (
            (share, name)
            for name, share in transfer.items()
            if name != NEW_UNITS and abs(share) >= 0.005
        ),
        reverse=True,
    )
    return ", ".join(f"{name} {share:.0%}" for share, name in shares) or "nothing"
