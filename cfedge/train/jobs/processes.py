"""Processes on this machine as an Executor: pools of the standard library with one process each, so
that one that dies takes no other's work with it and only its own job fails.

The processes end with their coordinator, however that ends: each waits for the end of a pipe.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures import wait as wait_for
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

__all__ = ["Processes"]

_Result = TypeVar("_Result")
_Call = tuple["Future[Any]", Callable[..., Any], tuple[Any, ...], dict[str, Any]]


class Processes(Executor):
    """So many processes, begun when they are needed; one that died is begun anew.

    Parameters
    ----------
    count
        Of processes, 1 or more.
    """

    def __init__(self, count: int) -> None:
        # a fork would share the threads of torch and ONNX Runtime
        self._context = multiprocessing.get_context("spawn")
        self._theirs, self._ours = self._context.Pipe(duplex=False)
        self._lock = threading.RLock()
        self._waiting: deque[_Call] = deque()
        self._idle: list[ProcessPoolExecutor | None] = [None] * count
        self._pools: set[ProcessPoolExecutor] = set()
        self._given: set[Future[Any]] = set()
        self._closed = False

    def submit(self, fn: Callable[..., _Result], /, *args: Any, **kwargs: Any) -> Future[_Result]:
        """Hand a call to the next process that is free."""
        future: Future[_Result] = Future()
        with self._lock:
            if self._closed:
                raise RuntimeError("cannot schedule new futures after shutdown")
            self._given.add(future)
            self._waiting.append((future, fn, args, kwargs))
        future.add_done_callback(self._given.discard)
        self._hand_out()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes: when what was handed in is done, or at once without `wait`."""
        with self._lock:
            self._closed = True
            if cancel_futures or not wait:
                for future, *_ in self._waiting:
                    future.cancel()
                self._waiting.clear()
        if wait:
            wait_for(list(self._given))
        self._ours.close()  # every process sees the end of its pipe
        with self._lock:
            pools = list(self._pools)
        for pool in pools:
            pool.shutdown(wait=True, cancel_futures=True)
        self._theirs.close()

    def _hand_out(self) -> None:
        """Give what waits to processes that are free."""
        with self._lock:
            while self._waiting and self._idle:
                future, fn, args, kwargs = self._waiting.popleft()
                if not future.set_running_or_notify_cancel():
                    continue
                pool = self._idle.pop() or self._new()
                try:
                    inner = pool.submit(fn, *args, **kwargs)
                except BrokenProcessPool:  # it died between two jobs
                    self._drop(pool)
                    pool = self._new()
                    inner = pool.submit(fn, *args, **kwargs)
                inner.add_done_callback(partial(self._taken, pool, future))

    def _taken(self, pool: ProcessPoolExecutor, outer: Future[Any], inner: Future[Any]) -> None:
        """Pass a result on; the process is free again, or gone."""
        error = inner.exception() if not inner.cancelled() else RuntimeError("it was stopped")
        with self._lock:
            if isinstance(error, BrokenProcessPool):
                self._drop(pool)
                self._idle.append(None)
            else:
                self._idle.append(pool)
        if error is None:
            outer.set_result(inner.result())
        else:
            outer.set_exception(error)
        self._hand_out()

    def _new(self) -> ProcessPoolExecutor:
        pool = ProcessPoolExecutor(
            1, mp_context=self._context, initializer=_begun, initargs=(self._theirs,)
        )
        self._pools.add(pool)
        return pool

    def _drop(self, pool: ProcessPoolExecutor) -> None:
        self._pools.discard(pool)
        pool.shutdown(wait=False)


def _begun(coordinator: Connection) -> None:
    """Leave Ctrl-C, which reaches the whole group, to the coordinator, and end with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(coordinator,), daemon=True).start()


def _end_with(coordinator: Connection) -> None:
    wait([coordinator])
    os._exit(1)
