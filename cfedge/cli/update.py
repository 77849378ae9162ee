"""update: more examples or classes for a task that was taught."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
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
from cfedge.cli.evidence import JSON, TASK, WORKSPACE
from cfedge.cli.show import TerminalProgress, print_json, say
from cfedge.counted import counted

if TYPE_CHECKING:
    from cfedge.train.certify.certificates import Certificates
    from cfedge.train.change.update import Updated
    from cfedge.train.learn.new_examples import Contradicted

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("update", epilog="Example: cfedge update ws lighting --data more.csv")(update)


def update(
    workspace: WORKSPACE,
    task: TASK,
    data: Annotated[
        Path,
        typer.Option(
            help="The new examples alone, with known or new labels; what was learned stays."
        ),
    ],
    held_out: Annotated[
        Path | None,
        typer.Option(help="New held-out examples; otherwise a share of the data is held out."),
    ] = None,
    max_drop: Annotated[
        float,
        typer.Option(
            help="Most points of accuracy that the task may lose on its old held-out examples; where"
            " it loses more, the old version stays.",
        ),
    ] = 1.0,
    input_column: INPUT_COLUMN = INPUT,
    label_column: LABEL_COLUMN = "label",
    group_column: GROUP_COLUMN = None,
    encoding: ENCODING = None,
    json: JSON = False,
) -> None:
    """Add examples or classes to a task.

    The task's old data are not needed. Its adapter stays. Its head is made anew, from the
    statistics of all earlier examples and from the new ones.
    """
    from cfedge.train.certify.advice import advice
    from cfedge.train.certify.certificates import certificates
    from cfedge.train.change.update import update as teach_more
    from cfedge.train.examples.data import load, load_file
    from cfedge.train.workspace.folder import WorkspaceFolder

    opened, read = WorkspaceFolder(workspace), columns(input_column, label_column, group_column)
    kind = opened.kind
    loaded = load(data, read, encoding, kind)
    tell(loaded.notes)
    new = teach_more(
        opened,
        task,
        loaded.train,
        load_file(held_out, read._replace(group=None), encoding, kind)
        if held_out
        else loaded.held_out,
        max_drop=max_drop,
        progress=TerminalProgress(f"{task}: "),
    )
    certified = certificates(opened, [task]).of([task])
    if json:
        print_json(_record(task, new, certified))
        return
    say(_updated(task, new))
    if new.contradicted:
        say(_contradicted(task, new.contradicted))
    for line in advice(certified, {task: loaded}, workspace=str(workspace)):
        say(line)


def _record(name: str, new: Updated, certified: Certificates) -> dict[str, object]:
    """Return what ``--json`` prints: the task's certificate, and what the update did."""
    return {
        **certified.tasks[name].record(),
        "overlaps": [dataclasses.asdict(pair) for pair in certified.overlaps],
        "left_out": new.again,
        "contradicted": len(new.contradicted),
    }


def _updated(name: str, new: Updated) -> str:
    classes = counted(len(new.added), "new class")
    added = f"{classes} ({', '.join(new.added)!s:.120})" if new.added else "no new class"
    right = (new.task.held_out.answers == new.task.held_out.classes).tolist()
    fresh = right[new.old_held_out :]
    doubt = (
        f", and of the new ones alone {sum(fresh)} of {len(fresh)}: look whether their labels mean"
        " what the old ones do"
    )
    again = f"; {new.again} that it had before were left out" if new.again else ""
    return (
        f"{name}: learned {counted(new.examples, 'more example')}, {added}{again}; it now stands on"
        f" {new.task.record.examples}. With the task given, the old version answered"
        f" {new.right_before} of its {new.old_held_out} old held-out examples rightly and the new"
        f" one {new.right_now}; of all {len(right)}, old and new, it answers {sum(right)}"
        f"{doubt if 2 * sum(fresh) < len(fresh) else ''}"
    )


def _contradicted(name: str, found: Sequence[Contradicted]) -> str:
    value, before, now = found[0]
    were = "was" if len(found) == 1 else "were"
    return (
        f"{name}: {counted(len(found), 'input')} that it is judged by {were} learned with another"
        f" label, the first {str(value)!r:.80} ({before!r:.80} before, {now!r:.80} now). What it is"
        f" judged by keeps the label that it had; if that was wrong, learn the task anew: cfedge add"
        " --replace"
    )
