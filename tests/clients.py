"""What asks a server in the tests: whole requests, half ones, and many at once. Standard library
only.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import time
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

JSON = {"content-type": "application/json"}


class Answer(NamedTuple):
    status: int
    body: Any
    headers: dict[str, str]


def ask(
    url: str,
    body: object = None,
    *,
    path: str = "/predict",
    method: str = "POST",
    headers: dict[str, str] = JSON,
) -> Answer:
    """One request on a connection of its own; `body` is sent as JSON unless it is bytes."""
    where = urlsplit(url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=30)
    try:
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        connection.request(method, path, data, headers)
        return _read(connection.getresponse())
    finally:
        connection.close()


def get(url: str, path: str) -> Answer:
    return ask(url, path=path, method="GET", headers={})


def metric(url: str, name: str) -> float:
    """The value of a sample of ``/metrics``; its labels belong to the name. 0 where there is none."""
    for line in get(url, "/metrics").body.splitlines():
        if line.startswith(name + " "):
            return float(line.rpartition(" ")[2])
    return 0.0


def until(condition: Callable[[], object]) -> None:
    """Wait for what must come; fail after a minute."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def connect(url: str) -> socket.socket:
    where = urlsplit(url)
    return socket.create_connection((where.hostname or "", where.port or 0), timeout=30)


def head(length: int | None = None, *more: str) -> bytes:
    """The head of a request to ``/predict``."""
    lines = ["POST /predict HTTP/1.1", "host: localhost", "content-type: application/json", *more]
    if length is not None:
        lines.append(f"content-length: {length}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def reply(open_: socket.socket) -> Answer:
    """Read one answer from a connection."""
    response = http.client.HTTPResponse(open_)
    response.begin()
    return _read(response)


def is_closed(open_: socket.socket) -> bool:
    """Wait for the server to close; True where it did without an answer."""
    try:
        return open_.recv(1) == b""
    except ConnectionResetError:
        return True


def _read(response: http.client.HTTPResponse) -> Answer:
    data, kind = response.read(), response.getheader("content-type", "")
    return Answer(
        response.status,
        json.loads(data) if kind == "application/json" else data.decode(),
        {name.lower(): value for name, value in response.getheaders()},
    )


async def crowd(url: str, bodies: list[dict[str, object]]) -> list[tuple[int, Any]]:
    """Open a connection for each body, and only when all of them are open send; return statuses and
    answers.
    """
    where = urlsplit(url)
    pairs = await asyncio.gather(
        *(asyncio.open_connection(where.hostname, where.port) for _ in bodies)
    )

    async def one(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: dict[str, object]
    ) -> tuple[int, Any]:
        data = json.dumps(body).encode()
        writer.write(head(len(data), "connection: close") + data)
        await writer.drain()
        answer = await reader.read()
        writer.close()
        top, _, rest = answer.partition(b"\r\n\r\n")
        return int(top.split()[1]), json.loads(rest)

    return await asyncio.gather(
        *(one(*pair, body) for pair, body in zip(pairs, bodies, strict=True))
    )
