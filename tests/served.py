"""A real server on loopback, in a thread, with limits to choose."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cfedge import Engine
from cfedge.serve.app import Service
from cfedge.serve.limits import Limits
from cfedge.serve.listening import listen
from cfedge.serve.server import Server


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


def start(
    path: Path,
    *,
    workers: int = 2,
    monitor: Path | None = None,
    hosts: Collection[str] = (),
    **limits: Any,
) -> Served:
    """Start a server in a thread."""
    allowed, said = Limits(**limits), []
    engine = Engine.open(path)
    engine.warm_up()
    service = Service(
        engine,
        workers=workers,
        limits=allowed,
        report=said.append,
        monitor=monitor,
        hosts=hosts,
    )
    bound, server = listen("127.0.0.1", 0), Server(service, allowed)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[bound])))
    url = f"http://127.0.0.1:{bound.getsockname()[1]}"
    thread.start()
    return Served(url, engine, service, server, said, thread)
