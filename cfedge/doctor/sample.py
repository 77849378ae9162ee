"""A tiny int8 ONNX graph, encoded by hand: devices have no ``onnx`` package, and a bundle may not
be at hand.

``y = 0.5 * float(MatMulInteger(x, w, zero point 128))``, the form of a bundle's int8-row products,
twice: `y8` with weights of the whole range +-127, stored unsigned around 128 as a bundle's are, and
`y7` with signed ones of +-63. The inputs are the worst case of CPUs that add pairs of products in 16
bits (AVX2 and AVX-512 without VNNI): signed weights of the whole range overflow there, these do
not. Every right result is exact in float32.

Letters: M rows, K inputs, N outputs.
"""

from __future__ import annotations

from collections.abc import Sequence

from cfedge.bundle.onnx_fields import bytes_field, number_field

__all__ = ["SCALE", "ZERO_POINT", "expected", "graph", "rows", "weights"]

M, K, N = 3, 64, 24
ZERO_POINT, SCALE = 128, 0.5

#: Field numbers and types of onnx.proto (github.com/onnx/onnx/blob/main/onnx/onnx.proto).
_FLOAT, _UINT8, _INT8 = 1, 2, 3


def rows() -> list[list[int]]:
    """Return x, values of uint8, [M][K]: the largest, the smallest, and a mixture."""
    return [[255] * K, [0] * K, [(37 * k + 11) % 256 for k in range(K)]]


def weights(largest: int) -> list[list[int]]:
    """Return w, values of int8 within +-`largest`, [K][N]: columns of the largest, of the smallest,
    and mixtures.
    """
    mixed = [
        [(29 * k + 17 * n) % (2 * largest + 1) - largest for n in range(2, N)] for k in range(K)
    ]
    return [[largest, -largest, *row] for row in mixed]


def expected(largest: int) -> list[list[float]]:
    """Return what y must be, [M][N], computed in Python's own integers."""
    w = weights(largest)
    return [
        [SCALE * sum((x - ZERO_POINT) * w[k][n] for k, x in enumerate(row)) for n in range(N)]
        for row in rows()
    ]


def graph() -> bytes:
    """Return the ONNX model: input ``x`` uint8 [M, K], outputs ``y8`` and ``y7`` float32 [M, N]."""
    nodes, tensors = (
        [],
        [
            _tensor("zero", _UINT8, [], bytes([ZERO_POINT])),
            _tensor("scale", _FLOAT, [], b"\x00\x00\x00\x3f"),
        ],
    )
    for name, largest in (("8", 127), ("7", 63)):
        unsigned = largest > 63
        shift = ZERO_POINT if unsigned else 0
        flat = bytes((value + shift) & 255 for row in weights(largest) for value in row)
        tensors.append(_tensor(f"w{name}", _UINT8 if unsigned else _INT8, [K, N], flat))
        factors = ["x", f"w{name}", "zero", *(["zero"] if unsigned else [])]
        nodes += [
            _node("MatMulInteger", factors, f"i{name}"),
            _node(
                "Cast",
                [f"i{name}"],
                f"f{name}",
                _string(1, "to") + number_field(3, _FLOAT) + number_field(20, 2),
            ),
            _node("Mul", [f"f{name}", "scale"], f"y{name}"),
        ]
    body = b"".join(bytes_field(1, node) for node in nodes) + _string(2, "cfedge-doctor")
    body += b"".join(bytes_field(5, tensor) for tensor in tensors)
    body += (
        bytes_field(11, _value("x", _UINT8, [M, K]))
        + bytes_field(12, _value("y8", _FLOAT, [M, N]))
        + bytes_field(12, _value("y7", _FLOAT, [M, N]))
    )
    return (
        number_field(1, 8)
        + _string(2, "cfedge")
        + bytes_field(7, body)
        + bytes_field(8, _string(1, "") + number_field(2, 13))
    )


def _string(field: int, value: str) -> bytes:
    return bytes_field(field, value.encode())


def _tensor(name: str, kind: int, shape: Sequence[int], raw: bytes) -> bytes:
    return (
        b"".join(number_field(1, size) for size in shape)
        + number_field(2, kind)
        + _string(8, name)
        + bytes_field(9, raw)
    )


def _node(operator: str, inputs: Sequence[str], output: str, attribute: bytes = b"") -> bytes:
    encoded = (
        b"".join(_string(1, name) for name in inputs) + _string(2, output) + _string(4, operator)
    )
    return encoded + (bytes_field(5, attribute) if attribute else b"")


def _value(name: str, kind: int, shape: Sequence[int]) -> bytes:
    dimensions = b"".join(bytes_field(1, number_field(1, size)) for size in shape)
    return _string(1, name) + bytes_field(
        2, bytes_field(1, number_field(1, kind) + bytes_field(2, dimensions))
    )
