"""report: one file that shows what a workspace, a bundle or a store is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cfedge.cli.blas import one_blas_thread
from cfedge.cli.show import TerminalProgress, say
from cfedge.counted import size
from cfedge.kinds import KINDS

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("report", epilog="Example: cfedge report ws --out report.html")(report)


def report(
    folder: Annotated[
        Path,
        typer.Argument(metavar="WS|BUNDLE|STORE", help="Folder of a workspace, bundle or store."),
    ],
    out: Annotated[
        Path,
        typer.Option(metavar="FILE", help="HTML file to write; an earlier report is replaced."),
    ] = Path("report.html"),
    json: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="Also write the same data as JSON."),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="An earlier report, HTML or JSON; the page says what changed since.",
        ),
    ] = None,
    unknown: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help=(
                "File of inputs of no task, for the report of a workspace, whose column is named"
                f" after their kind ({', '.join(KINDS)}), or a folder of pictures or arrays."
            ),
        ),
    ] = None,
    bench: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What cfedge bench --json printed.")
    ] = None,
    parity: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What cfedge export --json printed.")
    ] = None,
    monitor: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What cfedge predict --monitor wrote.")
    ] = None,
) -> None:
    """Write one page that shows everything.

    The page opens in any browser, from the disk and without a network: tasks, certificates, which
    tasks and classes are confused, thresholds of unknown inputs, and a map of the classes.

    The report of a workspace shows held-out inputs. The report of a bundle or store shows nothing
    that the bundle does not hold.
    """
    one_blas_thread()
    from cfedge.report.files import write_report

    written = write_report(
        folder, out, json=json, against=against, unknown=unknown, bench=bench, parity=parity, monitor=monitor,
        progress=TerminalProgress(),
    )  # fmt: skip
    say(f"{out}: {size(written.page_bytes)}; open it in a browser")
    if not written.comparable:
        say(f"note: {out} is too large for a later report --against it")
