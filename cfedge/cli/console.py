"""console: a page on this machine to try, review and teach. Needs ``cfedge[console]``."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from cfedge.cli.answering import KEEP, KEEP_SIZE, opened_keeper
from cfedge.cli.blas import one_blas_thread
from cfedge.cli.show import print_json, say

__all__ = ["register"]

ANSWERS = Annotated[
    Path,
    typer.Argument(
        metavar="BUNDLE|STORE",
        help="Folder that cfedge export wrote, or a store of cfedge sync: what answers.",
    ),
]
WORKSPACE = Annotated[
    Path | None,
    typer.Argument(
        metavar="[WS]", help="Workspace of the bundle's tasks; without it the page cannot teach."
    ),
]
PORT = Annotated[
    int,
    typer.Option(min=0, max=65535, help="Port of this machine to listen on; 0 takes a free one."),
]
MONITOR = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="File that predict or serve writes with --monitor; the page watches it.",
    ),
]
REPO = Annotated[
    Path | None,
    typer.Option(
        "--repo",
        metavar="REPO",
        help="Repository that changes are published to; needed with a store.",
    ),
]
KEYS = Annotated[Path | None, typer.Option("--keys", help="The folder that cfedge keys init made.")]
CHANNEL = Annotated[str, typer.Option(help="Name of the channel that is published to.")]
ALLOW_HOST = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="Name of this machine that requests may give as their host; may be repeated.",
    ),
]
SYNTHETIC = Annotated[
    bool,
    typer.Option(
        "--synthetic-golden",
        help=(
            "Make golden vectors of made-up pictures or arrays, so that none of yours travels"
            " with a bundle; sentences cannot be made up."
        ),
    ),
]
THREADS = Annotated[int, typer.Option(help="Threads of ONNX Runtime.")]
JSON = Annotated[
    bool, typer.Option("--json", help="Print the address and the key as one JSON object.")
]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("console", epilog="Example: cfedge console bundle ws --keep kept")(console)


def console(
    answers: ANSWERS,
    workspace: WORKSPACE = None,
    keep: KEEP = None,
    keep_size: KEEP_SIZE = None,
    monitor: MONITOR = None,
    repo: REPO = None,
    keys: KEYS = None,
    channel: CHANNEL = "stable",
    port: PORT = 8090,
    synthetic_golden: SYNTHETIC = False,
    allow_host: ALLOW_HOST = None,
    threads: THREADS = 1,
    json: JSON = False,
) -> None:
    """Try, review and teach in a browser.

    The page opens on this machine alone, with the link that is printed. It shows, in groups of
    alike inputs, what predict, serve and the console kept with --keep because it was not known.
    You give the inputs labels, and a task is taught in the background. Nothing new answers until
    you switch it on. Ctrl-C ends the page; a task that is being taught goes on.
    """
    one_blas_thread()
    import asyncio

    from cfedge.console.activation import Place
    from cfedge.console.app import Console
    from cfedge.console.live import Live
    from cfedge.serve.listening import listen
    from cfedge.serve.server import Server

    place = Place.checked(
        answers,
        workspace,
        repository=repo,
        keys=keys,
        channel=channel,
        synthetic_golden=synthetic_golden,
    )
    live = Live(answers, _report, threads=threads)
    keeper = opened_keeper(keep, keep_size, live.engine)
    with listen("127.0.0.1", port) as bound:
        taken = int(bound.getsockname()[1])
        made = Console(
            place,
            live,
            report=_report,
            keeper=keeper,
            monitor=monitor,
            hosts=allow_host or (),
            port=taken,
        )
        started = partial(_say_where, taken, made.access.key, answers, json=json)
        asyncio.run(Server(made, made.limits, started).serve(sockets=[bound]))


def _report(line: str) -> None:
    say(f"cfedge: {line}", error=True)


def _say_where(port: int, key: str, answers: Path, *, json: bool) -> None:
    url = f"http://127.0.0.1:{port}"
    if json:
        print_json({"url": url, "key": key, "pid": os.getpid()})
        return
    say(f"open {url}/#{key}")
    _report(f"whoever has this link acts as you; {answers} answers; stop with Ctrl-C")
