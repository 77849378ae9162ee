"""One object into the store, over cuts, restarts and changed mirrors: what came is kept and only the rest is asked for again."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from cfedge.bundle.manifest import FileRef
from cfedge.errors import OfflineError, StorageError, TamperedError
from cfedge.sync.transport import Missing, Source

__all__ = ["Fetcher", "digest_of"]

#: Bytes after which what came is made durable: what a power cut may cost.
_DURABLE_BYTES = 256 << 10
#: Attempts in a row that bring nothing, and the first wait between them, doubled each time, and drawn from half to whole.
_ATTEMPTS, _WAIT_S = 3, 0.5


@dataclass
class Fetcher:
    """Fetches objects for one sync.

    Attributes
    ----------
    source
        Of the repository.
    partial
        The folder of what was cut.
    deadline_s
        On the clock `now_s`: nothing is asked for after it.
    fetched_bytes, requests
        What it took so far.
    """

    source: Source
    partial: Path
    deadline_s: float
    now_s: Callable[[], float] = time.monotonic
    wait: Callable[[float], None] = time.sleep
    fetched_bytes: int = 0
    requests: int = 0
    _jitter: random.Random = field(default_factory=random.Random)

    def into(self, target: Path, role: str, ref: FileRef, advance: Callable[[int], None] = lambda size: None) -> None:
        """Fetch the object `ref` into the file `target`, whole and checked, or not at all. Its folder is the caller's to sync.

        Raises
        ------
        OfflineError
            It did not come; what came of it is kept.
        TamperedError
            What came is not it.
        StorageError
            The disk refused.
        """
        part = self.partial / ref.sha256
        try:
            self.partial.mkdir(exist_ok=True)
            sink = _Part(part, advance)
            try:
                resumed = sink.size
                if resumed > ref.size:
                    sink.restart()
                self._complete(sink, role, ref)
                if not sink.is_whole(ref) and resumed:
                    # What was kept from an earlier time or another mirror may be at fault: once more, from nothing.
                    sink.restart()
                    self._complete(sink, role, ref)
                if not sink.is_whole(ref):
                    sink.restart()
                    raise self._tampered(role, ref)
            finally:
                sink.close()
            os.replace(part, target)
        except OSError as error:
            raise StorageError(
                f"{target} ({role}): expected to write it, found {error.strerror or error}; check the disk"
            ) from error

    def bytes_from(self, ref: FileRef, role: str, begun: bytes) -> bytes:
        """Fetch the rest of the small object `ref`, of which `begun` is the beginning, into memory; for errors see `into`."""
        memory = _Memory(bytearray(begun))
        self._complete(memory, role, ref)
        if not memory.is_whole(ref) and begun:
            memory.restart()
            self._complete(memory, role, ref)
        if not memory.is_whole(ref):
            raise self._tampered(role, ref)
        return bytes(memory.data)

    def _tampered(self, role: str, ref: FileRef) -> TamperedError:
        return TamperedError(
            f"{self.source.name}/objects/{ref.sha256} ({role}): expected {ref.size} bytes of this SHA-256, found others; "
            f"use another mirror"
        )

    def _complete(self, sink: _Sink, role: str, ref: FileRef) -> None:
        """Ask for the rest until the sink is as long as the object."""
        path, idle = f"objects/{ref.sha256}", 0
        while sink.size < ref.size:
            before = sink.size
            try:
                if self.now_s() > self.deadline_s:
                    raise OfflineError(
                        f"{role}: expected it before the deadline, found {before} of {ref.size} bytes; sync again to resume"
                    )
                self.requests += 1
                received = self.source.read(path, before)
                with contextlib.closing(received.pieces):
                    if received.start != before:
                        sink.restart()
                    for piece in received.pieces:
                        self.fetched_bytes += len(piece)
                        sink.write(piece[: ref.size - sink.size])
                        if sink.size >= ref.size:
                            return
                        if self.now_s() > self.deadline_s:
                            break
                failure = OfflineError(f"{role}: expected {ref.size} bytes, found {sink.size}; sync again to resume")
            except Missing as error:
                raise OfflineError(
                    f"{self.source.name}/{path} ({role}): expected it, found nothing there; use another mirror, or publish again"
                ) from error
            except OfflineError as error:
                failure = error
            idle = 0 if sink.size > before else idle + 1
            if idle >= _ATTEMPTS or self.now_s() > self.deadline_s:
                raise failure
            self.wait(_WAIT_S * 2**idle * self._jitter.uniform(0.5, 1.0))


class _Sink(Protocol):
    """Where an object's bytes go."""

    size: int

    def write(self, piece: bytes) -> None:
        """Append."""

    def restart(self) -> None:
        """Begin again from nothing."""


class _Memory:
    def __init__(self, data: bytearray) -> None:
        self.data, self.size = data, len(data)

    def write(self, piece: bytes) -> None:
        self.data += piece
        self.size += len(piece)

    def restart(self) -> None:
        self.data.clear()
        self.size = 0

    def is_whole(self, ref: FileRef) -> bool:
        return len(self.data) == ref.size and hashlib.sha256(self.data).hexdigest() == ref.sha256


class _Part:
    """A file that grows, durably as it goes, and knows its digest."""

    def __init__(self, path: Path, advance: Callable[[int], None]) -> None:
        self._file = path.open("a+b")
        self._advance, self._undurable = advance, 0
        self._file.seek(0)
        self._digest = hashlib.sha256()
        self.size = 0
        while piece := self._file.read(1 << 20):
            self._digest.update(piece)
            self.size += len(piece)
        advance(self.size)

    def write(self, piece: bytes) -> None:
        self._file.write(piece)
        self._digest.update(piece)
        self.size += len(piece)
        self._advance(len(piece))
        self._undurable += len(piece)
        if self._undurable >= _DURABLE_BYTES:
            self._sync()

    def restart(self) -> None:
        self._file.truncate(0)
        self._digest = hashlib.sha256()
        self._advance(-self.size)
        self.size = 0

    def is_whole(self, ref: FileRef) -> bool:
        return self.size == ref.size and self._digest.hexdigest() == ref.sha256

    def close(self) -> None:
        try:
            self._sync()
        finally:
            self._file.close()

    def _sync(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._undurable = 0


def digest_of(path: Path) -> str:
    """SHA-256 of a file."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            found.update(piece)
    return found.hexdigest()
