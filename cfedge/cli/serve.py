"""serve: answers over HTTP. Needs ``cfedge[serve]``."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cfedge.cli.answering import FALSE_REJECT, KEEP, KEEP_SIZE, board_threads, keeping
from cfedge.cli.blas import one_blas_thread
from cfedge.cli.quantities import seconds, size_bytes
from cfedge.cli.show import print_json, say
from cfedge.counted import counted

if TYPE_CHECKING:
    from socket import socket

    from cfedge.runtime.engine import Engine
    from cfedge.serve.app import Service
    from cfedge.serve.limits import Limits

__all__ = ["register"]

_OPEN = "is reached from other machines, and nothing here asks who they are: put a proxy before it"


BUNDLE = Annotated[
    Path,
    typer.Argument(
        metavar="BUNDLE", help="Folder that cfedge export wrote, or a store of cfedge sync."
    ),
]
HOST = Annotated[
    str,
    typer.Option(
        help=(
            "Address to listen on. There is no authentication: put a proxy before it"
            " for other machines."
        )
    ),
]
PORT = Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")]
THREADS = Annotated[int, typer.Option(help="Threads of ONNX Runtime.")]
PROFILE = Annotated[
    str | None, typer.Option(help="Board (see cfedge devices) that sets the threads.")
]
WORKERS = Annotated[
    int | None,
    typer.Option(
        min=1,
        help=(
            "Requests that are answered at the same time; otherwise processors divided by threads."
        ),
    ),
]
QUEUE = Annotated[
    int, typer.Option(min=0, help="Requests that may wait; one more is answered with 503.")
]
TIMEOUT = Annotated[
    float,
    typer.Option(
        min=0.1,
        callback=seconds,
        help="Seconds from a request to its answer, waiting included; then 503.",
    ),
]
FOLLOW = Annotated[
    float,
    typer.Option(
        min=0.1, callback=seconds, help="Seconds between checks for a store's newer generation."
    ),
]
SESSIONS = Annotated[
    int,
    typer.Option(
        min=1,
        help=(
            "Most streams of inputs that are kept; clients name theirs in the header"
            " cfedge-session. The one used longest ago makes room."
        ),
    ),
]
MONITOR = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help=(
            "File in which unknown inputs and thin margins are counted; a warning"
            " says when inputs change."
        ),
    ),
]
ALLOW_HOST = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help=(
            "Name of this server that requests may give as their host, beside addresses and"
            " localhost; may be repeated."
        ),
    ),
]
MEMORY = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE",
        help=(
            "Memory that answers may take beyond what the server holds at its start, such as"
            " 500MB; otherwise what the bundle was verified with."
        ),
    ),
]
JSON = Annotated[
    bool,
    typer.Option("--json", help="Print the address that it listens on, as one JSON object."),
]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command(
        "serve",
        epilog=(
            "Example: cfedge serve store --port 8080, then: curl http://127.0.0.1:8080/predict "
            '-H "content-type: application/json" -d \'{"inputs": ["can I have some light here"]}\''
        ),
    )(serve)


def serve(
    bundle: BUNDLE,
    host: HOST = "127.0.0.1",
    port: PORT = 8080,
    threads: THREADS = 1,
    profile: PROFILE = None,
    workers: WORKERS = None,
    queue: QUEUE = 64,
    timeout: TIMEOUT = 10.0,
    follow: FOLLOW = 5.0,
    sessions: SESSIONS = 1_000,
    monitor: MONITOR = None,
    allow_host: ALLOW_HOST = None,
    memory: MEMORY = None,
    keep: KEEP = None,
    keep_size: KEEP_SIZE = None,
    false_reject: FALSE_REJECT = None,
    json: JSON = False,
) -> None:
    """Answer over HTTP.

    SIGTERM or Ctrl-C ends the server; it answers requests under way first.

    POST /predict takes {"inputs": [...]}, or one input by its kind, {"image": "BASE64"}, and
    "task" where it is known; or a picture as the body. GET /health/live, /health/ready and
    /metrics show how the server is. A newer generation of a store is taken up without a pause.
    docs/serving.md has every status and limit.
    """
    one_blas_thread()
    from cfedge.device import usable_cores
    from cfedge.runtime.engine import Engine
    from cfedge.runtime.false_reject import check_monitor, parsed
    from cfedge.serve.app import Service
    from cfedge.serve.limits import Limits

    threads = board_threads(profile, threads)
    check_monitor(monitor, asked := parsed(false_reject))
    engine = Engine.open(bundle, threads=threads, false_reject=asked)
    workers = workers or max(1, usable_cores() // threads)
    engine.warm_up()
    limits = Limits(
        body_bytes=engine.modality.body_bytes,
        queue=queue,
        answer_s=timeout,
        follow_s=follow,
        sessions=sessions,
    )
    with keeping(keep, keep_size, engine) as seen:
        service = Service(
            engine,
            workers=workers,
            limits=limits,
            report=_report,
            monitor=monitor,
            hosts=allow_host or (),
            seen=seen,
        )
        _limit_memory(memory, engine, workers)
        started = partial(_say_where, bundle, engine, workers, json=json)
        _answer_requests(service, limits, host, port, started)


def _answer_requests(
    service: Service, limits: Limits, host: str, port: int, started: Callable[[socket], None]
) -> None:
    """Answer until the process is told to end; `started` is called with the socket."""
    import asyncio

    from cfedge.serve.listening import is_local, listen
    from cfedge.serve.server import Server

    with listen(host, port) as bound:
        if not is_local(bound):
            _report(f"{host} {_OPEN}")
        server = Server(service, limits, partial(started, bound))
        asyncio.run(server.serve(sockets=[bound]))


def _limit_memory(given: str | None, engine: Engine, workers: int) -> None:
    from cfedge.serve.memory import limit_memory, room_for

    limit_memory(size_bytes(given, "--memory") if given else room_for(_file_bytes(engine), workers))


def _say_where(bundle: Path, engine: Engine, workers: int, bound: socket, *, json: bool) -> None:
    if json:
        _print_address(bound, engine, workers)
        return
    what = f"{counted(len(engine.tasks), 'task')} of {bundle} at {_url(bound)}"
    _report(f"{what}, {counted(workers, 'request')} at a time; stop with Ctrl-C")


def _print_address(bound: socket, engine: Engine, workers: int) -> None:
    tasks = len(engine.tasks)
    print_json({"url": _url(bound), "pid": os.getpid(), "tasks": tasks, "workers": workers})


def _url(bound: socket) -> str:
    address, port = bound.getsockname()[:2]
    return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"


def _file_bytes(engine: Engine) -> int:
    return sum({ref.sha256: ref.size for ref in engine.manifest.files().values()}.values())


def _report(line: str) -> None:
    say(f"cfedge: {line}", error=True)
