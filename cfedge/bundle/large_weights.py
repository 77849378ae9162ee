"""A graph without its large weights, and where in the file those are. Pure.

ONNX has a place for a tensor whose numbers are elsewhere, as ``external_data``: who opens the graph
gives them, so that they need not be copied (`cfedge.runtime.session.open_session`). In a bundle's
own graphs that is refused.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cfedge.bundle.onnx_fields import LENGTH, Messages, bytes_field, number_field

__all__ = ["LARGE_BYTES", "without_large_weights"]

#: Of a tensor that is taken out: others are copied in no time.
LARGE_BYTES = 1 << 12

_GRAPH, _INITIALIZER = 7, 5
#: In onnx.proto, of a tensor: its sizes, the kind of its numbers, its name, its numbers as bytes,
#: and all the other fields that may hold numbers.
_DIMS, _KIND, _NAME, _RAW, _OTHERS = 1, 2, 8, 9, (4, 5, 6, 7, 10, 11)
_DTYPES = {1: np.float32, 2: np.uint8, 3: np.int8, 6: np.int32, 7: np.int64, 11: np.float64}
#: More than any layer's weights have; NumPy has a bound of its own.
_MOST_DIMS = 8
#: ``external_data`` at a ``location`` that is no file's, and the ``data_location`` that says so.
_ELSEWHERE = bytes_field(13, bytes_field(1, b"location") + bytes_field(2, b"in bytes"))
_ELSEWHERE += number_field(14, 1)


class _Weights(NamedTuple):
    """One tensor's name, its numbers, and where its message holds them, the field's head included."""

    name: str
    numbers: NDArray[np.generic]
    start: int
    end: int


def without_large_weights(model: bytes, what: str) -> tuple[bytes, dict[str, NDArray[np.generic]]]:
    """Take weights of `LARGE_BYTES` and more out of a graph.

    Parameters
    ----------
    model
        ONNX bytes of a bundle, which were checked.
    what
        Its name in errors.

    Returns
    -------
    graph
        The graph that expects them from elsewhere.
    weights
        By name; views of the bytes of `model`, but for those that do not begin where numbers of
        their size may.

    Raises
    ------
    IncompatibleError
        It is no graph as bundles have them.
    """
    return _TakenOut(model, what).result()


class _TakenOut:
    def __init__(self, data: bytes, what: str) -> None:
        self._data, self._messages = data, Messages(data, what)
        self._weights: dict[str, NDArray[np.generic]] = {}

    def result(self) -> tuple[bytes, dict[str, NDArray[np.generic]]]:
        pieces: list[bytes] = []
        head = 0

        def take(number: int, wire: int, value: int, start: int, end: int) -> None:
            nonlocal head
            if number == _GRAPH and wire == LENGTH:
                pieces.append(bytes_field(_GRAPH, self._graph(start, end)))
            else:
                pieces.append(self._data[head:end])
            head = end

        self._messages.walk("model", 0, len(self._data), take)
        return b"".join(pieces), self._weights

    def _graph(self, first: int, last: int) -> bytes:
        pieces: list[bytes] = []
        head = first

        def take(number: int, wire: int, value: int, start: int, end: int) -> None:
            nonlocal head
            large = number == _INITIALIZER and wire == LENGTH and end - start >= LARGE_BYTES
            found = self._tensor(start, end) if large else None
            if found is None or found.name in self._weights:
                pieces.append(self._data[head:end])
            else:
                self._weights[found.name] = found.numbers
                rest = self._data[start : found.start] + self._data[found.end : end]
                pieces.append(bytes_field(_INITIALIZER, rest + _ELSEWHERE))
            head = end

        self._messages.walk("graph", first, last, take)
        return b"".join(pieces)

    def _tensor(self, first: int, last: int) -> _Weights | None:
        """What is taken out of a tensor; None where its numbers do not stand in one piece."""
        sizes: list[int] = []
        kinds: list[int] = []
        names: list[str] = []
        spans: list[tuple[int, int, int]] = []
        others, head = False, first

        def take(number: int, wire: int, value: int, start: int, end: int) -> None:
            nonlocal others, head
            if number == _DIMS:
                sizes.append(value)
            elif number == _KIND:
                kinds.append(value)
            elif number == _NAME:
                names.append(self._messages.string(start, end, wire))
            elif number == _RAW and wire == LENGTH:
                spans.append((head, start, end))
            others |= number in _OTHERS
            head = end

        self._messages.walk("tensor", first, last, take)
        once = len(spans) == len(names) == len(kinds) == 1
        if others or not once or len(sizes) > _MOST_DIMS:
            return None
        (head, start, end), dtype = spans[0], _DTYPES.get(kinds[0])
        if dtype is None or math.prod(sizes) * np.dtype(dtype).itemsize != end - start:
            return None
        numbers = np.frombuffer(self._data, dtype, math.prod(sizes), start).reshape(sizes)
        return _Weights(names[0], np.require(numbers, requirements="A"), head, end)
