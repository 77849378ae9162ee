"""The options of every command that reads data, and how what was assumed of them is told."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from cfedge.cli.show import say
from cfedge.kinds import DEFAULT_KIND, KINDS

if TYPE_CHECKING:
    from cfedge.train.examples.rows import Columns

__all__ = ["ENCODING", "GROUP_COLUMN", "INPUT", "INPUT_COLUMN", "LABEL_COLUMN", "columns", "tell"]

#: What the column of the inputs is called where nothing is said; other kinds have a name of their
#: own.
INPUT = DEFAULT_KIND
INPUT_COLUMN = Annotated[
    str,
    typer.Option(
        "--input-column",
        *(f"--{kind}-column" for kind in KINDS),
        metavar="NAME",
        help="The column of the data that holds the inputs, or the paths of their files.",
    ),
]
LABEL_COLUMN = Annotated[
    str, typer.Option(metavar="NAME", help="The column of the data that holds the labels.")
]
GROUP_COLUMN = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help=(
            "The column that says what belongs together, such as a video or a person: no split"
            " cuts through it."
        ),
    ),
]
ENCODING = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="The encoding of the files, such as cp1252; otherwise cfedge finds it out.",
    ),
]


def columns(inputs: str, label: str, group: str | None = None) -> Columns:
    """Return which columns are read."""
    from cfedge.train.examples.rows import Columns

    return Columns(inputs, label, group=group)


def tell(notes: Iterable[str]) -> None:
    """Print what was assumed of data, on standard error."""
    for note in notes:
        say(f"note: {note}", error=True)
