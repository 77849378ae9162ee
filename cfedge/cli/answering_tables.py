"""How ``predict --data`` shows the answers to a table: the table again, with columns beside its own."""

from __future__ import annotations

import csv
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cfedge.cli.data import tell
from cfedge.cli.show import print_json, say
from cfedge.cli.streams import guarded
from cfedge.counted import counted
from cfedge.errors import UsageError
from cfedge.outside import check_file
from cfedge.printable import escaped
from cfedge.storage import new_file

if TYPE_CHECKING:
    from cfedge.runtime.answers import Answers

__all__ = ["DATA", "OUT", "answer_table", "check_table"]

_FORMULAS = (
    "with a cell that begins with =, +, - or @, which spreadsheet programs take for a formula; have it"
    " import each column as it stands"
)
DATA = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help=(
            "Table whose rows are answered, of any format that add reads. It goes to standard"
            " output as CSV, with the answers beside."
        ),
    ),
]
OUT = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="New file for the output of --data, instead of standard output."
    ),
]


def check_table(
    data: Path | None,
    out: Path | None,
    inputs: list[str] | None,
    of_tables: dict[str, bool],
    of_lines: dict[str, bool],
    *,
    several: bool,
    json: bool,
) -> None:
    """Refuse options that cannot go together, before a bundle is opened.

    Parameters
    ----------
    of_tables, of_lines
        Options that mean nothing without a table, and beside one, and whether they were given.
    several
        More than one answer a row was asked for.

    Raises
    ------
    UsageError
        Naming them.
    """
    for option, given in of_tables.items():
        if data is None and given:
            raise UsageError(f"{option}: expected --data beside it, found none; add it")
    for option, given in of_lines.items():
        if data is not None and given:
            raise UsageError(
                f"{option}: expected lines of standard input, found --data; leave it out, the inputs"
                " of a table are always taken as they stand"
            )
    if data is not None and several and not json:
        raise UsageError(
            "--data: expected --json where several answers are asked for, found CSV, which has one"
            " in each row; add --json, or leave --top and --coverage out"
        )
    if data is not None and data.is_dir():
        raise UsageError(
            f"--data: expected a table, found the folder {str(data)!r}; to have its files answered,"
            " name it without --data"
        )
    if data is not None and inputs:
        raise UsageError("--data: expected no inputs beside it, found some; leave it or them out")
    if out is not None:
        check_file(out, "--out")
    if out is not None and os.path.lexists(out):
        raise UsageError(f"--out: expected a new file, found {str(out)!r} there; choose another")


def answer_table(
    answers: Answers,
    data: Path,
    column: str,
    encoding: str | None,
    out: Path | None,
    *,
    json: bool,
) -> int:
    """Answer a table, and count the rows that could not be."""
    from cfedge.runtime.answered_table import answered_table

    table = answered_table(answers, data, column, encoding)
    refused = formulas = 0
    with _target(out) as stream:
        write = csv.writer(stream, lineterminator="\n").writerow
        if not json:
            write(table.header)
        for row in table.rows:
            refused += row.answer is None
            if json:
                answer: dict[str, Any] = row.answer or {"error": row.error}
                print_json({"row": row.number, **answer}, stream)
            else:
                write(map(escaped, row.cells) if stream.isatty() else row.cells)
                formulas += any(map(_is_formula, row.cells))
            if row.answer is None:
                say(f"cfedge: {row.error}", error=True)
            for alarm in row.alarms:
                say(f"cfedge: {alarm}", error=True)
    tell(table.reading.notes)
    if formulas:
        tell([f"{counted(formulas, 'row')} {_FORMULAS}"])
    return refused


def _is_formula(cell: str) -> bool:
    """Whether a spreadsheet program would reckon with a cell of CSV, numbers apart."""
    if not cell.startswith(("=", "+", "-", "@", "\t", "\r")):
        return False
    try:
        float(cell)
    except ValueError:
        return True
    return False


@contextmanager
def _target(out: Path | None) -> Iterator[Any]:
    """Give what to write to. A file has its name once it is whole; an unfinished one is gone."""
    if out is None:
        with guarded():
            yield sys.stdout
        return
    with new_file(out) as file:
        stream = io.TextIOWrapper(file, "utf-8", "backslashreplace", newline="")
        yield stream
        stream.flush()
