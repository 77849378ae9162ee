"""rename, join, split, remove: the commands that change tasks which were taught."""

from __future__ import annotations

from typing import Annotated

import typer

from cfedge.cli.evidence import JSON, TASK, WORKSPACE
from cfedge.cli.show import print_json, say
from cfedge.counted import counted

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command("rename", epilog="Example: cfedge rename ws lighting lights")(rename)
    app.command("join", epilog="Example: cfedge join ws lights lamps --as lighting")(join)
    app.command(
        "split", epilog="Example: cfedge split ws office printing --class print --class scan"
    )(split)
    app.command("remove", epilog="Example: cfedge remove ws lighting")(remove)


def rename(
    workspace: WORKSPACE,
    task: TASK,
    new: Annotated[str, typer.Argument(metavar="NEW", help="Its new name, or the label's.")],
    label: Annotated[
        str | None, typer.Option(help="Rename this label of the task instead of the task.")
    ] = None,
    json: JSON = False,
) -> None:
    """Rename a task, or one of its labels."""
    from cfedge.train.change.edit import rename as rename_task
    from cfedge.train.change.edit import rename_label
    from cfedge.train.workspace.folder import WorkspaceFolder

    opened = WorkspaceFolder(workspace)
    if label is None:
        rename_task(opened, task, new)
    else:
        rename_label(opened, task, label, new)
    if json:
        print_json({"task": task, "label": label, "new": new, "tasks": opened.tasks})
    elif label is None:
        say(f"{task}: now called {new}")
    else:
        say(f"{task}: its label {label} is now called {new}")


def join(
    workspace: WORKSPACE,
    task: TASK,
    other: Annotated[str, typer.Argument(metavar="OTHER", help="The task to join it with.")],
    called: Annotated[
        str | None,
        typer.Option("--as", metavar="NAME", help="Name of the joined task; otherwise TASK."),
    ] = None,
    same_label: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LABEL", help="Label that means the same in both tasks; may be repeated."
        ),
    ] = None,
    max_drop: Annotated[
        float,
        typer.Option(
            help="Most points of held-out examples with the right task and label that may be lost;"
            " where more are lost, both tasks stay."
        ),
    ] = 1.0,
    json: JSON = False,
) -> None:
    """Make one task of two, without their data.

    Do this where two tasks are confused because they are one topic. The joined task gets a
    closed-form head, because two adapters cannot become one.
    """
    from cfedge.train.change.joining import join as join_tasks
    from cfedge.train.workspace.folder import WorkspaceFolder

    opened, name = WorkspaceFolder(workspace), task if called is None else called
    done = join_tasks(opened, task, other, name, same_labels=same_label or (), max_drop=max_drop)
    held_out, classes = len(done.task.held_out.inputs), done.task.record.classes
    if json:
        found = {"held_out": held_out, "right_before": done.right_before, "right": done.right_now}
        print_json({"task": name, "labels": classes, **found, "tasks": opened.tasks})
        return
    say(
        f"{name}: now one task of {task} and {other}, with {counted(len(classes), 'class')}; of"
        f" {counted(held_out, 'held-out example')} {done.right_before} got the right task and label before and {done.right_now} do"
        " now"
    )


def split(
    workspace: WORKSPACE,
    task: TASK,
    new: Annotated[str, typer.Argument(metavar="NEW", help="Name of the new task.")],
    label: Annotated[
        list[str],
        typer.Option("--class", metavar="LABEL", help="Class that goes to NEW; may be repeated."),
    ],
    json: JSON = False,
) -> None:
    """Give some classes of a task to a new one.

    Nothing is learned: both keep the adapter and the head that the task had.
    """
    from cfedge.train.change.parts import split as split_task
    from cfedge.train.workspace.folder import WorkspaceFolder

    opened = WorkspaceFolder(workspace)
    parts = split_task(opened, task, new, label)
    if json:
        print_json({part.record.name: part.record.classes for part in parts})
        return
    for part in parts:
        say(f"{part.record.name}: has {', '.join(part.record.classes)!s:.200} now")


def remove(
    workspace: WORKSPACE,
    task: TASK,
    label: Annotated[
        str | None,
        typer.Option("--class", help="Remove only this class of the task.", metavar="LABEL"),
    ] = None,
    json: JSON = False,
) -> None:
    """Remove a task, or one of its classes.

    The other tasks stay as they are.
    """
    from cfedge.train.change.edit import remove_class
    from cfedge.train.workspace.folder import WorkspaceFolder

    opened = WorkspaceFolder(workspace)
    if label is None:
        opened.remove(task)
    else:
        remove_class(opened, task, label)
    if json:
        print_json({"removed": task, "class": label, "tasks": opened.tasks})
    elif label is None:
        say(f"{task}: removed; {counted(len(opened.tasks), 'task')} left")
    else:
        left = ", ".join(opened.record(task).classes)
        say(f"{task}: its class {label} is removed; it has {left} left")
