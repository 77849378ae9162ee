"""add, remove: the commands that teach a workspace its tasks."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cfedge.cli.evidence import JSON, WORKSPACE
from cfedge.cli.learning import with_settings
from cfedge.cli.show import TerminalProgress, print_json, say
from cfedge.train.settings import Settings

if TYPE_CHECKING:
    from cfedge.train.certificates import Certificates, TaskCertificate
    from cfedge.train.examples import LabelledData
    from cfedge.train.teach import Taught


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command(
        "add",
        epilog=(
            "Example: cfedge add ws lighting --data lighting.csv; or cfedge add ws --data tasks.csv"
            " --jobs 2"
        ),
    )(add)
    app.command("remove", epilog="Example: cfedge remove ws lighting")(remove)


@with_settings()
def add(
    workspace: WORKSPACE,
    data: Annotated[
        Path,
        typer.Option(
            help=(
                "The labelled examples: a CSV or JSONL file with text,label, a folder of"
                " splits, or a datasets folder. Without TASK: a folder of tasks, or a file"
                " with a column task."
            )
        ),
    ],
    settings: Settings,
    task: Annotated[
        str | None,
        typer.Argument(metavar="[TASK]", help="Name of the task; without it DATA holds several."),
    ] = None,
    held_out: Annotated[
        Path | None,
        typer.Option(
            help="File of held-out (validation) examples; a share of the data unless given."
        ),
    ] = None,
    same_label: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LABEL[=OTHER]",
            help="Label of TASK that means the same as another task's; repeat for each.",
        ),
    ] = None,
    jobs: Annotated[
        int, typer.Option(help="Tasks that are learned at once, each in a process of its own.")
    ] = 1,
    replace: Annotated[
        bool, typer.Option("--replace", help="Learn tasks anew that are there already.")
    ] = False,
    json: JSON = False,
) -> None:
    """Learn a task, or several.

    Of the other tasks nothing is changed, and nothing is read but labels and, with --reuse,
    adapters.
    """
    from cfedge.train.certificates import certificates
    from cfedge.train.teach import Taught, learn, learn_tasks
    from cfedge.train.workspace import Workspace

    tasks = _tasks(data, task, held_out, jobs, same_label or [])
    opened = Workspace(workspace)
    shown = TerminalProgress("" if task is None else f"{task}: ")
    if task is None:
        taught = learn_tasks(
            opened, tasks, settings=settings, jobs=jobs, replace=replace, progress=shown
        )
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
    _show(taught, certificates(opened, taught.learned).of(taught.learned), task, settings, json)
    taught.check()


def _tasks(
    data: Path, task: str | None, held_out: Path | None, jobs: int, same_label: list[str]
) -> dict[str, LabelledData]:
    """Read what is to be learned: of one task, or of several where none is named."""
    from cfedge.errors import UsageError
    from cfedge.train.data import load, load_file
    from cfedge.train.task_files import load_tasks

    if task is None:
        if held_out:
            raise UsageError(
                "--held-out: expected the name of one task with it, found none; add the tasks one"
                " by one"
            )
        if same_label:
            raise UsageError(
                "--same-label: expected the name of one task with it, found none; add the tasks one"
                " by one"
            )
        return load_tasks(data)
    if jobs != 1:
        raise UsageError(
            f"--jobs: expected several tasks (leave TASK out), found {jobs} jobs for task {task!r}"
        )
    loaded = load(data)
    return {
        task: dataclasses.replace(
            loaded, held_out=load_file(held_out) if held_out else loaded.held_out
        )
    }


def _show(
    taught: Taught, certified: Certificates, task: str | None, settings: Settings, json: bool
) -> None:
    from cfedge.train.advice import advice

    if json:
        rows = [one.record() for one in certified.tasks.values()]
        pairs = [dataclasses.asdict(one) for one in certified.overlaps]
        failed = {name: str(error) for name, error in taught.failed.items()}
        print_json(
            {**rows[0], "overlaps": pairs}
            if task is not None
            else {"learned": rows, "overlaps": pairs, "failed": failed}
        )
        return
    for one in certified.tasks.values():
        say(_learned(one, few=settings.method == "auto" and one.method == "closed-form"))
    for line in advice(certified):
        say(line)


def _learned(one: TaskCertificate, *, few: bool) -> str:
    from cfedge.train.head import FEW

    how = (
        f"a closed-form head (fewer than {FEW} examples a class to learn from; --train for an"
        " adapter), "
        if few
        else ""
    )
    return (
        f"{one.task}: learned {how}{len(one.labels)} classes from {one.examples} examples;"
        f" held out {one.certificate.held_out}: picks another task in {one.certificate.errors}, at"
        f" most {one.certificate.upper_bound:.1%} of inputs with all tasks together"
    )


def remove(
    workspace: WORKSPACE,
    task: Annotated[str, typer.Argument(metavar="TASK", help="Name of the task.")],
    json: JSON = False,
) -> None:
    """Remove a task; the others stay as they are."""
    from cfedge.train.workspace import Workspace

    opened = Workspace(workspace)
    opened.remove(task)
    if json:
        print_json({"removed": task, "tasks": opened.tasks})
    else:
        say(f"{task}: removed; {len(opened.tasks)} tasks left")
