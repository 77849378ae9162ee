"""How commands print: JSON, tables, progress with time left. Used by the command groups alone."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TextIO

import typer

from cfedge.cli.streams import is_utf8
from cfedge.printable import escaped, is_printable

__all__ = ["PLOT", "TerminalProgress", "print_json", "print_table", "say"]


def _drawable(path: Path | None) -> Path | None:
    """Refuse, before anything is measured, what could not be drawn."""
    if path is not None:
        from cfedge.plot.figure import check

        check(path)
    return path


PLOT = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        callback=_drawable,
        help="Draw a picture into this file: .svg, .png or .pdf. Needs cfedge[plot].",
    ),
]


def say(line: str, *, error: bool = False) -> None:
    """Print a line for people, its odd characters escaped, and flush it.

    Parameters
    ----------
    error
        Print it on standard error.
    """
    print(escaped(line), file=sys.stderr if error else sys.stdout, flush=True)


def print_json(value: object, file: TextIO | None = None) -> None:
    """Print one JSON document on one line and flush it; to standard output unless a file is given."""
    line = json.dumps(value, ensure_ascii=file is None and not is_utf8(), allow_nan=False)
    if not is_printable(line):  # as any JSON reader reads it back; in strings alone can they stand
        line = "".join(one if is_printable(one) else json.dumps(one)[1:-1] for one in line)
    print(line, file=file, flush=True)


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table as it is, without markup; numbers to the right."""
    from cfedge.cli.drawing import draw_table

    draw_table(title, columns, rows)


class TerminalProgress:
    """`cfedge.progress.Progress` on a terminal's standard error; where that is no terminal, one
    line a stage.
    """

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix

    @contextmanager
    def track(self, title: str, total: int) -> Iterator[Callable[[int], None]]:
        """Show one stage."""
        title = f"{self._prefix}{title}"
        if not sys.stderr.isatty():
            say(f"{title} ...", error=True)
            yield lambda steps: None
            return
        from cfedge.cli.drawing import bar

        with bar(title, total) as advance:
            yield advance
