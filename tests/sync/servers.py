"""HTTP servers on loopback that serve a repository's folder, well or badly: the network's side of
the seam, nothing of cfedge.
"""

from __future__ import annotations

import fnmatch
import socket
import threading
import time
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import unquote

#: What a server does with a request instead of serving it: the handler to answer with, and the
#: bytes that are asked for.
Fault = Callable[["Handler", bytes], None]


class Handler(BaseHTTPRequestHandler):
    """Answers GET, with ranges as static hosts do."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Static

    def do_GET(self) -> None:
        path = unquote(self.path.partition("?")[0]).lstrip("/")
        self.start = (
            int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
            if self.headers["Range"]
            else 0
        )
        self.server.requests.append((path, self.start))
        self.server.headers.append(dict(self.headers))
        for pattern, fault in self.server.faults.items():
            if fnmatch.fnmatchcase(path, pattern):
                try:
                    data = (self.server.folder / path).read_bytes()
                except OSError:
                    data = b""
                return fault(self, data)
        try:
            data = (self.server.folder / path).read_bytes()
        except OSError:
            return self.give(404, b"not here")
        self.serve(data)

    def serve(self, data: bytes, **headers: str) -> None:
        """As a good server does."""
        if not self.start or not self.server.ranges:
            return self.give(200, data, **headers)
        if self.start >= len(data):
            return self.give(416, b"", Content_Range=f"bytes */{len(data)}")
        span = f"bytes {self.start}-{len(data) - 1}/{len(data)}"
        self.give(206, data[self.start :], Content_Range=span, **headers)

    def give(self, status: int, body: bytes, **headers: str) -> None:
        """Answer; names of headers have underscores for dashes."""
        self.head(status, Content_Length=str(len(body)), **headers)
        self.put(body)

    def head(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def put(self, body: bytes) -> None:
        """Count a part of a body, and send it: whoever has read it finds it counted."""
        for at in range(0, len(body), 1 << 14):
            piece = body[at : at + (1 << 14)]
            self.server.body_bytes += len(piece)
            self.wfile.write(piece)

    def hang_up(self) -> None:
        """Close the connection in the middle of an answer."""
        self.close_connection = True
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_: Any) -> None:
        pass


class Static(ThreadingHTTPServer):
    """A static host for a folder.

    Attributes
    ----------
    requests
        (path, first byte) of each.
    headers
        Of each request.
    body_bytes
        That were sent, headers apart.
    faults
        By pattern of the path, what is done instead of serving it.
    ranges
        Whether Range is understood.
    """

    daemon_threads = True

    def __init__(
        self, folder: Path, *, ranges: bool = True, family: socket.AddressFamily = socket.AF_INET
    ) -> None:
        self.address_family = family
        host = "::1" if family == socket.AF_INET6 else "127.0.0.1"
        super().__init__((host, 0), Handler)
        self.folder, self.ranges = folder, ranges
        self.requests: list[tuple[str, int]] = []
        self.headers: list[dict[str, str]] = []
        self.body_bytes = 0
        self.faults: dict[str, Fault] = {}
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self.server_address[1]}"

    def __enter__(self) -> Static:
        self._thread = threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no fault of this server."""

    def asked(self, pattern: str) -> list[tuple[str, int]]:
        """The requests for paths that fit."""
        return [one for one in self.requests if fnmatch.fnmatchcase(one[0], pattern)]


def status(number: int, body: bytes = b"", **headers: str) -> Fault:
    """Answer with this status."""
    return lambda handler, data: handler.give(number, body, **headers)


def other(body: bytes) -> Fault:
    """Serve these bytes instead."""
    return lambda handler, data: handler.serve(body)


def once(fault: Fault) -> Fault:
    """The fault for the first request, and service for the others."""
    left = [fault]

    def answer(handler: Handler, data: bytes) -> None:
        left.pop()(handler, data) if left else handler.serve(data)

    return answer


def cut(share: float) -> Fault:
    """Promise all that is asked for, and hang up after this share of it."""

    def answer(handler: Handler, data: bytes) -> None:
        rest = data[handler.start :] if handler.server.ranges else data
        span = (
            {"Content_Range": f"bytes {handler.start}-{len(data) - 1}/{len(data)}"}
            if handler.start
            else {}
        )
        handler.head(
            206 if handler.start and handler.server.ranges else 200,
            Content_Length=str(len(rest)),
            **span,
        )
        handler.put(rest[: int(len(rest) * share)])
        handler.hang_up()

    return answer


def endless(handler: Handler, data: bytes, number: int = 200, **headers: str) -> None:
    """A body without end, until the client hangs up."""
    handler.head(number, Connection="close", **headers)
    handler.close_connection = True
    handler.put(data)
    while True:
        handler.put(b"x" * 65536)


def drip(pause_s: float) -> Fault:
    """A byte at a time."""

    def answer(handler: Handler, data: bytes) -> None:
        handler.head(200, Content_Length=str(len(data)))
        for at in range(len(data)):
            handler.put(data[at : at + 1])
            time.sleep(pause_s)

    return answer


class Raw:
    """A server of exact bytes: to each connection, in turn, what `answers` holds, whatever was
    asked; the last one again.

    An answer may be an iterable of pieces, without end too.
    """

    def __init__(self, *answers: bytes | Callable[[], Iterable[bytes]]) -> None:
        self._answers = answers
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.asked: list[bytes] = []
        self._stopping = False

    def __enter__(self) -> Raw:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping = True
        socket.create_connection(self._socket.getsockname()).close()
        self._thread.join(2)
        self._socket.close()

    def _run(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            with connection:
                if self._stopping:
                    return
                try:
                    asked = b""
                    while b"\r\n\r\n" not in asked:
                        asked += connection.recv(65536) or b"\r\n\r\n"
                    answer = self._answers[min(len(self.asked), len(self._answers) - 1)]
                    self.asked.append(asked)
                    for piece in [answer] if isinstance(answer, bytes) else answer():
                        connection.sendall(piece)
                except OSError:
                    continue  # the client hung up


class Clock:
    """A clock that moves on by `step_s` whenever it is looked at."""

    def __init__(self, step_s: float = 0.0) -> None:
        self.now_s, self.step_s = 1000.0, step_s

    def __call__(self) -> float:
        self.now_s += self.step_s
        return self.now_s
