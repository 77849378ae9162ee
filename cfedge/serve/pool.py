"""A bounded number of threads with a bounded queue before them: what does not fit is refused at
once, not kept waiting.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

__all__ = ["Full", "Pool"]

Result = TypeVar("Result")


# an answer rather than an error: the client is told to come again
class Full(Exception):  # noqa: N818
    """All workers are busy and all places before them are taken."""


class Pool:
    """Threads for calls that block.

    A call whose future was cancelled is left out if it has not begun; one that has begun keeps its
    place until it ends, since a thread cannot be stopped.

    Parameters
    ----------
    workers
        Threads, >= 1.
    queue
        Calls that may wait for one, >= 0.
    """

    def __init__(self, workers: int, queue: int) -> None:
        self.workers, self.queue = workers, queue
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="cfedge-answer")
        self._lock = threading.Lock()
        self._held = 0

    @property
    def waiting(self) -> int:
        """Calls that wait for a worker."""
        return max(0, self._held - self.workers)

    @property
    def running(self) -> int:
        """Calls that have one."""
        return min(self._held, self.workers)

    @property
    def is_full(self) -> bool:
        """Whether one more would be refused."""
        return self._held >= self.workers + self.queue

    def submit(self, call: Callable[[], Result]) -> Future[Result]:
        """Have `call` run by a worker.

        Raises
        ------
        Full
            There is no room.
        """
        with self._lock:
            if self.is_full:
                raise Full
            self._held += 1
        work = self._threads.submit(call)
        work.add_done_callback(self._release)
        return work

    def close(self) -> None:
        """Leave out what has not begun."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _release(self, work: Future[Result]) -> None:
        with self._lock:
            self._held -= 1
