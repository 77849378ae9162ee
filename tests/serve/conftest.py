"""Real servers on loopback: in a thread, with limits to choose, and in a process of its own, as the
command line starts it.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cfedge import Engine
from cfedge.serve.app import Service
from cfedge.serve.limits import Limits
from cfedge.serve.server import Server, listen


@dataclass
class Served:
    url: str
    engine: Engine
    service: Service
    server: Server
    said: list[str]
    thread: threading.Thread = field(repr=False)

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(30)
        assert not self.thread.is_alive()


def start(path: Path, *, workers: int = 2, monitor: Path | None = None, **limits: Any) -> Served:
    """Start a server in a thread."""
    allowed, said = Limits(**limits), []
    engine = Engine.open(path)
    engine.warm_up()
    service = Service(engine, workers=workers, limits=allowed, report=said.append, monitor=monitor)
    bound, server = listen("127.0.0.1", 0), Server(service, allowed)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[bound])))
    url = f"http://127.0.0.1:{bound.getsockname()[1]}"
    thread.start()
    return Served(url, engine, service, server, said, thread)


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    """Start servers; they are stopped, and must stop, at the end."""
    started: list[Served] = []

    def one(path: Path, **options: Any) -> Served:
        started.append(start(path, **options))
        return started[-1]

    yield one
    for served in started:
        served.stop()


@pytest.fixture(scope="module")
def served(_tiny_bundle: Path) -> Iterator[Served]:
    """One server for the tests that leave it as it is."""
    one = start(_tiny_bundle)
    yield one
    one.stop()


@dataclass
class Child:
    url: str
    process: subprocess.Popen[str]


@pytest.fixture
def child() -> Iterator[Callable[..., Child]]:
    """Start ``cfedge serve``; it is killed at the end where it still runs."""
    started: list[subprocess.Popen[str]] = []

    def start(path: Path, *arguments: object) -> Child:
        command = [
            sys.executable,
            "-c",
            "from cfedge.cli import main; main()",
            "serve",
            str(path),
            "--port",
            "0",
            "--json",
        ]
        process = subprocess.Popen(
            [*command, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=dict(os.environ),
        )
        started.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.stderr.read() if process.stderr else ""
        return Child(json.loads(line)["url"], process)

    yield start
    for process in started:
        process.kill()
        process.communicate()
