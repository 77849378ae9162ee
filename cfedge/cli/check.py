"""check: the command that looks at data before anything is learned of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from cfedge.cli.evidence import JSON
from cfedge.cli.show import print_json, say
from cfedge.counted import counted
from cfedge.errors import DataError, UsageError
from cfedge.kinds import KINDS

if TYPE_CHECKING:
    from cfedge.train.examples.data_check import Fault

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("check", epilog="Example: cfedge check lighting.csv")(check)


def check(
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA",
            help="A file of labelled examples, or a folder of splits, labels or tasks.",
        ),
    ],
    input_column: INPUT_COLUMN = INPUT,
    label_column: LABEL_COLUMN = "label",
    group_column: GROUP_COLUMN = None,
    encoding: ENCODING = None,
    kind: Annotated[
        str | None,
        typer.Option(
            "--input",
            metavar="KIND",
            help=f"What the inputs are: {', '.join(KINDS)}; otherwise cfedge finds it out.",
        ),
    ] = None,
    json: JSON = False,
) -> None:
    """List every fault of the data, with its line.

    Nothing is learned and nothing is changed. The exit code is 3 if there is a fault.
    """
    from cfedge.train.examples.data_check import check as look_at

    named = columns(input_column, label_column, group_column)
    report = look_at(data, named, encoding, _known(kind))
    if json:
        faults = [{"where": fault.where, "found": fault.found} for fault in report.faults]
        print_json(
            {
                "rows": report.rows,
                "classes": dict(report.classes),
                "tasks": {task: dict(classes) for task, classes in report.tasks.items()},
                "faults": faults,
                "notes": list(report.notes),
            }
        )
        if report.faults:
            raise typer.Exit(DataError.exit_code)
        return
    tell(report.notes)
    for fault in report.faults:
        say(str(fault))
    if not report.rows:
        _end(data, report.faults)
        return
    good = "" if report.faults else "; no faults"
    if report.tasks:
        tasks = counted(len(report.tasks), "task")
        for task, classes in report.tasks.items():
            say(f"{task}: {_counts(classes)}")
        say(f"{data}: {tasks}, {counted(report.rows, 'row')}{good}")
    else:
        say(f"{data}: {_counts(report.classes)}{good}")
    _end(data, report.faults)


def _counts(classes: Mapping[str, int]) -> str:
    """Return how many rows there are, of how many classes, and of the first of these."""
    counts = ", ".join(f"{name[:40]} {count}" for name, count in list(classes.items())[:10])
    more = f" and {len(classes) - 10} more" if len(classes) > 10 else ""
    rows = counted(sum(classes.values()), "row")
    return f"{rows} of {counted(len(classes), 'class')}{f' ({counts}{more})' if classes else ''}"


def _known(kind: str | None) -> str | None:
    if kind is not None and kind not in KINDS:
        raise UsageError(
            f"--input: expected one of {', '.join(KINDS)}, found {kind!r}; name one of them"
        )
    return kind


def _end(data: Path, faults: Sequence[Fault]) -> None:
    if faults:
        say(f"{data}: {counted(len(faults), 'fault')}", error=True)
        raise typer.Exit(DataError.exit_code)
