"""serve: answers over HTTP. Needs ``cfedge[serve]``."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cfedge.cli.blas import one_blas_thread
from cfedge.cli.quantities import size_bytes
from cfedge.cli.show import print_json, say

if TYPE_CHECKING:
    from cfedge.runtime.engine import Engine

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command(
        "serve",
        epilog=(
            "Example: cfedge serve store --port 8080, then: curl http://127.0.0.1:8080/predict "
            '-H "content-type: application/json" -d \'{"text": "it is too dark in here"}\''
        ),
    )(serve)


def serve(
    bundle: Annotated[
        Path,
        typer.Argument(
            metavar="BUNDLE", help="Folder that cfedge export wrote, or a store of cfedge sync."
        ),
    ],
    host: Annotated[
        str,
        typer.Option(
            help=(
                "Address to listen on. There is no authentication: put a proxy before it"
                " for other machines."
            )
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")
    ] = 8080,
    threads: Annotated[int, typer.Option(help="Threads of ONNX Runtime.")] = 1,
    profile: Annotated[
        str | None, typer.Option(help="Board of devices/ that sets the threads.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            help=(
                "Requests that are answered at once; processors divided by threads unless given."
            ),
        ),
    ] = None,
    queue: Annotated[
        int, typer.Option(min=0, help="Requests that may wait; one more is answered with 503.")
    ] = 64,
    timeout: Annotated[
        float,
        typer.Option(
            min=0.1, help="Seconds from a request to its answer, waiting included; then 503."
        ),
    ] = 10.0,
    follow: Annotated[
        float,
        typer.Option(min=0.1, help="Seconds between checks for a store's newer generation."),
    ] = 5.0,
    monitor: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help=(
                "File in which unknown inputs and thin margins are counted; a warning"
                " says when inputs change."
            ),
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help=(
                "Name of this server that requests may carry as their host, beside addresses and"
                " localhost; may be given several times."
            ),
        ),
    ] = None,
    memory: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            help=(
                "Memory that answers may take beyond what the server has when it begins, such as"
                " 500MB; what the bundle was verified with unless given."
            ),
        ),
    ] = None,
    json: Annotated[
        bool,
        typer.Option("--json", help="Print the address that it listens on, as one JSON object."),
    ] = False,
) -> None:
    """Answer over HTTP.

    It ends on SIGTERM or Ctrl-C; requests under way are answered first.

    POST /predict takes {"text": "..."} or {"inputs": [...]}, and "task" where it is known; the
    answers are those of predict --json. GET /health/live, /health/ready, /metrics (Prometheus). A
    store is followed: a newer generation answers without a pause. docs/serving.md has statuses and
    limits.
    """
    one_blas_thread()
    from cfedge.device import load_profile, usable_cores
    from cfedge.runtime.engine import Engine
    from cfedge.serve.app import Service
    from cfedge.serve.limits import Limits
    from cfedge.serve.memory import limit_memory, room_for
    from cfedge.serve.server import Server, is_local, listen

    threads = load_profile(profile).threads.value if profile else threads
    engine = Engine.open(bundle, threads=threads)
    workers = workers or max(1, usable_cores() // threads)
    limits = Limits(queue=queue, answer_s=timeout, follow_s=follow)
    engine.warm_up()
    service = Service(
        engine,
        workers=workers,
        limits=limits,
        report=_report,
        monitor=monitor,
        hosts=allow_host or (),
    )
    room = None if memory is None else size_bytes(memory, "--memory")
    limit_memory(room_for(_file_bytes(engine), workers) if room is None else room)
    with listen(host, port) as bound:
        address, taken = bound.getsockname()[:2]
        url = f"http://[{address}]:{taken}" if ":" in address else f"http://{address}:{taken}"

        def started() -> None:
            if not is_local(bound):
                _report(
                    f"{address} is reached from other machines, and nothing here asks who they are:"
                    " put a proxy before it"
                )
            if json:
                print_json(
                    {"url": url, "pid": os.getpid(), "tasks": len(engine.tasks), "workers": workers}
                )
            else:
                _report(
                    f"{len(engine.tasks)} tasks of {bundle} at {url}, {workers} at once; stop with"
                    " Ctrl-C"
                )

        asyncio.run(Server(service, limits, started).serve(sockets=[bound]))


def _file_bytes(engine: Engine) -> int:
    return sum({ref.sha256: ref.size for ref in engine.manifest.files().values()}.values())


def _report(line: str) -> None:
    say(f"cfedge: {line}", error=True)
