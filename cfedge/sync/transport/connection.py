"""urllib3's connections, under this project's pace and the caller's deadline.

Whatever the peer does, something ends the wait: names are resolved beside the caller, addresses and
handshakes share the time to connect, and every read of a socket waits for as long as is left and no
longer. What comes is counted before anything parses it.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import math
import queue
import socket
import threading
from collections.abc import Callable, Sequence
from typing import Any

import urllib3

from cfedge.sync.transport.proxies import proxied
from cfedge.sync.transport.source import Pace

__all__ = ["Watch", "pool_of", "reason"]


class Watch:
    """What one request to a host may take; its connections ask.

    Attributes
    ----------
    pace
        What is fast enough.
    until_s
        On the clock `now_s`: the caller waits no longer.
    idle_bytes
        That came since the last piece of a body.
    """

    def __init__(self, pace: Pace, now_s: Callable[[], float]) -> None:
        self.pace, self.now_s = pace, now_s
        self.until_s = math.inf
        self.idle_bytes = 0

    def begin(self, within_s: float) -> None:
        """Begin a request that may take so long."""
        self.until_s = self.now_s() + within_s
        self.idle_bytes = 0

    def left_s(self, most_s: float) -> float:
        """Return how long to wait at this point, at most `most_s`.

        Raises
        ------
        TimeoutError
            The time is over.
        """
        left = self.until_s - self.now_s() if self.until_s < math.inf else math.inf
        if left <= 0:
            raise TimeoutError("the deadline has passed")
        return min(most_s, left)


class Cut:
    """Cuts a connection after so many seconds, unless it is ended before: a peer that drips the
    bytes of a handshake keeps each single read from timing out.
    """

    def __init__(self, sock: socket.socket, after_s: float) -> None:
        self._twin = sock.dup()  # `sock` itself is wrapped and taken over meanwhile
        self._timer = threading.Timer(after_s, _shut, [self._twin])
        self._timer.daemon = True
        self._timer.start()

    def end(self) -> None:
        """Let the connection be."""
        self._timer.cancel()
        self._twin.close()


class Paced(io.RawIOBase):
    """What comes from a connection, status lines and headers included, refused where it comes too
    slowly, too late, or brings nothing.
    """

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, watch: Watch) -> None:
        self._raw, self._sock, self._watch = raw, sock, watch
        self._since, self._began = 0, -1.0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        watch, pace = self._watch, self._watch.pace
        self._sock.settimeout(watch.left_s(pace.silence_s))
        size = self._raw.readinto(buffer) or 0
        now = watch.now_s()
        if self._began < 0:  # the wait for the first byte is the host's time to think
            self._began = now
        self._since += size
        spent = now - self._began
        if spent >= pace.window_s:
            if self._since < pace.least_bytes_s * spent:
                raise OSError(
                    f"{self._since / spent:.0f} bytes a second where {pace.least_bytes_s:.0f} are"
                    " the least"
                )
            self._since, self._began = 0, now
        watch.idle_bytes += size
        # Of the body, a buffer may have been read ahead, and one more may be on its way to the
        # caller.
        if watch.idle_bytes > pace.head_bytes + 2 * PIECE_BYTES:
            raise OSError(f"more than {pace.head_bytes} bytes of headers or trailers")
        return size

    def close(self) -> None:
        self._raw.close()
        super().close()


#: Longest piece of a body.
PIECE_BYTES = 64 << 10


def pool_of(url: str, watch: Watch) -> urllib3.PoolManager:
    """Return connections to the host of `url`, through the environment's proxies.

    Raises
    ------
    UsageError
        A proxy's address is none.
    """
    pool = proxied(url)

    class Response(http.client.HTTPResponse):
        def __init__(self, sock: socket.socket, *args: Any, **more: Any) -> None:
            super().__init__(sock, *args, **more)
            self.fp = io.BufferedReader(Paced(self.fp.detach(), sock, watch))

    class Http(urllib3.connection.HTTPConnection):
        response_class = Response

        def _new_conn(self) -> socket.socket:
            return _connected(self._dns_host, self.port or 80, watch, self.socket_options)

    class Https(urllib3.connection.HTTPSConnection):
        response_class = Response
        cut: Cut | None = None

        def _new_conn(self) -> socket.socket:
            sock = _connected(self._dns_host, self.port or 443, watch, self.socket_options)
            self.cut = Cut(sock, watch.left_s(watch.pace.connect_s))
            return sock

        def connect(self) -> None:
            try:
                super().connect()
            finally:
                if self.cut is not None:
                    self.cut.end()

    class HttpPool(urllib3.HTTPConnectionPool):
        ConnectionCls = Http

    class HttpsPool(urllib3.HTTPSConnectionPool):
        ConnectionCls = Https

    pool.pool_classes_by_scheme = {"http": HttpPool, "https": HttpsPool}
    return pool


def reason(error: BaseException) -> str:
    """Say in a few words what a library's error is about."""
    while error.args and isinstance(error.args[-1], Exception):  # urllib3 wraps the cause
        error = error.args[-1]
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).rsplit(": ", 1)[-1] or type(error).__name__


def _connected(host: str, port: int, watch: Watch, options: Sequence[Any] | None) -> socket.socket:
    """Connect to the first address of a host that answers; they share the caller's time."""
    failure: OSError = OSError("no address")
    addresses = _resolved(host, port, watch.left_s(watch.pace.connect_s))
    for position, (family, kind, protocol, _, address) in enumerate(addresses):
        whole_s = watch.left_s(math.inf)
        sock = socket.socket(family, kind, protocol)
        try:
            for option in options or ():
                sock.setsockopt(*option)
            sock.settimeout(min(watch.pace.connect_s, whole_s / (len(addresses) - position)))
            sock.connect(address)
            return sock
        except OSError as error:
            sock.close()
            failure = error
    raise failure


def _resolved(host: str, port: int, within_s: float) -> list[Any]:
    """The addresses of a host. The system's resolver knows no deadline: it is asked in a thread
    that is left behind where it does not answer.
    """
    with contextlib.suppress(socket.gaierror):
        return socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)
    answers: queue.SimpleQueue[list[Any] | OSError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM))
        except OSError as error:
            answers.put(error)
        except UnicodeError as error:
            answers.put(OSError(f"no name of a host ({error})"))

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=min(within_s, threading.TIMEOUT_MAX))
    except queue.Empty:
        raise TimeoutError(f"no answer to who {host!r:.80} is") from None
    if isinstance(answer, OSError):
        raise answer
    return answer


def _shut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
