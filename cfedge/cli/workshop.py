"""add: the command that teaches a workspace its tasks."""

from __future__ import annotations

import dataclasses
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cfedge.cli.data import (
    ENCODING,
    GROUP_COLUMN,
    INPUT,
    INPUT_COLUMN,
    LABEL_COLUMN,
    columns,
    tell,
)
from cfedge.cli.evidence import JSON, WORKSPACE
from cfedge.cli.idle import idle
from cfedge.cli.learned import learned
from cfedge.cli.learning import with_settings
from cfedge.cli.panels import SectionedCommand
from cfedge.cli.places import JOBS, ON
from cfedge.cli.show import TerminalProgress, print_json, say
from cfedge.train.settings import Settings

if TYPE_CHECKING:
    from cfedge.train.certify.certificates import Certificates
    from cfedge.train.examples.examples import LabelledData
    from cfedge.train.examples.rows import Columns
    from cfedge.train.teach import Taught
    from cfedge.train.workspace.folder import WorkspaceFolder


DATA = Annotated[
    Path,
    typer.Option(
        help=(
            "The labelled examples: a file (CSV, JSON, Parquet, Excel, Rasa, Label Studio, ...),"
            " or a folder. The folder holds train.csv, or a folder of inputs for each label, or"
            " what Hugging Face datasets saved. Without TASK: a folder of tasks, or a file with a"
            " column task."
        )
    ),
]
TASK = Annotated[
    str | None,
    typer.Argument(metavar="[TASK]", help="Name of the task; without it DATA holds several."),
]
HELD_OUT = Annotated[
    Path | None,
    typer.Option(
        help="File of held-out (validation) examples; otherwise a share of the data is held out."
    ),
]
SAME_LABEL = Annotated[
    list[str] | None,
    typer.Option(
        metavar="LABEL[=OTHER]",
        help="Label of TASK that means the same as another task's label; may be repeated.",
    ),
]
REPLACE = Annotated[bool, typer.Option("--replace", help="Replace a task of the same name.")]
YES = Annotated[
    bool, typer.Option("--yes", help="Do not ask where --replace would lose something.")
]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command(
        "add",
        cls=SectionedCommand,
        epilog=(
            "Example: cfedge add ws lighting --data lighting.csv; or cfedge add ws --data tasks.csv"
            " --jobs 2"
        ),
    )(add)


@with_settings()
def add(
    workspace: WORKSPACE,
    data: DATA,
    settings: Settings,
    task: TASK = None,
    held_out: HELD_OUT = None,
    same_label: SAME_LABEL = None,
    jobs: JOBS = 1,
    on: ON = None,
    replace: REPLACE = False,
    yes: YES = False,
    input_column: INPUT_COLUMN = INPUT,
    label_column: LABEL_COLUMN = "label",
    group_column: GROUP_COLUMN = None,
    encoding: ENCODING = None,
    json: JSON = False,
) -> None:
    """Learn a task, or several.

    Other tasks are not changed. Learning reads their labels alone (with --reuse their adapters,
    too). Afterwards the certificates of all tasks are computed anew.
    """
    from cfedge.train.certify.certificates import certificates
    from cfedge.train.jobs.choosing import chosen_place
    from cfedge.train.teach import Taught, learn, learn_tasks
    from cfedge.train.workspace.folder import WorkspaceFolder

    _check_alone(task, held_out, same_label or [], jobs, on)
    opened = WorkspaceFolder(workspace)
    named = columns(input_column, label_column, group_column)
    tasks = _tasks(data, task, held_out, named, encoding, opened.kind)
    notes = [note for loaded in tasks.values() for note in loaded.notes]
    tell(dict.fromkeys([*idle(settings, opened.backbone), *notes]))
    if replace and not yes:
        _check_lost(opened, tasks)
    shown = TerminalProgress("" if task is None else f"{task}: ")
    if task is None:
        with chosen_place(
            jobs=jobs, on=on, inputs=opened.kind, torch=settings.method != "closed-form"
        ) as place:
            taught = learn_tasks(
                opened, tasks, settings=settings, place=place, replace=replace, progress=shown
            )
        tell(taught.notes)
    else:
        learn(
            opened,
            task,
            tasks[task].train,
            tasks[task].held_out,
            same_labels=same_label or (),
            settings=settings,
            replace=replace,
            progress=shown,
        )
        taught = Taught((task,), {})
    certified = certificates(opened, taught.learned).of(taught.learned)
    _show(taught, certified, tasks, task, settings, opened, json)
    taught.check()


def _check_alone(
    task: str | None,
    held_out: Path | None,
    same_label: list[str],
    jobs: int,
    on: str | None,
) -> None:
    """Refuse what only one task can have, and what only several can."""
    from cfedge.errors import UsageError

    for option, given in (("--held-out", held_out), ("--same-label", same_label)):
        if task is None and given:
            beside = ", or give each a folder with a file validation.csv" if held_out else ""
            raise UsageError(
                f"{option}: expected the name of one task with it, found none; add the tasks one by"
                f" one{beside}"
            )
    if task is not None and jobs != 1:
        raise UsageError(
            f"--jobs: expected several tasks (leave TASK out), found {jobs} jobs for task {task!r}"
        )
    if task is not None and on is not None:
        raise UsageError(f"--on: expected several tasks (leave TASK out), found task {task!r}")


def _check_lost(workspace: WorkspaceFolder, tasks: Mapping[str, LabelledData]) -> None:
    """Ask before a task is learned anew of less than it was."""
    from cfedge.errors import UsageError
    from cfedge.train.change.edit import lost_by

    for name in [task for task in tasks if task in workspace.tasks]:
        parts = [tasks[name].train, tasks[name].held_out]
        counts = Counter(label for part in parts if part is not None for label in part.labels)
        lost = lost_by(workspace, name, counts)
        if lost is None:
            continue
        if sys.stdin.isatty() and typer.confirm(f"task {name!r} would lose {lost}; go on?"):
            continue
        raise UsageError(
            f"task {name!r}: expected --yes with --replace, as the task would lose {lost}; to add"
            " examples or classes: cfedge update"
        )


def _tasks(
    data: Path,
    task: str | None,
    held_out: Path | None,
    columns: Columns,
    encoding: str | None,
    kind: str,
) -> dict[str, LabelledData]:
    """Read what is to be learned: of one task, or of several where none is named."""
    from cfedge.train.examples.data import load, load_file
    from cfedge.train.examples.task_files import load_tasks

    if task is None:
        return load_tasks(data, columns, encoding, kind)
    loaded = load(data, columns, encoding, kind)
    if held_out:
        evidence = load_file(held_out, columns._replace(group=None), encoding, kind)
        loaded = dataclasses.replace(loaded, held_out=evidence)
    return {task: loaded}


def _show(
    taught: Taught,
    certified: Certificates,
    tasks: Mapping[str, LabelledData],
    task: str | None,
    settings: Settings,
    workspace: WorkspaceFolder,
    json: bool,
) -> None:
    from cfedge.train.certify.advice import advice

    if json:
        rows = [row.record() for row in certified.tasks.values()]
        pairs = [dataclasses.asdict(pair) for pair in certified.overlaps]
        failed = {name: str(error) for name, error in taught.failed.items()}
        print_json(
            {**rows[0], "overlaps": pairs}
            if task is not None
            else {"learned": rows, "overlaps": pairs, "failed": failed}
        )
        return
    for row in certified.tasks.values():
        say(learned(row, settings, workspace.backbone))
    for line in advice(certified, tasks, workspace=str(workspace.folder)):
        say(line)
