"""What rich draws: tables, and bars of progress. `cfedge.cli.show` loads it where something is
drawn: loading rich takes longer than many a command does.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from cfedge.printable import escaped

__all__ = ["bar", "draw_table"]

#: Characters of a line, more than any table here has.
_AS_WIDE_AS_IT_GETS = 100_000


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leave it to `cfedge.cli.streams`: rich would end with 1."""
        raise BrokenPipeError


def draw_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table as it is, without markup; numbers to the right."""
    table = Table(title=escaped(title), title_justify="left", header_style="bold")
    for position, column in enumerate(columns):
        numeric = all(
            not isinstance(row[position], str) or _looks_numeric(row[position]) for row in rows
        )
        table.add_column(
            escaped(column),
            justify="right" if numeric and position else "left",
            overflow="fold",
        )
    for row in rows:
        table.add_row(*("-" if value is None else escaped(str(value)) for value in row))
    _Console(width=_width(), markup=False, emoji=False, highlight=False).print(table)


def _width() -> int | None:
    """Return how wide a table may be: as the terminal is (None), or as COLUMNS says; elsewhere, where
    programs read lines, as wide as it gets.
    """
    asked = os.environ.get("COLUMNS", "")
    if sys.stdout.isatty() or (asked.isdecimal() and int(asked) > 0):
        return None
    return _AS_WIDE_AS_IT_GETS


@contextmanager
def bar(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a bar with the time left on standard error; what is yielded advances it."""
    columns = (
        TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("left"),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=False) as progress:
        task = progress.add_task(escaped(title), total=total)
        yield lambda steps: progress.advance(task, steps)


def _looks_numeric(cell: object) -> bool:
    return str(cell)[:1].isdigit() or str(cell)[:1] in "-.<+"
