"""Work on parts of the examples, some of them at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

__all__ = ["at_once"]

#: What each part makes is held in memory, so a machine of many cores has no more parts at work.
_MOST = 8

Part = TypeVar("Part")
Result = TypeVar("Result")


def at_once(
    work: Callable[[Part], Result], parts: Iterable[Part], threads: int
) -> Iterator[Result]:
    """Return what `work` makes of each part, in order, with so many parts at work at a time, or
    eight.

    Each part is worked on by one thread. So the encoder's graphs, opened for one thread, give the
    same bits however many there are, and decoding and preparing inputs is shared out as well. What
    runs ahead of the caller is bounded by `threads` parts.

    Raises
    ------
    Exception
        What `work` raises, at the first part that fails; those behind it are not begun.
    """
    if threads == 1:
        yield from map(work, parts)
        return
    threads = min(threads, _MOST)
    with ThreadPoolExecutor(threads, "examples") as pool:
        begun: deque[Future[Result]] = deque()
        try:
            for part in parts:
                begun.append(pool.submit(work, part))
                if len(begun) > threads:
                    yield begun.popleft().result()
            while begun:
                yield begun.popleft().result()
        finally:
            for one in begun:
                one.cancel()
