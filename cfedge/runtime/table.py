"""Score many clusters at once in int8: a quarter of the bytes that a product of float32 reads, with a bound on the error.

The product is one node of ONNX Runtime, MatMulIntegerToFloat, in a graph that is written here: a device has no onnx package.
Weights have 7 bits, so that no kernel of any CPU saturates.

Letters: C clusters, K directions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cfedge.runtime.session import open_session

__all__ = ["Int8Table"]

Floats = NDArray[np.float32]

_LARGEST = 63
_FLOAT, _UINT8, _INT8 = 1, 2, 3  # TensorProto.DataType
_TYPES = {np.dtype(np.float32): _FLOAT, np.dtype(np.uint8): _UINT8, np.dtype(np.int8): _INT8}


class Int8Table:
    """The scores ``clusters z - offset``, about.

    Parameters
    ----------
    clusters, offset
        float32 [C, K] and [C].
    """

    def __init__(self, clusters: Floats, offset: Floats) -> None:
        limit = np.abs(clusters).max(axis=1, initial=0.0)
        scale = np.where(limit > 1e-30, limit / _LARGEST, 1.0).astype(np.float32)
        weight = np.rint(clusters / scale[:, None]).astype(np.int8)
        self._half = float(scale.max()) / 2
        self._sum = float(np.abs(clusters).sum(axis=1).max())
        constants = {"weight": np.ascontiguousarray(weight.T), "scale": scale, "zero": np.array(128, np.uint8), "bias": -offset}
        self._session = open_session(_graph(constants), "int8 table of clusters")

    def __call__(self, z: Floats) -> tuple[Floats, float]:
        """Return the scores float32 [C] of one vector float32 [K], and how far each may be from the exact one, at most.

        With z' and w' the rounded numbers: |z w - z' w'| <= |z|_1 max |w - w'| + |w|_1 max |z - z'| + K max |w - w'| max |z - z'|.
        """
        size = np.abs(z)
        limit = float(size.max(initial=0.0))
        step = limit / 127 if limit > 1e-30 else 1.0
        rounded = (np.rint(z / np.float32(step)) + 128).astype(np.uint8)
        scores: Floats = self._session.run(None, {"z": rounded[None], "step": np.array(step, np.float32)})[0][0]
        half = min(step / 2, limit)
        error = float(size.sum()) * self._half + self._sum * half + len(z) * self._half * half
        return scores, 1.01 * error + 1e-4


def _graph(constants: dict[str, NDArray[np.generic]]) -> bytes:
    """``z`` uint8 [1, K] and its ``step`` float32 -> scores float32 [1, C]: an ONNX model, field by field (onnx.proto)."""
    names = ["z", "weight", "step", "scale", "zero", "", "bias"]
    inputs = b"".join(_bytes(1, name.encode()) for name in names)
    node = inputs + _bytes(2, b"scores") + _bytes(4, b"MatMulIntegerToFloat") + _bytes(7, b"com.microsoft")
    columns = constants["scale"].shape[0]
    rows = constants["weight"].shape[0]
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
