"""list: what is certified of a workspace's tasks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cfedge.cli.show import print_json, print_table, say

if TYPE_CHECKING:
    from cfedge.bundle.manifest import Certificate
    from cfedge.train.certify.task_certificate import TaskCertificate

__all__ = ["JSON", "TASK", "WORKSPACE", "alone", "register"]

TASK = Annotated[str, typer.Argument(metavar="TASK", help="Name of the task.")]
WORKSPACE = Annotated[Path, typer.Argument(metavar="WS", help="Folder of the workspace.")]
JSON = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
#: What is shown of every task, and what of those that have others beside them.
_COLUMNS = (
    "task",
    "classes",
    "learned from",
    "learned by",
    "held out",
    "right answers",
    "answers wrong, at most",
)
_OF_OTHERS = ("wrong task", "wrong task, at most", "nearest rival")


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
    rows = [_listed_row(task) for task in certified.tasks.values()]
    if len(rows) > 1:
        print_table(f"{workspace}: {len(rows)} tasks", (*_COLUMNS, *_OF_OTHERS), rows)
        limits, together = "Each limit is", ", with all tasks together"
    else:
        print_table(f"{workspace}: 1 task", _COLUMNS, [rows[0][: len(_COLUMNS)]])
        limits, together = "The limit is", ""
    say(
        f"{limits} a 95% confidence bound on inputs like the held-out ones{together}; more held-out"
        " examples lower it"
    )
    if len(rows) == 1:
        say(alone(next(iter(certified.tasks))))
    for line in nothing_learned(certified):
        say(line)


def alone(task: str) -> str:
    """Return what is said of a workspace's only task in place of a limit on wrong tasks."""
    return f"{task} is the only task: there is no other that its inputs could be taken for"


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
