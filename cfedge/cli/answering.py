"""Options of the commands that open a bundle to answer, and what they mean."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cfedge.cli.quantities import size_bytes
from cfedge.cli.show import say
from cfedge.errors import UsageError

if TYPE_CHECKING:
    from cfedge.kept.keeper import Keeper
    from cfedge.runtime.answers import Seen
    from cfedge.runtime.engine import Engine

BUNDLE = Annotated[
    Path,
    typer.Argument(
        metavar="BUNDLE", help="Folder that cfedge export wrote, or a store of cfedge sync."
    ),
]
ADAPTER_MEMORY = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE",
        help=(
            "Memory for adapters, such as 16MB; others are read from the disk when"
            " needed. No limit unless given."
        ),
    ),
]
JSON = Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")]
KEEP = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help=(
            "Folder that keeps inputs that were not known, encrypted, for cfedge console."
            " Without it nothing is kept."
        ),
    ),
]
KEEP_SIZE = Annotated[
    str | None,
    typer.Option(metavar="SIZE", help="Most that --keep may hold, such as 64MB (the default)."),
]
FALSE_REJECT = Annotated[
    list[str] | None,
    typer.Option(
        "--false-reject",
        metavar="RATE",
        help=(
            "Share of a task's own inputs that may be called unknown, from .005 to .3; or TASK=RATE"
            " for one task, and again for another. Otherwise the share that export set. Of the"
            " shares that export measured, the largest that is not above yours holds; --json says"
            " which."
        ),
    ),
]


def opened_keeper(keep: Path | None, keep_size: str | None, engine: Engine) -> Keeper | None:
    """Return what keeps inputs in the folder of ``--keep``; None where it was not given."""
    if keep is None:
        if keep_size is not None:
            raise UsageError("--keep-size: expected --keep beside it, found none; add it")
        return None
    from cfedge.kept.keeper import Keeper

    size_of = None if keep_size is None else size_bytes(keep_size, "--keep-size")
    return Keeper.open(keep, engine, lambda line: say(f"cfedge: {line}", error=True), size_of)


@contextmanager
def keeping(keep: Path | None, keep_size: str | None, engine: Engine) -> Iterator[Seen | None]:
    """Give what keeps inputs in the folder of ``--keep`` while they are answered; None without it."""
    keeper = opened_keeper(keep, keep_size, engine)
    try:
        yield keeper.see if keeper else None
    finally:
        if keeper:
            keeper.inputs.close()


def board_threads(profile: str | None, threads: int) -> int:
    """Return the threads of the board that ``--profile`` names, or `threads` where it names none."""
    if profile is None:
        return threads
    from cfedge.device import load_profile

    return load_profile(profile).threads.value


def adapter_limit(adapter_memory: str | None) -> int | None:
    """Return the bytes that ``--adapter-memory`` states."""
    return None if adapter_memory is None else size_bytes(adapter_memory, "--adapter-memory")
