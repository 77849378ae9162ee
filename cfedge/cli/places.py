"""The options that say where work is done: processes on this machine, or a cluster."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["JOBS", "ON"]

JOBS = Annotated[int, typer.Option(help="Processes on this machine that share the work.")]
ON = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help=(
            "The cluster that does the work: dask://HOST:8786, or dask+tls://... Needs"
            " cfedge[cluster]."
        ),
    ),
]
