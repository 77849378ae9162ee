"""Where bytes come from: a static host over HTTP, a folder (a USB stick, a disk), or several of these in turn.

A source answers with the bytes of a path from a position on, in pieces as they come, and says from which position: a server
may ignore the question and begin at 0. What the bytes must be is for the callers; that they come fast enough is for this file.
"""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol
from urllib.parse import quote, urlsplit

import urllib3

from cfedge.errors import OfflineError, UsageError

__all__ = ["Folder", "Host", "Mirrors", "Missing", "Pace", "Received", "Source", "source_of"]


class Missing(Exception):  # noqa: N818 - an answer rather than an error: callers go on
    """The source answers, and has no such path."""


class Received(NamedTuple):
    """An answer: the position that it begins at, and its bytes in pieces."""

    start: int
    pieces: Generator[bytes, None, None]


class Source(Protocol):
    """Something that paths can be read from."""

    name: str

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
        Fewest bytes a second, on average over that many seconds: 1 kB/s lets a task of 240 kB come in four minutes.
    redirects
        Followed at most.
    """

    connect_s: float = 10.0
    silence_s: float = 20.0
    least_bytes_s: float = 1000.0
    window_s: float = 10.0
    redirects: int = 3


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
        except (FileNotFoundError, NotADirectoryError) as error:
            if not self.folder.is_dir():
                raise OfflineError(f"{self.folder}: expected a repository, found no folder; is the stick in?") from error
            raise Missing(path) from error
        except OSError as error:
            raise OfflineError(f"{whole}: expected to read it, found {error.strerror}; check the medium") from error

        def pieces() -> Generator[bytes, None, None]:
            with file:
                try:
                    file.seek(start)
                    while piece := file.read(1 << 16):
                        yield piece
                except OSError as error:
                    raise OfflineError(f"{whole}: expected to read it, found {error.strerror}; check the medium") from error

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

    def __init__(self, url: str, *, pace: Pace | None = None, now_s: Callable[[], float] = time.monotonic) -> None:
        self.name = url.rstrip("/")
        self._pace = pace or Pace()
        self._now_s = now_s
        self._pool = _pool(url)

    def read(self, path: str, start: int = 0) -> Received:
        """See `Source.read`."""
        url = f"{self.name}/{quote(path)}"
        headers = {"Accept-Encoding": "identity", "User-Agent": "cfedge"}
        if start:
            headers["Range"] = f"bytes={start}-"
        pace = self._pace
        try:
            response = self._pool.request(
                "GET", url, headers=headers, preload_content=False, decode_content=False,
                timeout=urllib3.Timeout(connect=pace.connect_s, read=pace.silence_s),
                retries=urllib3.Retry(total=pace.redirects, connect=0, read=0, redirect=pace.redirects, status=0, other=0),
            )  # fmt: skip
        except urllib3.exceptions.HTTPError as error:
            raise OfflineError(f"{url}: expected an answer, found {_reason(error)}; check the network") from error
        try:
            if response.status in (403, 404, 410):
                raise Missing(path)
            if response.status == 416:  # nothing from there on: let the caller see the whole
                response.close()
                return self.read(path)
            if response.status not in (200, 206):
                raise OfflineError(f"{url}: expected status 200, found {response.status}; ask whoever runs the host")
            encoding = response.headers.get("Content-Encoding", "identity")
            if encoding != "identity":
                raise OfflineError(f"{url}: expected bytes as they are, found {encoding!r}; turn compression off at the host")
            begins = _range_start(response.headers.get("Content-Range", "")) if response.status == 206 else 0
            if begins not in (0, start):
                raise OfflineError(f"{url}: expected bytes from {start} on, found {response.headers.get('Content-Range')!r}")
        except BaseException:
            response.close()
            raise
        return Received(begins, self._pieces(response, url))

    def _pieces(self, response: urllib3.BaseHTTPResponse, url: str) -> Generator[bytes, None, None]:
        pace, began, since = self._pace, self._now_s(), 0
        try:
            while piece := response.read1(1 << 16):
                since += len(piece)
                spent = self._now_s() - began
                if spent >= pace.window_s:
                    if since < pace.least_bytes_s * spent:
                        raise OfflineError(
                            f"{url}: expected {pace.least_bytes_s:.0f} bytes a second, found {since / spent:.0f}; try another mirror"
                        )
                    began, since = self._now_s(), 0
                yield piece
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise OfflineError(f"{url}: expected more bytes, found {_reason(error)}; sync again to resume") from error
        finally:
            response.close()


class Mirrors:
    """Several sources of the same repository: the one that answered last is asked first, the others where it does not answer."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = list(sources)
        self.name = ", ".join(source.name for source in sources)

    def read(self, path: str, start: int = 0) -> Received:
        """See `Source.read`; pieces that stop are not continued here, callers ask again from where they are."""
        failed: list[Exception] = []
        for source in list(self._sources):
            try:
                return self._followed(source, source.read(path, start))
            except (Missing, OfflineError) as error:
                failed.append(error)
        unreachable = [error for error in failed if isinstance(error, OfflineError)]
        raise unreachable[0] if unreachable else failed[0]

    def _followed(self, source: Source, received: Received) -> Received:
        def pieces() -> Generator[bytes, None, None]:
            try:
                yield from received.pieces
            except OfflineError:
                self._sources.append(self._sources.pop(self._sources.index(source)))
                raise

        return Received(received.start, pieces())


def source_of(places: Sequence[str], *, pace: Pace | None = None) -> Source:
    """Return the source of one or several folders and URLs of the same repository.

    Raises
    ------
    UsageError
        One is neither.
    """
    sources: list[Source] = []
    for place in places:
        scheme = urlsplit(place).scheme
        if scheme in ("http", "https"):
            sources.append(Host(place, pace=pace))
        elif scheme == "file":
            sources.append(Folder(Path(urllib.request.url2pathname(urlsplit(place).path))))
        elif "://" in place:
            raise UsageError(f"--from: expected a folder or an http(s) URL, found {place!r}; give one of these")
        else:
            sources.append(Folder(Path(place)))
    return sources[0] if len(sources) == 1 else Mirrors(sources)


def _pool(url: str) -> urllib3.PoolManager:
    parts = urlsplit(url)
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if proxy is None or urllib.request.proxy_bypass(parts.hostname or ""):
        return urllib3.PoolManager()
    return urllib3.ProxyManager(proxy)


def _range_start(value: str) -> int:
    begins = value.removeprefix("bytes ").partition("-")[0]
    return int(begins) if begins.isdecimal() else -1


def _reason(error: Exception) -> str:
    cause = getattr(error, "reason", None) or error
    return str(cause).rsplit(": ", 1)[-1] or type(cause).__name__
