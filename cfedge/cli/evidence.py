"""list, inspect: what is certified of a workspace's tasks."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cfedge.cli.paper import inspect_paper
from cfedge.cli.show import PLOT, TerminalProgress, print_json, print_table, say

if TYPE_CHECKING:
    from cfedge.bundle.manifest import Certificate
    from cfedge.train.certificates import Certificates, TaskCertificate
    from cfedge.train.inspection import Inspection

__all__ = ["JSON", "WORKSPACE", "register"]

WORKSPACE = Annotated[Path, typer.Argument(metavar="WS", help="Folder of the workspace.")]
JSON = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command("list", epilog="Example: cfedge list ws")(list_tasks)
    app.command("inspect", epilog="Example: cfedge inspect ws --json")(inspect_tasks)


def list_tasks(workspace: WORKSPACE, json: JSON = False) -> None:
    """Show the tasks and their certificates.

    The thresholds of unknown inputs are those of export's default --false-reject.
    """
    from cfedge.train.advice import nothing_learned
    from cfedge.train.certificates import certificates
    from cfedge.train.workspace import WorkspaceFolder

    certified = certificates(WorkspaceFolder(workspace), of=())
    if json:
        print_json([task.record() for task in certified.tasks.values()])
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
    rows = [_listed_row(task) for task in certified.tasks.values()]
    print_table(f"{workspace}: {len(certified.tasks)} tasks", columns, rows)
    for line in nothing_learned(certified):
        say(line)


def _listed_row(task: TaskCertificate) -> tuple[object, ...]:
    answers, certificate = task.answers, task.certificate
    return (
        task.task,
        len(task.labels),
        task.examples,
        task.method,
        answers.held_out,
        answers.right,
        f"{answers.wrong_upper_bound:.1%}",
        certificate.errors,
        f"{certificate.upper_bound:.1%}",
        _rival(certificate),
        f"{task.threshold:.1f}",
    )


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
    paper: Annotated[
        bool,
        typer.Option(
            "--paper", help="The terms of the paper's condition for each class, beside the truth."
        ),
    ] = False,
    curve: Annotated[
        bool,
        typer.Option(
            "--curve", help="How many more examples? What fewer gave, and what twice as many may."
        ),
    ] = False,
    tail_share: Annotated[
        float | None,
        typer.Option(
            help="Largest share of inputs run through the frozen tail, as of export; 0.15 unless"
            " given."
        ),
    ] = None,
    plot: PLOT = None,
    json: JSON = False,
) -> None:
    """Show which tasks are taken for which.

    For each task: how often the lookup picked another one, measured, certified, and by the lookup's
    own model.
    """
    from cfedge.margins import TAIL_SHARE
    from cfedge.train.advice import advice
    from cfedge.train.certificates import certificates, inspected
    from cfedge.train.workspace import WorkspaceFolder

    opened = WorkspaceFolder(workspace)
    if paper:
        inspect_paper(opened, json=json)
        return
    share = TAIL_SHARE if tail_share is None else tail_share
    certified = certificates(opened, tail_share=share)
    models = inspected(opened, mixtures=mixtures, progress=TerminalProgress())
    rows = [task.record() for task in certified.tasks.values()]
    if plot is not None:
        _draw(rows, plot)
    if json:
        print_json([_with_model(row, models, certified) for row in rows])
        return
    if curve:
        _print_curves(certified)
        return
    _print_inspected(f"{workspace}", rows, models, mixtures=mixtures)
    say(_looks(rows, share))
    for line in advice(certified):
        say(line)


def _looks(rows: Sequence[Mapping[str, Any]], share: float) -> str:
    """How many held-out inputs were looked at again, and how many behind the frozen tail."""
    total = sum(row["held_out"] for row in rows) or 1
    closer, tails = (
        sum(row[name] * row["held_out"] for row in rows) / total
        for name in ("closer_share", "tail_share")
    )
    return (
        f"of the held-out inputs {closer:.0%} were looked at again, and for {tails:.0%} the frozen"
        f" tail was run, which may be for {share:.0%} (--tail-share)"
    )


def _draw(rows: Sequence[Mapping[str, Any]], plot: Path) -> None:
    from cfedge.plot.certificates import draw_certificates
    from cfedge.plot.figure import save

    save(draw_certificates(rows), plot)


def _with_model(
    row: dict[str, Any], models: Mapping[str, Inspection], certified: Certificates
) -> dict[str, Any]:
    pairs = [pair for pair in certified.overlaps if pair.task == row["task"]]
    row["model"] = dataclasses.asdict(models[row["task"]])
    row["overlaps"] = [dataclasses.asdict(pair) for pair in pairs]
    return row


def _print_curves(certified: Certificates) -> None:
    """Print each task's learning curve and what twice its examples may bring."""
    import numpy as np

    from cfedge.train.curve import outlook

    rows = []
    for task in certified.tasks.values():
        held_out = task.answers.held_out
        more = outlook(task.curve, held_out, np.random.default_rng(0))
        said = "too few examples or classes to say"
        if more is not None:
            said = (
                f"{1 - more.error:.1%} ({1 - more.high:.1%} to {1 - more.low:.1%}) of"
                f" {more.examples} examples"
            )
        points = ", ".join(
            f"{point.right / held_out:.1%} of {point.examples}" for point in task.curve
        )
        rows.append((task.task, held_out, points or None, said))
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
        f"{title}: how often an input of a task gets another task (95% sure of all limits together;"
        " a limit is far above what was found where few inputs were held out)",
        (
            "task",
            "held out",
            "another task",
            "at most",
            "first stage alone",
            "by its model at most",
            "status",
            *(("likelier mixture alone", "by its model at most", "status") if mixtures else ()),
            "nearest rival",
            "separation",
            "taken by it",
            "reuses",
        ),
        [_inspected_row(row, models[row["task"]]) for row in rows],
    )


def _inspected_row(row: Mapping[str, Any], model: Inspection) -> tuple[object, ...]:
    held_out = row["held_out"]
    return (
        row["task"],
        held_out,
        f"{row['errors'] / held_out:.2%}",
        f"{row['upper_bound']:.1%}",
        f"{model.errors / held_out:.2%}",
        _bound(model.bound),
        model.status,
        *_mixture(model, held_out),
        model.nearest,
        "-" if model.separation is None else f"{model.separation:.1f}",
        model.nearest_errors,
        _reused(row["transfer"]),
    )


def _mixture(model: Inspection, held_out: int) -> tuple[str, ...]:
    if model.mixture_errors is None or model.mixture_bound is None or model.mixture_status is None:
        return ()
    return (
        f"{model.mixture_errors / held_out:.2%}",
        _bound(model.mixture_bound),
        model.mixture_status,
    )


def _bound(share: float) -> str:
    return f"{share:.2%}" if share < 1 else ">= 100%"


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
