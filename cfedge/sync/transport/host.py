"""A repository on a static host, over HTTP. Redirects are followed here: urllib3 would read their
bodies, however long, and wait as long as they say.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator
from urllib.parse import quote, urlsplit

import urllib3

from cfedge.errors import OfflineError
from cfedge.sync.transport.address import check_address, redirected, shown
from cfedge.sync.transport.connection import PIECE_BYTES, Watch, pool_of, reason
from cfedge.sync.transport.source import Missing, Pace, PassingError, Received

__all__ = ["Host"]

#: Of a path, what an address may hold as it is (RFC 3986, pchar), escapes included.
_PLAIN = "/%:@!$&'()*+,;=~"

#: Whose connections are kept.
_MOST_HOSTS = 8


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
        check_address(url)
        self.name = url.rstrip("/")
        self._pace = pace or Pace()
        self._watch = Watch(self._pace, now_s)
        self._pools: dict[tuple[str, str], urllib3.PoolManager] = {}
        self._pool(url)

    def read(self, path: str, start: int = 0, within_s: float = math.inf) -> Received:
        """See `Source.read`; what is escaped in `path` already stays so."""
        self._watch.begin(within_s)
        headers = {"Accept-Encoding": "identity", "User-Agent": "cfedge"}
        if start:
            headers["Range"] = f"bytes={start}-"
        response, url = self._followed(f"{self.name}/{quote(path, safe=_PLAIN)}", headers)
        try:
            if response.status in (403, 404, 410):
                raise Missing(path)
            if response.status == 416 and start:
                response.close()  # nothing from there on: let the caller see the whole
                return self.read(path, within_s=self._watch.left_s(math.inf))
            if response.status not in (200, 206):
                passes = response.status == 429 or response.status >= 500
                raise (PassingError if passes else OfflineError)(
                    f"{shown(url)}: expected status 200, found {response.status}; ask whoever runs the"
                    " host"
                )
            encoding = response.headers.get("Content-Encoding", "identity")
            if encoding != "identity":
                raise OfflineError(
                    f"{shown(url)}: expected bytes as they are, found {encoding!r}; turn compression off"
                    " at the host"
                )
            begins = (
                _range_start(response.headers.get("Content-Range", ""))
                if response.status == 206
                else 0
            )
            if begins not in (0, start):
                raise OfflineError(
                    f"{shown(url)}: expected bytes from {start} on, found"
                    f" {response.headers.get('Content-Range')!r}; ask whoever runs the host"
                )
        except BaseException:
            response.close()
            raise
        return Received(begins, self._pieces(response, url))

    def _followed(
        self, first: str, headers: dict[str, str]
    ) -> tuple[urllib3.BaseHTTPResponse, str]:
        """Ask, and follow redirects; return the answer and where it came from."""
        url = first
        for _ in range(self._pace.redirects + 1):
            response = self._answer(url, headers)
            target = (
                response.headers.get("Location")
                if response.status in (301, 302, 303, 307, 308)
                else None
            )
            if target is None:
                return response, url
            response.close()
            url = redirected(url, target)
        raise OfflineError(
            f"{shown(first)}: expected at most {self._pace.redirects} redirects, found more; ask whoever"
            " runs the host"
        )

    def _answer(self, url: str, headers: dict[str, str]) -> urllib3.BaseHTTPResponse:
        pace = self._pace
        try:
            return self._pool(url).request(
                "GET",
                url,
                headers=headers,
                preload_content=False,
                decode_content=False,
                timeout=urllib3.Timeout(connect=pace.connect_s, read=pace.silence_s),
                retries=False,
                redirect=False,
            )
        except (
            urllib3.exceptions.HTTPError,
            OSError,
            ValueError,
        ) as error:  # ValueError: an address that none can be
            found = reason(error)
            if "certificate" in found:
                raise OfflineError(
                    f"{shown(url)}: expected an answer, found {found}; check this machine's clock,"
                    " and the host's certificate"
                ) from error
            raise PassingError(
                f"{shown(url)}: expected an answer, found {found}; check the network"
            ) from error

    def _pool(self, url: str) -> urllib3.PoolManager:
        """Connections to the host of `url`: a redirect may lead to one that has another proxy, or
        none. A few hosts keep theirs, since a host may name a new one every time.
        """
        of = urlsplit(url)
        host = (of.scheme, of.netloc)
        if host not in self._pools:
            if len(self._pools) >= _MOST_HOSTS:
                self._pools.pop(next(iter(self._pools))).clear()
            self._pools[host] = pool_of(url, self._watch)
        return self._pools[host]

    def _pieces(self, response: urllib3.BaseHTTPResponse, url: str) -> Generator[bytes, None, None]:
        try:
            while piece := response.read1(PIECE_BYTES):
                self._watch.idle_bytes = 0
                yield piece
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise PassingError(
                f"{shown(url)}: expected more bytes, found {reason(error)}; sync again to resume"
            ) from error
        finally:
            response.close()


def _range_start(value: str) -> int:
    begins = value.removeprefix("bytes ").partition("-")[0]
    return int(begins) if begins.isascii() and begins.isdecimal() and len(begins) < 20 else -1
