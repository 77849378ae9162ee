"""A guard against a generation that kills whoever opens it: starts are counted until one succeeds.

A new generation is expected to verify itself: ``boot_attempts/<n>`` exists, and every start adds a byte to
it, on the disk before the start goes on. The first engine that opens deletes it. Where `MAX_STARTS`
starts have not come that far, the generation has failed, and the one before it answers. On a
read-only disk nothing can be counted, and nothing is.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Collection, Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

from cfedge.storage import sync_folder, write_file

__all__ = ["BootAttempts", "MAX_STARTS"]

#: Starts that may die before a generation counts as failed: a power cut may take one, hardly three.
MAX_STARTS = 3
#: Longest wait for another process that is opening the same generation.
EXCLUSIVE_S = 60.0
#: A FIFO in the counter's place is not waited for.
_WRITE = os.O_WRONLY | getattr(os, "O_NONBLOCK", 0)


class BootAttempts:
    """The counters in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def expect(self, generation: int) -> None:
        """Let `generation` verify itself."""
        write_file(self._path(generation), b"")

    def pending(self, generation: int) -> bool:
        """Whether `generation` has yet to open."""
        return self._path(generation).exists()

    def failed(self, generation: int) -> bool:
        """Whether it had its starts and never opened."""
        return self._starts(generation) >= MAX_STARTS

    def start(self, generation: int) -> None:
        """Count a start, before anything else is done with `generation`."""
        with contextlib.suppress(OSError):  # a read-only disk
            if self.pending(generation):
                handle = os.open(self._path(generation), _WRITE | os.O_APPEND)
                try:
                    os.write(handle, b".")
                    os.fsync(handle)
                finally:
                    os.close(handle)

    @contextlib.contextmanager
    def exclusive(self, generation: int) -> Iterator[None]:
        """Wait for others that are opening `generation` for the first time, so that a start is
        counted only after one that failed.

        Else the workers of one service, started together, would take each other for crashes. The
        kernel ends the turn of a process that dies; that of one that hangs ends for the others
        after `EXCLUSIVE_S`. On a read-only disk, where nothing is counted, and on Windows nobody waits.
        """
        handle = None
        with contextlib.suppress(OSError):
            handle = os.open(self._path(generation), _WRITE)
        try:
            waited_s = 0.0
            while handle is not None and fcntl is not None and waited_s < EXCLUSIVE_S:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    time.sleep(0.01)
                    waited_s += 0.01
                except OSError:  # a file system without locks
                    break
            yield
        finally:
            if handle is not None:
                os.close(handle)

    def passed(self, generation: int) -> None:
        """Note that `generation` opened."""
        with contextlib.suppress(OSError):
            self._path(generation).unlink()
            sync_folder(self._folder)

    def forget(self, generation: int) -> None:
        """Delete the counter of a generation that is no more."""
        with contextlib.suppress(OSError):
            self._path(generation).unlink()

    def keep(self, generations: Collection[int]) -> None:
        """Delete the counters of all others."""
        with contextlib.suppress(OSError):
            others = [
                path
                for path in self._folder.iterdir()
                if path.name not in set(map(str, generations))
            ]
            for path in others:
                path.unlink()
            if others:
                sync_folder(self._folder)

    def _starts(self, generation: int) -> int:
        try:
            return self._path(generation).stat().st_size
        except OSError:
            return 0

    def _path(self, generation: int) -> Path:
        return self._folder / str(generation)
