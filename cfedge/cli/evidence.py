"""list: what is certified of a workspace's tasks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cfedge.cli.show import print_json, print_table, say
from cfedge.counted import counted

if TYPE_CHECKING:
    from cfedge.bundle.manifest import Certificate
    from cfedge.train.certify.certificates import TaskCertificate

__all__ = ["JSON", "WORKSPACE", "register"]

WORKSPACE = Annotated[Path, typer.Argument(metavar="WS", help="Folder of the workspace.")]
JSON = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("list", epilog="Example: cfedge list ws")(list_tasks)


def list_tasks(workspace: WORKSPACE, json: JSON = False) -> None:
    """Show the tasks and their certificates.

    The limits say how many answers may be wrong, and how many inputs may go to another task.
    """
    from cfedge.train.certify.advice import nothing_learned
    from cfedge.train.certify.certificates import certificates
    from cfedge.train.workspace.folder import WorkspaceFolder

    certified = certificates(WorkspaceFolder(workspace), of=())
    if json:
        print_json([task.record() for task in certified.tasks.values()])
        return
    if not certified.tasks:
        say(f"{workspace}: no task yet; add one with: cfedge add {workspace} NAME --data FILE")
        return
    columns = (
        "task",
        "classes",
        "learned from",
        "learned by",
        "held out",
        "right answers",
        "answers wrong, at most",
        "wrong task",
        "wrong task, at most",
        "nearest rival",
    )
    rows = [_listed_row(task) for task in certified.tasks.values()]
    print_table(f"{workspace}: {counted(len(rows), 'task')}", columns, rows)
    say(
        "Each limit is a 95% confidence bound on inputs like the held-out ones, with all tasks"
        " together; more held-out examples lower it"
    )
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
        f"{answers.wrong_answer_at_most:.1%}",
        certificate.errors,
        f"{certificate.wrong_task_at_most:.1%}",
        _rival(certificate),
    )


def _rival(certificate: Certificate) -> str:
    return f"{certificate.rival} ({certificate.rival_errors})" if certificate.rival else "none"
