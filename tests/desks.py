"""Consoles in threads, and what asks them as the page does: with a session and its word."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from clients import Answer
from made import make_texts

from cfedge.console.activation import Place
from cfedge.console.app import Console
from cfedge.console.jobs import Jobs
from cfedge.console.live import Live
from cfedge.kept.keeper import Keeper
from cfedge.serve.listening import listen
from cfedge.serve.server import Server


@dataclass
class Opened:
    """One console that runs, and one browser's session with it."""

    url: str
    console: Console
    server: Server
    live: Live
    keeper: Keeper | None
    place: Place
    said: list[str]
    thread: threading.Thread = field(repr=False)
    cookie: str = ""
    word: str = ""

    @property
    def link(self) -> str:
        return f"{self.url}/#{self.console.access.key}"

    @property
    def jobs(self) -> Jobs:
        return self.console.desk.the_jobs()

    def log_in(self) -> Opened:
        answer = self.ask("/api/login", self.console.access.key.encode())
        assert answer.status == 200
        self.cookie = answer.headers["set-cookie"].partition(";")[0]
        self.word = answer.body["word"]
        return self

    def ask(
        self, path: str, body: object = None, *, headers: dict[str, str] | None = None
    ) -> Answer:
        """One request: GET, or POST where there is a body."""
        where = urlsplit(self.url)
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=60)
        sent = {"cookie": self.cookie, "x-cfedge-csrf": self.word, **(headers or {})}
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        if isinstance(body, dict):
            sent.setdefault("content-type", "application/json")
        try:
            connection.request("GET" if body is None else "POST", path, data, sent)
            response = connection.getresponse()
            raw, kind = response.read(), response.getheader("content-type", "")
            found: Any = json.loads(raw) if kind == "application/json" else raw
            return Answer(response.status, found, {k.lower(): v for k, v in response.getheaders()})
        finally:
            connection.close()

    def good(self, path: str, body: object = None) -> Any:
        """What a request that must succeed is answered with."""
        answer = self.ask(path, body)
        assert answer.status == 200, answer.body
        return answer.body

    def stop(self, *, wait: bool = True) -> None:
        """Stop it; with `wait` also for the jobs that it began."""
        self.server.should_exit = True
        self.thread.join(30)
        assert not self.thread.is_alive()
        if wait and self.console.desk.jobs is not None:
            for process in self.jobs.processes.values():
                process.wait(120)


def start(
    answers: Path,
    workspace: Path | None = None,
    keep: Path | None = None,
    *,
    monitor: Path | None = None,
    **place: Any,
) -> Opened:
    """Start a console in a thread."""
    said: list[str] = []
    given = {"repository": None, "keys": None, "channel": "stable", **place}
    at = Place.checked(answers, workspace, **given)
    live = Live(answers, said.append)
    keeper = None if keep is None else Keeper.open(keep, live.engine, said.append, None)
    bound = listen("127.0.0.1", 0)
    port = bound.getsockname()[1]
    console = Console(at, live, report=said.append, keeper=keeper, monitor=monitor, port=port)
    server = Server(console, console.limits)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[bound])))
    thread.start()
    url = f"http://127.0.0.1:{port}"
    return Opened(url, console, server, live, keeper, at, said, thread).log_in()


def keep_food(console: Opened, count: int = 24) -> dict[str, list[int]]:
    """Keep texts of a task that nobody taught; return their numbers by what they are about."""
    assert console.keeper is not None
    rows = make_texts("food", count, seed=0)
    inputs = console.keeper.inputs
    inputs.keep_several([(text, {"kept": "unknown", "task": "colors"}) for text, _ in rows])
    found: dict[str, list[int]] = {}
    labels = dict(rows)
    for one in inputs.read(inputs.numbers(["waiting"], limit=10_000)):
        if one.value in labels:
            found.setdefault(labels[one.value], []).append(one.number)
    return found


def label(console: Opened, numbers: dict[str, list[int]]) -> list[int]:
    """Give each number its label; return all of them."""
    marks = [
        {"number": one, "state": "labelled", "label": name}
        for name, some in numbers.items()
        for one in some
    ]
    console.good("/api/mark", {"marks": marks})
    return [one for some in numbers.values() for one in some]
