"""Score many clusters about, in 4 bits a number: an eighth of the bytes that a product of float32
reads.

One node of ONNX Runtime, MatMulNBits, in a graph that is written here: a device has no onnx package.
Each cluster is one block of numbers with a step of its own; each direction is divided by the root
of its spread, which the query is multiplied by, so that strong directions take not all of the 16
levels (docs/decisions/0064-coarse-table.md).

Letters: C clusters, K directions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cfedge.bundle.onnx_fields import bytes_field, number_field
from cfedge.runtime.session import open_session

__all__ = ["CoarseTable"]

Floats = NDArray[np.float32]

#: Of the 16 levels -8 ... 7, half of their number.
_LEVELS = 8
#: What is smaller is 0.
_TINY = 1e-12
#: Of MatMulNBits: the query is rounded to 8 bits.
_ROUNDED_QUERY = 4
_INT = 2  # AttributeProto.AttributeType
_TYPES = {np.dtype(np.float32): 1, np.dtype(np.uint8): 2}  # TensorProto.DataType


class CoarseTable:
    """The scores ``clusters z - offset``, about.

    Parameters
    ----------
    clusters, offset
        float32 [C, K] with K = 16, 32, 64, 128 or 256, and [C].
    """

    def __init__(self, clusters: Floats, offset: Floats) -> None:
        spread = np.sqrt(np.square(clusters).mean(axis=0))
        self._scale = np.sqrt(np.where(spread > _TINY, spread, 1.0)).astype(np.float32)
        self._session = open_session(
            _graph(*_rounded(clusters / self._scale), -offset), "coarse table of clusters"
        )

    def __call__(self, z: Floats) -> Floats:
        """Return the scores float32 [C] of one vector float32 [K]; they are the caller's to keep."""
        (scores,) = self._session.run(["scores"], {"z": (z * self._scale)[None]})[0]
        found: Floats = scores
        return found


def _rounded(rows: Floats) -> tuple[NDArray[np.uint8], Floats]:
    """Return two levels a byte, uint8 [C, 1, K / 2], the earlier one in the low bits, each 8 more
    than it means; and the step of each row, float32 [C].
    """
    largest = np.abs(rows).max(axis=1)
    step = np.where(largest > _TINY, largest / _LEVELS, 1.0).astype(np.float32)
    levels = np.clip(np.rint(rows / step[:, None]), -_LEVELS, _LEVELS - 1) + _LEVELS
    low, high = levels[:, ::2].astype(np.uint8), levels[:, 1::2].astype(np.uint8)
    return (low | high << 4)[:, None], step


def _graph(levels: NDArray[np.uint8], step: Floats, bias: Floats) -> bytes:
    """``z`` float32 [1, K] -> ``scores`` float32 [1, C]: an ONNX model, field by field
    (onnx.proto).
    """
    columns, rows = len(levels), 2 * levels.shape[2]
    constants: dict[str, NDArray[np.generic]] = {"levels": levels, "step": step, "bias": bias}
    numbers = {
        "K": rows,
        "N": columns,
        "bits": 4,
        "block_size": rows,
        "accuracy_level": _ROUNDED_QUERY,
    }
    node = b"".join(bytes_field(1, name) for name in (b"z", b"levels", b"step", b"", b"", b"bias"))
    node += bytes_field(2, b"scores") + bytes_field(4, b"MatMulNBits")
    node += b"".join(
        bytes_field(
            5, bytes_field(1, name.encode()) + number_field(3, one) + number_field(20, _INT)
        )
        for name, one in numbers.items()
    )
    graph = bytes_field(1, node + bytes_field(7, b"com.microsoft")) + bytes_field(2, b"table")
    for name, array in constants.items():
        dims = b"".join(number_field(1, size) for size in array.shape)
        graph += bytes_field(
            5,
            dims
            + number_field(2, _TYPES[array.dtype])
            + bytes_field(8, name.encode())
            + bytes_field(9, array.tobytes()),
        )
    graph += bytes_field(11, _value("z", rows))
    graph += bytes_field(12, _value("scores", columns))
    opsets = bytes_field(8, bytes_field(1, b"") + number_field(2, 17)) + bytes_field(
        8, bytes_field(1, b"com.microsoft") + number_field(2, 1)
    )
    return number_field(1, 8) + bytes_field(7, graph) + opsets


def _value(name: str, size: int) -> bytes:
    """A ValueInfoProto of float32 [1, size]."""
    dims = b"".join(bytes_field(1, number_field(1, one)) for one in (1, size))
    tensor = number_field(1, _TYPES[np.dtype(np.float32)]) + bytes_field(2, dims)
    return bytes_field(1, name.encode()) + bytes_field(2, bytes_field(1, tensor))
