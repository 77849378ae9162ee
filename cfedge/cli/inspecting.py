"""inspect: which tasks are taken for which, and whether the lookup's own model fits them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cfedge.cli.budgets import check_alone
from cfedge.cli.evidence import JSON, WORKSPACE, alone
from cfedge.cli.models import print_models
from cfedge.cli.paper import inspect_paper
from cfedge.cli.show import PLOT, TerminalProgress, print_json, print_table, say
from cfedge.counted import counted

if TYPE_CHECKING:
    from cfedge.train.certify.certificates import Certificates
    from cfedge.train.certify.inspection import Inspection

__all__ = ["register"]

MODEL = Annotated[
    bool,
    typer.Option(
        "--model",
        help=(
            "Also show what the lookup's own model expects, and how many inputs needed the"
            " second or third stage."
        ),
    ),
]
MIXTURES = Annotated[
    bool,
    typer.Option(
        "--mixtures",
        help=(
            "Also bound the errors of comparing mixtures, where each task has its own"
            " covariance (slow)."
        ),
    ),
]
PAPER = Annotated[
    bool,
    typer.Option(
        "--paper",
        help=(
            "Show for each class whether PROTEUS (arXiv 2603.13235) promises that its inputs find"
            " their task (clusters far enough apart for their width), beside what was counted."
        ),
    ),
]
CURVE = Annotated[
    bool,
    typer.Option("--curve", help="Show what fewer examples gave, and what twice as many may give."),
]
SHARE = Annotated[
    float | None,
    typer.Option(
        help=(
            "Largest share of inputs that may run the frozen tail, as for export; 0.4 unless given,"
            " and more where fewer than 500 inputs are held out."
        )
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("inspect", epilog="Example: cfedge inspect ws --json")(inspect_tasks)


def inspect_tasks(
    workspace: WORKSPACE,
    model: MODEL = False,
    mixtures: MIXTURES = False,
    paper: PAPER = False,
    curve: CURVE = False,
    tail_share: SHARE = None,
    plot: PLOT = None,
    json: JSON = False,
) -> None:
    """Show which tasks are taken for which.

    For each task you see how many held-out inputs got another task, and the limit for inputs to
    come. --model also shows what the lookup's own model expects, and whether the held-out inputs
    agree.
    """
    from cfedge.train.certify.advice import advice
    from cfedge.train.certify.certificates import certificates, inspected
    from cfedge.train.workspace.folder import WorkspaceFolder

    opened = WorkspaceFolder(workspace)
    shown: dict[str, object] = {"--model": model or None, "--mixtures": mixtures or None}
    more = {"--curve": curve or None, "--tail-share": tail_share, "--plot": plot}
    if paper:
        check_alone("--paper", paper, shown | more)
        inspect_paper(opened, json=json)
        return
    if not json:
        check_alone("--curve", curve or None, shown)
    certified = certificates(opened, tail_share=tail_share)
    rows = [task.record() for task in certified.tasks.values()]
    if not rows and not json:
        say(f"{workspace}: no task yet; add one with: cfedge add {workspace} NAME --data FILE")
        return
    if plot is not None:
        _draw(rows, plot)
    if curve and not json:
        _print_curves(certified)
        return
    models = {}
    if json or model or mixtures:
        models = inspected(opened, mixtures=mixtures, progress=TerminalProgress())
    if json:
        print_json([_with_model(row, models, certified) for row in rows])
        return
    _print_inspected(f"{workspace}", rows)
    _print_unknown(rows)
    if models:
        print_models(rows, models, mixtures=mixtures)
        say(_looks(rows))
    elif model or mixtures:
        say(
            f"the lookup {opened.lookup} has no first stage with a model of its own: it runs every"
            " input through the frozen encoder, and what was counted is above"
        )
    for line in advice(certified, workspace=str(workspace)):
        say(line)


def _looks(rows: Sequence[Mapping[str, Any]]) -> str:
    """How many held-out inputs were looked at again, and how many behind the frozen tail."""
    total = sum(row["held_out"] for row in rows) or 1
    closer, tails = (
        sum(row[name] * row["held_out"] for row in rows) / total
        for name in ("closer_share", "tail_share")
    )
    return (
        f"The margin of {closer:.0%} of the held-out inputs was thin, so the lookup compared them a"
        f" second time. For {tails:.0%} it ran the frozen tail too; --tail-share limits how many"
    )


def _draw(rows: Sequence[Mapping[str, Any]], plot: Path) -> None:
    from cfedge.plot.certificates import draw_certificates
    from cfedge.plot.figure import save

    save(draw_certificates(rows), plot)


def _with_model(
    row: dict[str, Any], models: Mapping[str, Inspection], certified: Certificates
) -> dict[str, Any]:
    pairs = [pair for pair in certified.overlaps if pair.task == row["task"]]
    known = models.get(row["task"])
    row["model"] = None if known is None else dataclasses.asdict(known)
    row["overlaps"] = [dataclasses.asdict(pair) for pair in pairs]
    return row


def _print_curves(certified: Certificates) -> None:
    """Print each task's learning curve and what twice its examples may bring."""
    import numpy as np

    from cfedge.train.features.curve import outlook

    rows = []
    for task in certified.tasks.values():
        held_out = task.answers.held_out
        more = outlook(task.curve, held_out, np.random.default_rng(0))
        said = "not known: too few examples or classes, or the task was changed since"
        if more is not None:
            said = (
                f"with {counted(more.examples, 'example')}: {1 - more.error:.1%} right"
                f" ({1 - more.high:.1%} to {1 - more.low:.1%})"
            )
        points = ", ".join(
            f"with {point.examples}: {point.right / held_out:.1%}" for point in task.curve
        )
        rows.append((task.task, held_out, points or None, said))
    print_table(
        "the right label with the task given, by a closed form behind the frozen encoder",
        ("task", "held out", "right, with so many examples", "twice as many may bring"),
        rows,
    )


def _print_inspected(title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    if len(rows) == 1:
        say(f"{alone(rows[0]['task'])}; cfedge list says how many answers may be wrong")
        return
    reused = [_reused(row["transfer"]) for row in rows]
    print_table(
        f"{title}: how often an input of a task goes to another task (95% confidence)",
        (
            "task",
            "held out",
            "wrong task",
            "wrong task, at most",
            "nearest rival",
            "taken by it",
            *(("reuses",) if any(reused) else ()),
        ),
        [
            (
                row["task"],
                row["held_out"],
                row["errors"],
                f"{row['wrong_task_at_most']:.1%}",
                row["rival"] or "none",
                row["rival_errors"],
                *((what or "nothing",) if any(reused) else ()),
            )
            for row, what in zip(rows, reused, strict=True)
        ],
    )


def _print_unknown(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print how many inputs of each kind a task calls unknown, were they given to it."""
    counts = ("own_rejected", "own"), ("others_caught", "others"), ("foreign_caught", "foreign")
    print_table(
        "called unknown, at the rate of a task's own inputs that export would choose",
        ("task", "own inputs", "other tasks' inputs", "public inputs of no task that came to it"),
        [
            (
                row["task"],
                *(f"{row[hit]} of {row[of]}" if row[of] else "none came" for hit, of in counts),
            )
            for row in rows
        ],
    )


def _reused(transfer: Mapping[str, float]) -> str:
    from cfedge.train.examples.labels import NEW_UNITS

    shares = sorted(
        (
            (share, name)
            for name, share in transfer.items()
            if name != NEW_UNITS and abs(share) >= 0.005
        ),
        reverse=True,
    )
    return ", ".join(f"{name} {share:.0%}" for share, name in shares)
