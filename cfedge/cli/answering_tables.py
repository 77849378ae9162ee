"""How ``predict --data`` shows the answers to a table: the table again, with columns beside its own."""

from __future__ import annotations

import csv
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cfedge.cli.data import INPUT, tell
from cfedge.cli.show import print_json, say
from cfedge.cli.streams import guarded
from cfedge.counted import counted
from cfedge.errors import UsageError
from cfedge.outside import check_file
from cfedge.printable import escaped
from cfedge.storage import new_file

if TYPE_CHECKING:
    from cfedge.runtime.answers import Answers

__all__ = ["AskedTable", "DATA", "OUT", "answer_table"]

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


@dataclass(frozen=True)
class AskedTable:
    """What ``--data`` and its options ask for; `data` is None where no table is asked for."""

    data: Path | None
    column: str
    encoding: str | None
    out: Path | None

    def check(self, inputs: list[str] | None, *, plain: bool, several: bool, json: bool) -> None:
        """Refuse options that cannot go together, before a bundle is opened.

        Parameters
        ----------
        inputs, plain, json
            What else was given: inputs, ``--plain`` and ``--json``.
        several
            More than one answer a row was asked for.

        Raises
        ------
        UsageError
            Naming them.
        """
        if self.data is None:
            self._check_absent()
        else:
            _check_beside(self.data, inputs, plain=plain, several=several, json=json)
        if self.out is not None:
            check_file(self.out, "--out")
            if os.path.lexists(self.out):
                raise UsageError(
                    f"--out: expected a new file, found {str(self.out)!r} there; choose another"
                )

    def _check_absent(self) -> None:
        """Refuse options that mean nothing without a table."""
        given = {
            "--out": self.out is not None,
            "--input-column": self.column != INPUT,
            "--encoding": self.encoding is not None,
        }
        for option in (option for option, is_given in given.items() if is_given):
            raise UsageError(f"{option}: expected --data beside it, found none; add it")


def _check_beside(
    data: Path, inputs: list[str] | None, *, plain: bool, several: bool, json: bool
) -> None:
    """Refuse what cannot stand beside a table."""
    if plain:
        raise UsageError(
            "--plain: expected lines of standard input, found --data; leave it out, the inputs"
            " of a table are always taken as they stand"
        )
    if several and not json:
        raise UsageError(
            "--data: expected --json where several answers are asked for, found CSV, which has one"
            " in each row; add --json, or leave --top and --coverage out"
        )
    if data.is_dir():
        raise UsageError(
            f"--data: expected a table, found the folder {str(data)!r}; to have its files answered,"
            " name it without --data"
        )
    if inputs:
        raise UsageError("--data: expected no inputs beside it, found some; leave it or them out")


def answer_table(answers: Answers, data: Path, asked: AskedTable, *, json: bool) -> int:
    """Answer the rows of `data`, and count those that could not be."""
    from cfedge.runtime.answered_table import answered_table

    table = answered_table(answers, data, asked.column, asked.encoding)
    refused = formulas = 0
    with _target(asked.out) as stream:
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
