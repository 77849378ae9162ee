"""Rows of a table of labelled texts -> `Examples`: which columns are asked for, and what a cell may
hold.

A row knows its line, so that whatever is wrong with it is named by line. Which kind of file the
rows come from is elsewhere (`cfedge.train.data`, `cfedge.train.saved_datasets`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from cfedge.errors import DataError
from cfedge.inputs.text.data import check_text
from cfedge.train.examples import Examples

__all__ = ["Columns", "Row", "Table", "check_columns", "examples_of", "parsed"]


class Columns(NamedTuple):
    """The columns that are read: the input's, and the label's and the task's where they are asked
    for.
    """

    text: str = "text"
    label: str | None = "label"
    task: str | None = None

    @property
    def wanted(self) -> tuple[str, ...]:
        """Names of those that are asked for."""
        return tuple(name for name in self if name is not None)


class Row(NamedTuple):
    """One row's cells, as the file holds them, and its line."""

    line: int
    text: object
    label: object = None
    task: object = None


class Table(NamedTuple):
    """What one parse of a file gives: of each row its input, its label and its task.

    `labels` and `tasks` are empty where they were not asked for.
    """

    texts: tuple[str, ...]
    labels: tuple[str, ...]
    tasks: tuple[str, ...]
    source: str


def check_columns(found: Sequence[str], columns: Columns, where: str) -> None:
    """Refuse a table that lacks a column, or has it twice.

    Raises
    ------
    DataError
        Naming the column, and the columns that are there.
    """
    twice = [name for name in columns.wanted if found.count(name) > 1]
    if twice:
        raise DataError(
            f"{where}: expected one column {twice[0]}, found {found.count(twice[0])}; remove or"
            " rename the others"
        )
    missing = [name for name in columns.wanted if name not in found]
    if missing == [columns.task]:
        raise DataError(
            f"{where}: expected a column {columns.task}, found {', '.join(found) or 'none'}; add"
            " it or split by --tasks N"
        )
    if missing:
        raise DataError(
            f"{where}: expected the columns {' and '.join(columns.wanted)}, found"
            f" {', '.join(found) or 'none'}; missing: {', '.join(missing)}"
        )


def parsed(rows: Iterable[Row], columns: Columns, source: str) -> Table:
    """Check every cell that is asked for.

    Raises
    ------
    DataError
        Naming the line and what is wrong with the cell; or there are no rows.
    """
    kept: list[tuple[str, ...]] = []
    for row in rows:
        cells = [("text", row.text)]
        if columns.label is not None:
            cells.append(("label", row.label))
        if columns.task is not None:
            cells.append(("task", row.task))
        kept.append(tuple(_cell(name, value, source, row.line) for name, value in cells))
    if not kept:
        raise DataError(f"{source}: expected examples, found none")
    texts, *others = (tuple(column) for column in zip(*kept, strict=True))
    labels = others.pop(0) if columns.label is not None else ()
    return Table(texts, labels, others[0] if others else (), source)


def examples_of(table: Table) -> Examples:
    """Return a table's inputs and labels."""
    return Examples(table.texts, table.labels, table.source)


def _cell(name: str, value: object, source: str, line: int) -> str:
    cell = check_text(value, name, f"{source}, line {line}")
    return cell if name == "text" else cell.strip()
