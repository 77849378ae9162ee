"""Score many clusters at once in int8: a quarter of the bytes that a product of float32 reads, with a bound on the error.

The product is one node of ONNX Runtime, MatMulIntegerToFloat, in a graph that is written here: a device has no onnx package.
Weights have 7 bits, so that no kernel of any CPU saturates.

Letters: C clusters, K directions.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cfedge.runtime.session import open_session

__all__ = ["Int8Table"]

Floats = NDArray[np.float32]

_LARGEST = 63
#: What is smaller is 0.
_TINY = 1e-30
_FLOAT, _UINT8, _INT8 = 1, 2, 3  # TensorProto.DataType
_TYPES = {np.dtype(np.float32): _FLOAT, np.dtype(np.uint8): _UINT8, np.dtype(np.int8): _INT8}


class Int8Table:
    """The scores ``clusters z - offset``, about.

    Each direction k has a scale d_k, its largest number in any cluster / 63, so that each uses all of the 7 bits: a cluster m is
    d w + r, with integers w and what rounding leaves of it, r. A query's z d is t q + e in the same way, with 8 bits. So::

        m z = t w q + r z + w e        |m z - t w q| <= |r| |z| + |w| |e|

    by Cauchy and Schwarz, with the lengths of all clusters' r and w known and those of z and e taken from the query: a third of
    what sums of worst cases say, and four times what is found.

    Parameters
    ----------
    clusters, offset
        float32 [C, K] and [C].
    """

    def __init__(self, clusters: Floats, offset: Floats) -> None:
        limit = np.abs(clusters).max(axis=0, initial=0.0)
        self._scale = np.where(limit > _TINY, limit / _LARGEST, 1.0).astype(np.float32)
        weight = np.rint(clusters / self._scale)
        self._left, self._length = _longest(clusters - weight * self._scale), _longest(weight)
        self._exactly = float(np.finfo(np.float32).eps) * (len(limit) + 16)
        self._norm, self._offset = _longest(clusters), float(np.abs(offset).max(initial=0.0))
        constants = {
            "weight": np.ascontiguousarray(weight.T.astype(np.int8)),
            "scale": np.array(1, np.float32),
            "zero": np.array(128, np.uint8),
            "bias": -offset,
        }
        self._session = open_session(_graph(constants), "int8 table of clusters")

    def __call__(self, z: Floats) -> tuple[Floats, float]:
        """Return the scores float32 [C] of one vector float32 [K], and how far each is from the one in float32 at most.

        The bound adds what float32 itself rounds in K + 16 steps, here and there.
        """
        scaled = z * self._scale
        step = float(np.abs(scaled).max()) / 127
        if step < _TINY:
            step = 1.0
        rounded = np.rint(scaled / np.float32(step))
        scaled -= rounded * np.float32(step)
        rounded += 128
        feeds = {"z": rounded.astype(np.uint8)[None], "step": np.array(step, np.float32)}
        scores: Floats = self._session.run(["scores"], feeds)[0][0]
        size = math.sqrt(z.dot(z))
        error = self._left * size + self._length * math.sqrt(scaled.dot(scaled))
        return scores, error + self._exactly * (error + self._norm * size + self._offset)


def _longest(rows: Floats) -> float:
    return math.sqrt(np.einsum("ck,ck->c", rows, rows).max(initial=0.0))


def _graph(constants: dict[str, NDArray[np.generic]]) -> bytes:
    """``z`` uint8 [1, K] and its ``step`` float32 -> scores float32 [1, C]: an ONNX model, field by field (onnx.proto)."""
    names = ["z", "weight", "step", "scale", "zero", "", "bias"]
    inputs = b"".join(_bytes(1, name.encode()) for name in names)
    node = inputs + _bytes(2, b"scores") + _bytes(4, b"MatMulIntegerToFloat") + _bytes(7, b"com.microsoft")
    rows, columns = constants["weight"].shape
    graph = _bytes(1, node) + _bytes(2, b"table")
    for name, array in constants.items():
        dims = b"".join(_number(1, size) for size in array.shape)
        graph += _bytes(5, dims + _number(2, _TYPES[array.dtype]) + _bytes(8, name.encode()) + _bytes(9, array.tobytes()))
    graph += _bytes(11, _value("z", _UINT8, (1, rows))) + _bytes(11, _value("step", _FLOAT, ()))
    graph += _bytes(12, _value("scores", _FLOAT, (1, columns)))
    opsets = _bytes(8, _bytes(1, b"") + _number(2, 17)) + _bytes(8, _bytes(1, b"com.microsoft") + _number(2, 1))
    return _number(1, 8) + _bytes(7, graph) + opsets


def _value(name: str, kind: int, shape: tuple[int, ...]) -> bytes:
    """A ValueInfoProto."""
    dims = b"".join(_bytes(1, _number(1, size)) for size in shape)
    return _bytes(1, name.encode()) + _bytes(2, _bytes(1, _number(1, kind) + _bytes(2, dims)))


def _number(field: int, value: int) -> bytes:
    """A field of protobuf's wire format: varint."""
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    """A field of protobuf's wire format: length-delimited."""
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    digits = bytearray()
    while value > 127:
        digits.append(value & 127 | 128)
        value >>= 7
    digits.append(value)
    return bytes(digits)
