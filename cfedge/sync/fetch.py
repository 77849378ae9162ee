"""One object into the store, over cuts, restarts and changed mirrors: what came is kept and only
the rest is asked for again.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

from cfedge.bundle.fileref import FileRef
from cfedge.errors import OfflineError, StorageError, TamperedError
from cfedge.plain_files import LARGEST_BYTES, read_plain
from cfedge.storage import write_file
from cfedge.sync.delta import MIN_BYTES, apply, path_of
from cfedge.sync.patience import Patience
from cfedge.sync.sinks import Memory, Part, Sink
from cfedge.sync.transport import Mirrors, Missing, Received, Source

__all__ = ["Fetcher"]


@dataclass
class Fetcher:
    """Fetches objects for one sync, and is a source of all else, under the same deadline.

    Attributes
    ----------
    source
        Of the repository.
    partial
        The folder of what was cut.
    patience
        How often it asks again; nothing is asked for after its deadline.
    fetched_bytes, requests
        What it took so far.
    """

    source: Source
    partial: Path
    patience: Patience
    fetched_bytes: int = 0
    requests: int = 0

    def into(
        self,
        target: Path,
        role: str,
        ref: FileRef,
        advance: Callable[[int], None] = lambda size: None,
        like: Path | None = None,
    ) -> None:
        """Fetch the object `ref` into the file `target`, whole and checked, or not at all. Its
        folder is the caller's to sync.

        Where the repository has a delta from the object in the file `like`, which is named by its
        SHA-256, that is fetched instead.

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
            if like is not None and not part.exists() and self._patched(target, ref, like):
                advance(ref.size)
                return
            self.partial.mkdir(exist_ok=True)
            sink = Part(part, advance)
            try:
                if sink.size > ref.size:
                    sink.restart()
                self._checked(sink, role, ref)
            finally:
                sink.close()
            os.replace(part, target)
        except OSError as error:
            raise StorageError(
                f"could not write {target} ({role}): {error.strerror or error}; check the disk"
            ) from error

    def bytes_from(self, ref: FileRef, role: str, begun: bytes) -> bytes:
        """Fetch the rest of the small object `ref`, of which `begun` is the beginning, into memory;
        for errors see `into`.
        """
        memory = Memory(bytearray(begun))
        self._checked(memory, role, ref)
        return bytes(memory.data)

    @property
    def name(self) -> str:
        """Of the source."""
        return self.source.name

    def read(self, path: str, start: int = 0, within_s: float = math.inf) -> Received:
        """See `Source.read`: as the source answers, while there is time."""
        self._in_time(path)
        self.requests += 1
        received = self.source.read(path, start, min(within_s, self.patience.left_s))

        def pieces() -> Generator[bytes, None, None]:
            with contextlib.closing(received.pieces):
                for piece in received.pieces:
                    self.fetched_bytes += len(piece)
                    yield piece
                    self._in_time(path)

        return Received(received.start, pieces())

    def rotate(self) -> None:
        """Ask the next mirror first: what this one answered was no good."""
        if isinstance(self.source, Mirrors):
            self.source.rotate()

    @property
    def places(self) -> int:
        """How many mirrors there are."""
        return self.source.places if isinstance(self.source, Mirrors) else 1

    def _in_time(self, what: str) -> None:
        if self.patience.left_s < 0:
            raise OfflineError(
                f"{what}: expected it before the deadline, found that this has passed; sync again"
                " to resume"
            )

    def _patched(self, target: Path, ref: FileRef, like: Path) -> bool:
        """Make the object from a delta, if there is one and it gives the object."""
        if ref.size < MIN_BYTES:
            return False
        delta = bytearray()
        try:
            with contextlib.closing(self.read(path_of(like.name, ref.sha256)).pieces) as pieces:
                for piece in pieces:
                    delta += piece
                    if len(delta) > ref.size:
                        return False
        except (Missing, OfflineError):
            return False
        new = apply(read_plain(like, whole_bytes=LARGEST_BYTES), bytes(delta), ref.size)
        if new is None or hashlib.sha256(new).hexdigest() != ref.sha256:
            return False
        write_file(target, new)
        return True

    def _checked(self, sink: Sink, role: str, ref: FileRef) -> None:
        """Complete the sink with the object, or leave it empty."""
        # What was kept from an earlier time may be at fault, or a mirror: then from nothing, from
        # each of them.
        for _ in range(self.places + bool(sink.size)):
            self._complete(sink, role, ref)
            if sink.is_whole(ref):
                return
            sink.restart()
            self.rotate()
        raise TamperedError(
            f"{self.source.name}/objects/{ref.sha256} ({role}): expected {ref.size} bytes of this"
            " SHA-256, found others; use another mirror"
        )

    def _complete(self, sink: Sink, role: str, ref: FileRef) -> None:
        """Ask for the rest until the sink is as long as the object."""
        path, idle = f"objects/{ref.sha256}", 0
        while sink.size < ref.size:
            before = sink.size
            try:
                received = self.read(path, before)
                with contextlib.closing(received.pieces):
                    if received.start != before:
                        sink.restart()
                    for piece in received.pieces:
                        sink.write(piece[: ref.size - sink.size])
                        if sink.size >= ref.size:
                            return
                failure = OfflineError(
                    f"{role}: expected {ref.size} bytes, found {sink.size}; sync again to resume"
                )
                self.rotate()  # it says that this is all
            except Missing as error:
                raise OfflineError(
                    f"{self.source.name}/{path} ({role}): expected it, found nothing there; sync"
                    " again in case it was just erased, use another mirror, or publish again"
                ) from error
            except OfflineError as error:
                failure = error
            idle = 0 if sink.size > before else idle + 1
            if not self.patience.again(idle):
                raise failure
