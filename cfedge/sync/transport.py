"""Where bytes come from: a static host over HTTP, a folder (a USB stick, a disk), or several of
these in turn.

A source answers with the bytes of a path from a position on, in pieces as they come, and says from
which position: a server may ignore the question and begin at 0. What the bytes must be is for the
callers; that they come fast enough is for this file.
"""

from __future__ import annotations

import http.client
import io
import time
import urllib.request
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote, unquote, urljoin, urlsplit

import urllib3

from cfedge.errors import OfflineError, UsageError

__all__ = ["Folder", "Host", "Mirrors", "Missing", "Pace", "Received", "Source", "source_of"]


#: Of a path, what an address may hold as it is (RFC 3986, pchar), escapes included.
_PLAIN = "/%:@!$&'()*+,;=~"


class Missing(Exception):  # noqa: N818 - an answer rather than an error: callers go on
    """The source answers, and has no such path."""


class Received(NamedTuple):
    """An answer: the position that it begins at, and its bytes in pieces."""

    start: int
    pieces: Generator[bytes, None, None]


class Source(Protocol):
    """Something that paths can be read from."""

    @property
    def name(self) -> str:
        """How errors call it."""

    def read(self, path: str, start: int = 0) -> Received:
        """Read `path` from byte `start` on.

        Raises
        ------
        Missing
            There is no such path.
        OfflineError
            It cannot be reached, or, while pieces are taken, stops or is too slow.
        """


@dataclass(frozen=True)
class Pace:
    """What is fast enough.

    Attributes
    ----------
    connect_s, silence_s
        Longest wait for a connection, and for the next bytes.
    least_bytes_s, window_s
        Fewest bytes a second, on average over that many seconds: 1 kB/s lets a task of 240 kB come
        in four minutes.
    redirects
        Followed at most.
    head_bytes
        Before the first byte of an answer: status lines and headers, of which a host may send any
        number.
    """

    connect_s: float = 10.0
    silence_s: float = 20.0
    least_bytes_s: float = 1000.0
    window_s: float = 10.0
    redirects: int = 3
    head_bytes: int = 64 << 10


