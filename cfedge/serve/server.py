"""The signals and the clock of each connection, around uvicorn.

uvicorn bounds a request's head in bytes and an idle connection in time; a head that comes a byte at
a time, and a client that does not read its answer, are for the clock here: each connection has one,
set anew only where its state changes, and earlier than any of uvicorn's.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import socket
from collections.abc import Callable
from types import FrameType
from typing import Any, ClassVar, Protocol

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from cfedge.serve.limits import Limits

__all__ = ["Dropped", "Server", "Service"]


class Dropped(Protocol):
    """Is told of connections that were closed on a client."""

    def dropped(self, reason: str) -> None:
        """Count one: ``slow`` or ``full``."""


class Service(Protocol):
    """What a server serves: `cfedge.serve.app.Service`, or a console."""

    @property
    def app(self) -> ASGIApp:
        """For an ASGI server."""

    @property
    def meters(self) -> Dropped:
        """Its counters."""


class Server(uvicorn.Server):
    """Serves one `Service` until SIGTERM or SIGINT, then ends the requests under way; a second
    signal ends at once.

    Parameters
    ----------
    service
        Answers.
    limits
        As the service's.
    started
        Is called when signals are taken and requests are answered.
    """

    def __init__(
        self, service: Service, limits: Limits, started: Callable[[], None] = lambda: None
    ) -> None:
        allowed, self._tell = limits, started

        class OfThis(_Connection):
            limits, meters = allowed, service.meters
            most = max(1, min(allowed.connections, _files() - _OWN_FILES))

        super().__init__(
            uvicorn.Config(
                service.app,
                http=OfThis,
                ws="none",
                loop="asyncio",
                lifespan="on",
                interface="asgi3",
                log_config=None,
                log_level="error",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=math.ceil(limits.idle_s) + 60,
                timeout_graceful_shutdown=math.ceil(limits.body_s + limits.answer_s),
                h11_max_incomplete_event_size=limits.head_bytes,
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        await super().startup(sockets=sockets)
        self._tell()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take a signal; uvicorn's own would have the process die of it in the end, and its exit
        code say so.
        """
        self.force_exit = self.should_exit
        self.should_exit = True
        if self.force_exit:  # uvicorn calls what this cuts off a fault, with a traceback
            logging.getLogger("uvicorn.error").disabled = True


#: Files that the process needs beside its connections.
_OWN_FILES = 64
#: Chunks of a body, however small; beyond them each stands for so many bytes. One takes some 12
#: microseconds of the event loop.
_PIECES, _PIECE_BYTES = 1_024, 1_024


def _files() -> int:
    """Files that this process may have open."""
    try:
        import resource
    except ImportError:  # Windows, where there is no such limit
        return 1 << 20
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return 1 << 20 if soft == resource.RLIM_INFINITY else soft


class _Counting(h11.Connection):
    """Refuses a body in pieces so small that reading them holds up every other connection."""

    _pieces = _bytes = 0
    refusal = ""

    def next_event(self) -> Any:
        """Return what came next, as h11 does; `refusal` says why it is none."""
        event = super().next_event()
        if isinstance(event, h11.Request):
            self._pieces = self._bytes = 0
        elif isinstance(event, h11.Data):
            self._pieces += event.chunk_start
            self._bytes += len(event.data)
            if self._pieces > _PIECES + self._bytes // _PIECE_BYTES:
                self.refusal = (
                    f"a body of more than {_PIECES} chunks of fewer than {_PIECE_BYTES} bytes; send"
                    " larger ones"
                )
                raise h11.RemoteProtocolError(self.refusal)
        return event


class _Connection(H11Protocol):
    """A connection with a clock: while a head is awaited or coming, while a request is answered,
    while nothing is asked.
    """

    limits: ClassVar[Limits]
    meters: ClassVar[Dropped]
    most: ClassVar[int]
    conn: _Counting
    _clock: asyncio.TimerHandle | None = None
    _state = ""

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.conn = _Counting(h11.SERVER, self.limits.head_bytes)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        # asyncio does so where it binds the socket itself; without it an answer's body waits 40 ms
        # for its head to be acknowledged.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().connection_made(transport)
        if len(self.connections) > self.most:
            self._drop("full")
        self._enter("head")

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP; as everything else, in JSON. A request whose body it broke off gets
        no answer of its own.
        """
        if self.cycle is not None:
            self.cycle.disconnected = True
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.close()
            return
        found = self.conn.refusal or msg
        body = json.dumps({"error": f"request: expected HTTP/1.1, found: {found}"}).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        for event in (
            h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ):
            if (data := self.conn.send(event)) is not None:
                self.transport.write(data)
        self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._is_answering():
            self._enter("answer")
        elif self._state == "idle":
            self._enter("head")

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._state = ""
        self._enter("answer" if self._is_answering() else "idle")

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _enter(self, state: str) -> None:
        """Set the clock where the state is another one."""
        if state == self._state or self.transport.is_closing():
            return
        self._stop()
        self._state = state
        limits = self.limits
        longest = {
            "head": limits.head_s,
            "answer": limits.body_s + limits.answer_s + 1.0,
            "idle": limits.idle_s,
        }[state]
        self._clock = self.loop.call_later(
            longest, self._drop, "idle" if state == "idle" else "slow"
        )

    def _stop(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None

    def _drop(self, reason: str) -> None:
        if reason != "idle":  # which is not held against anybody
            self.meters.dropped(reason)
        self.transport.abort()
