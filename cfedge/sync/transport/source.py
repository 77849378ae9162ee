"""The seam between what is synced and where it comes from."""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from cfedge.errors import OfflineError

__all__ = ["Missing", "Pace", "PassingError", "Received", "Source"]


class Missing(Exception):  # noqa: N818 - an answer rather than an error: callers go on
    """The source answers, and has no such path."""


class PassingError(OfflineError):
    """It did not come this time, and may the next."""


class Received(NamedTuple):
    """An answer: the position that it begins at, and its bytes in pieces."""

    start: int
    pieces: Generator[bytes, None, None]


class Source(Protocol):
    """Something that paths can be read from."""

    @property
    def name(self) -> str:
        """How errors call it."""

    def read(self, path: str, start: int = 0, within_s: float = math.inf) -> Received:
        """Read `path` from byte `start` on, in at most `within_s` seconds for all of it.

        Raises
        ------
        Missing
            There is no such path.
        OfflineError
            It cannot be reached, or, while pieces are taken, stops or is too slow: then a
            `PassingError`, where asking again may help.
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
        Between two pieces of a body, and before the first and after the last: status lines,
        headers, sizes of chunks and trailers, of which a host may send any number.
    """

    connect_s: float = 10.0
    silence_s: float = 20.0
    least_bytes_s: float = 1000.0
    window_s: float = 10.0
    redirects: int = 3
    head_bytes: int = 64 << 10