class Folder:
    """A repository in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = str(folder)

    def read(self, path: str, start: int = 0) -> Received:
        """See `Source.read`."""
        whole = self.folder / path
        try:
            file = whole.open("rb")
        except (
            FileNotFoundError,
            NotADirectoryError,
            ValueError,
        ) as error:  # ValueError: a name that none can be
            if not self.folder.is_dir():
                raise OfflineError(
                    f"{self.folder}: expected a repository, found no folder; is the stick in?"
                ) from error
            raise Missing(path) from error
        except OSError as error:
            raise OfflineError(
                f"{whole}: expected to read it, found {error.strerror}; check the medium"
            ) from error

        def pieces() -> Generator[bytes, None, None]:
            with file:
                try:
                    file.seek(start)
                    while piece := file.read(1 << 16):
                        yield piece
                except OSError as error:
                    raise OfflineError(
                        f"{whole}: expected to read it, found {error.strerror}; check the medium"
                    ) from error

        return Received(start, pieces())


class Host:
    """A repository on a static host.

    Parameters
    ----------
    url
        http or https; proxies are taken from the environment.
    pace
        What is fast enough.
    now_s
        A clock that only goes forward.
    """

    def __init__(
        self, url: str, *, pace: Pace | None = None, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self.name = url.rstrip("/")
        self._pace = pace or Pace()
        self._pool = _pool(url, self._pace, now_s)

    def read(self, path: str, start: int = 0) -> Received:
        """See `Source.read`; what is escaped in `path` already stays so."""
        headers = {"Accept-Encoding": "identity", "User-Agent": "cfedge"}
        if start:
            headers["Range"] = f"bytes={start}-"
        response, url = self._followed(f"{self.name}/{quote(path, safe=_PLAIN)}", headers)
        try:
            if response.status in (403, 404, 410):
                raise Missing(path)
            if (
                response.status == 416 and start
            ):  # nothing from there on: let the caller see the whole
                response.close()
                return self.read(path)
            if response.status not in (200, 206):
                raise OfflineError(
                    f"{url}: expected status 200, found {response.status}; ask whoever runs the"
                    " host"
                )
            encoding = response.headers.get("Content-Encoding", "identity")
            if encoding != "identity":
                raise OfflineError(
                    f"{url}: expected bytes as they are, found {encoding!r}; turn compression off"
                    " at the host"
                )
            begins = (
                _range_start(response.headers.get("Content-Range", ""))
                if response.status == 206
                else 0
            )
            if begins not in (0, start):
                raise OfflineError(
                    f"{url}: expected bytes from {start} on, found"
                    f" {response.headers.get('Content-Range')!r}; ask whoever runs the host"
                )
        except BaseException:
            response.close()
            raise
        return Received(begins, self._pieces(response, url))

    def _followed(
        self, first: str, headers: dict[str, str]
    ) -> tuple[urllib3.BaseHTTPResponse, str]:
        """Ask, and follow redirects here: urllib3 would read their bodies, however long, and wait
        as long as they say.
        """
        url = first
        for _ in range(self._pace.redirects + 1):
            timeout = urllib3.Timeout(connect=self._pace.connect_s, read=self._pace.silence_s)
            try:
                response = self._pool.request(
                    "GET", url, headers=headers, preload_content=False, decode_content=False, timeout=timeout,
                    retries=False, redirect=False,
                )  # fmt: skip
            except (
                urllib3.exceptions.HTTPError,
                OSError,
                ValueError,
            ) as error:  # ValueError: an address that none can be
                raise OfflineError(
                    f"{url}: expected an answer, found {_reason(error)}; check the network"
                ) from error
            target = (
                response.headers.get("Location")
                if response.status in (301, 302, 303, 307, 308)
                else None
            )
            if target is None:
                return response, url
            response.close()
            try:
                url = urljoin(url, target)
            except ValueError as error:
                raise OfflineError(
                    f"{url}: expected a redirect to an address, found {target!r:.200}; ask whoever"
                    " runs the host"
                ) from error
        raise OfflineError(
            f"{first}: expected at most {self._pace.redirects} redirects, found more; ask whoever"
            " runs the host"
        )

    def _pieces(self, response: urllib3.BaseHTTPResponse, url: str) -> Generator[bytes, None, None]:
        try:
            while piece := response.read1(1 << 16):
                yield piece
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise OfflineError(
                f"{url}: expected more bytes, found {_reason(error)}; sync again to resume"
            ) from error
        finally:
            response.close()


class _Paced(io.RawIOBase):
    """What comes from a connection, status lines and headers included, refused where it comes too
    slowly or has no end.
    """

    def __init__(self, raw: io.RawIOBase, pace: Pace, now_s: Callable[[], float]) -> None:
        self._raw, self._pace, self._now_s = raw, pace, now_s
        self._since, self._began = 0, -1.0
        self.head_bytes: int | None = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        size = self._raw.readinto(buffer) or 0
        pace, now = self._pace, self._now_s()
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
        if self.head_bytes is not None:
            self.head_bytes += size
            # What is read ahead of the body is at most one buffer.
            if self.head_bytes > pace.head_bytes + io.DEFAULT_BUFFER_SIZE:
                raise OSError(f"more than {pace.head_bytes} bytes of headers")
        return size

    def close(self) -> None:
        self._raw.close()
        super().close()


def _response_class(pace: Pace, now_s: Callable[[], float]) -> type[http.client.HTTPResponse]:
    class Response(http.client.HTTPResponse):
        def __init__(self, *args: Any, **more: Any) -> None:
            super().__init__(*args, **more)
            self._paced = _Paced(self.fp.detach(), pace, now_s)
            self.fp = io.BufferedReader(self._paced)

        def begin(self) -> None:
            super().begin()
            self._paced.head_bytes = None

    return Response


class Mirrors:
    """Several sources of the same repository: the one that answered last is asked first, the others
    where it does not answer.

    Attributes
    ----------
    places
        How many they are.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = list(sources)
        self.places = len(self._sources)
        self.name = ", ".join(source.name for source in sources)

    def rotate(self) -> None:
        """Ask the next one first from now on: what the first one answered was no good."""
        self._sources.append(self._sources.pop(0))

    def read(self, path: str, start: int = 0) -> Received:
        """See `Source.read`; pieces that stop are not continued here, callers ask again from where
        they are.
        """
        failed: list[Exception] = []
        for source in list(self._sources):
            try:
                return self._followed(source, source.read(path, start))
            except Missing as error:
                failed.insert(
                    0, error
                )  # an answer: a mirror that is down beside it does not make the repository unreachable
            except OfflineError as error:
                failed.append(error)
                self._last(source)
        raise failed[0]

    def _followed(self, source: Source, received: Received) -> Received:
        def pieces() -> Generator[bytes, None, None]:
            try:
                yield from received.pieces
            except OfflineError:
                self._last(source)
                raise

        return Received(received.start, pieces())

    def _last(self, source: Source) -> None:
        self._sources.remove(source)
        self._sources.append(source)


