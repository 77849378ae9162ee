"""Several sources of the same repository."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Sequence

from cfedge.errors import OfflineError
from cfedge.sync.transport.source import Missing, PassingError, Received, Source

__all__ = ["Mirrors"]


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

    def read(self, path: str, start: int = 0, within_s: float = math.inf) -> Received:
        """See `Source.read`; pieces that stop are not continued here, callers ask again from where
        they are.
        """
        until_s = time.monotonic() + within_s
        failed: list[Exception] = []
        for source in list(self._sources):
            try:
                return self._followed(source, source.read(path, start, until_s - time.monotonic()))
            except Missing as error:
                # An answer: a mirror that is down beside it does not make the repository
                # unreachable.
                failed.insert(0, error)
            except OfflineError as error:
                failed.append(error)
                self._last(source)
        raise next((one for one in failed if isinstance(one, PassingError | Missing)), failed[0])

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
