"""Score many clusters at once in int8: a quarter of the bytes that a product of float32 reads, with
a bound on the error.

Two nodes of ONNX Runtime, DynamicQuantizeLinear and MatMulIntegerToFloat, in a graph that is
written here: a device has no onnx package. One scale serves all clusters, as a scale of its own for
each takes the product twice as long (docs/decisions/0003-lookup.md). Weights have 7 bits, so that
no kernel of any CPU saturates.

Letters: C clusters, K directions.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cfedge.bundle.onnx_fields import bytes_field, number_field
from cfedge.runtime.session import open_session

__all__ = ["Int8Table"]

Floats = NDArray[np.float32]

_LARGEST = 63
#: What is smaller is 0.
_TINY = 1e-12
#: Of a step: what rounding a query's number leaves of it at most; ONNX Runtime divides in float32.
_HALF = 0.5001
_FLOAT, _INT8 = 1, 3  # TensorProto.DataType
_TYPES = {np.dtype(np.float32): _FLOAT, np.dtype(np.int8): _INT8}


class Int8Table:
    """The scores ``clusters z - offset``, about.

    Each direction k has a scale d_k, its largest number in any cluster / 63, so that each uses all
    of the 7 bits: a cluster m is d w + r, with integers w and what rounding leaves of it, r. A
    query's d z is t q + e in the same way, with 8 bits. So, by Cauchy and Schwarz, with all
    clusters' |r| and |w| known, and |e_k| <= t / 2::

        m z = t w q + r z + w e        |m z - t w q| <= |r| |z| + |w| t sqrt(K) / 2

    Parameters
    ----------
    clusters, offset
        float32 [C, K] and [C].
    """

    def __init__(self, clusters: Floats, offset: Floats) -> None:
        limit = np.abs(clusters).max(axis=0, initial=0.0)
        self._scale = np.where(limit > _TINY, limit / _LARGEST, 1.0).astype(np.float32)
        weight = np.rint(clusters / self._scale)
        self._left = _longest(clusters - weight * self._scale)
        self._half = _HALF * math.sqrt(len(limit)) * _longest(weight)
        self._exactly = float(np.finfo(np.float32).eps) * (len(limit) + 16)
        self._norm, self._offset = _longest(clusters), float(np.abs(offset).max(initial=0.0))
        self._session = open_session(
            _graph(weight.astype(np.int8), -offset), "int8 table of clusters"
        )

    def __call__(self, z: Floats) -> tuple[Floats, float]:
        """Return the scores float32 [C] of one vector float32 [K], and how far each is from the one
        in float32 at most.

        The bound adds what float32 itself rounds in K + 16 steps, here and there.
        """
        (scores,), step = self._session.run(["scores", "step"], {"z": (z * self._scale)[None]})
        size = math.sqrt(z.dot(z))
        error = self._left * size + self._half * float(step)
        return scores, error + self._exactly * (error + self._norm * size + self._offset)


def _longest(rows: Floats) -> float:
    return math.sqrt(np.einsum("ck,ck->c", rows, rows).max(initial=0.0))


def _graph(weight: NDArray[np.int8], bias: Floats) -> bytes:
    """``z`` float32 [1, K] -> ``scores`` float32 [1, C] and ``step``: an ONNX model, field by field
    (onnx.proto).
    """
    columns, rows = weight.shape
    constants: dict[str, NDArray[np.generic]] = {
        "weight": np.ascontiguousarray(weight.T),
        "one": np.array(1, np.float32),
        "bias": bias,
    }
    graph = bytes_field(2, b"table") + _node(
        "DynamicQuantizeLinear", ["z"], ["rounded", "step", "zero"]
    )
    inputs = ["rounded", "weight", "step", "one", "zero", "", "bias"]
    graph += _node("MatMulIntegerToFloat", inputs, ["scores"], "com.microsoft")
    for name, array in constants.items():
        dims = b"".join(number_field(1, size) for size in array.shape)
        graph += bytes_field(
            5,
            dims
            + number_field(2, _TYPES[array.dtype])
            + bytes_field(8, name.encode())
            + bytes_field(9, array.tobytes()),
        )
    graph += bytes_field(11, _value("z", (1, rows)))
    graph += bytes_field(12, _value("scores", (1, columns))) + bytes_field(12, _value("step", ()))
    opsets = bytes_field(8, bytes_field(1, b"") + number_field(2, 17)) + bytes_field(
        8, bytes_field(1, b"com.microsoft") + number_field(2, 1)
    )
    return number_field(1, 8) + bytes_field(7, graph) + opsets


def _node(kind: str, inputs: list[str], outputs: list[str], domain: str = "") -> bytes:
    """A NodeProto as the graph's field."""
    names = b"".join(bytes_field(1, name.encode()) for name in inputs) + b"".join(
        bytes_field(2, name.encode()) for name in outputs
    )
    return bytes_field(1, names + bytes_field(4, kind.encode()) + bytes_field(7, domain.encode()))


def _value(name: str, shape: tuple[int, ...]) -> bytes:
    """A ValueInfoProto of float32."""
    dims = b"".join(bytes_field(1, number_field(1, size)) for size in shape)
    return bytes_field(1, name.encode()) + bytes_field(
        2, bytes_field(1, number_field(1, _FLOAT) + bytes_field(2, dims))
    )