def source_of(places: Sequence[str], *, pace: Pace | None = None) -> Source:
    """Return the source of one or several folders and URLs of the same repository.

    Raises
    ------
    UsageError
        One is neither.
    """
    sources: list[Source] = []
    for place in places:
        try:
            parts = urlsplit(place)
            if parts.scheme in ("http", "https") and not parts.hostname:
                raise ValueError("no host")
        except ValueError as error:
            raise UsageError(
                f"--from: expected a folder or an http(s) URL, found {place!r} ({error});"
                " correct it"
            ) from error
        if parts.scheme in ("http", "https"):
            sources.append(Host(place, pace=pace))
        elif parts.scheme == "file":
            sources.append(Folder(Path(urllib.request.url2pathname(parts.path))))
        elif "://" in place:
            raise UsageError(
                f"--from: expected a folder or an http(s) URL, found {place!r}; give one of these"
            )
        else:
            sources.append(Folder(Path(place)))
    return sources[0] if len(sources) == 1 else Mirrors(sources)


def _pool(url: str, pace: Pace, now_s: Callable[[], float]) -> urllib3.PoolManager:
    pool = _proxied(url)
    response = _response_class(pace, now_s)

    class Http(urllib3.connection.HTTPConnection):
        response_class = response

    class Https(urllib3.connection.HTTPSConnection):
        response_class = response

    class HttpPool(urllib3.HTTPConnectionPool):
        ConnectionCls = Http

    class HttpsPool(urllib3.HTTPSConnectionPool):
        ConnectionCls = Https

    pool.pool_classes_by_scheme = {"http": HttpPool, "https": HttpsPool}
    return pool


def _proxied(url: str) -> urllib3.PoolManager:
    parts = urlsplit(url)
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if proxy is None or urllib.request.proxy_bypass(parts.hostname or ""):
        return urllib3.PoolManager()
    try:
        found = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        user = (
            f"{unquote(found.username)}:{unquote(found.password or '')}" if found.username else None
        )
        headers = urllib3.make_headers(proxy_basic_auth=user) if user else None
        return urllib3.ProxyManager(found.geturl(), proxy_headers=headers)
    except (urllib3.exceptions.HTTPError, ValueError) as error:
        raise UsageError(
            f"{parts.scheme}_proxy: expected the URL of an http proxy, found {proxy!r}"
            f" ({_reason(error)}); correct or unset it"
        ) from error


def _range_start(value: str) -> int:
    begins = value.removeprefix("bytes ").partition("-")[0]
    return int(begins) if begins.isascii() and begins.isdecimal() and len(begins) < 20 else -1


def _reason(error: BaseException) -> str:
    while error.args and isinstance(error.args[-1], Exception):  # urllib3 wraps the cause
        error = error.args[-1]
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).rsplit(": ", 1)[-1] or type(error).__name__
