"""Weights that are signed again in memory: the same numbers, wherever nothing else takes them."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from cfedge.bundle.files import read
from cfedge.device.fingerprint import Cpu
from cfedge.runtime import signed_weights
from cfedge.runtime.session import open_session
from cfedge.runtime.signed_weights import with_signed_weights

VNNI = Cpu("x86_64", "one with VNNI", ("avx2", "avx512_vnni"))
OTHERS = (
    Cpu("x86_64", "one without", ("avx2", "avx512f")),
    Cpu("aarch64", "an ARM", ("asimddp", "i8mm")),
)
RNG = np.random.default_rng(0)
WEIGHT = RNG.integers(0, 256, (6, 5), np.uint8)


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Takes the processor to be another one."""

    def taken(cpu: Cpu) -> None:
        signed_weights._is_faster.cache_clear()
        monkeypatch.setattr(signed_weights, "this_cpu", lambda: cpu)

    yield taken
    signed_weights._is_faster.cache_clear()


def graph(*products: tuple[str, str, str, str], more: Any = (), outputs: Any = (), **constants: Any) -> bytes:  # fmt: skip
    """Products (output, weight, zero point of the input, zero point of the weight) of x."""
    nodes = [
        helper.make_node("MatMulInteger", ["x", weight, zero, middle], [out])
        for out, weight, zero, middle in products
    ]
    made = helper.make_graph(
        [*nodes, *more],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, ["B", 6])],
        [*(helper.make_tensor_value_info(one[0], TensorProto.INT32, None) for one in products), *outputs],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 17)]
    return helper.make_model(made, ir_version=8, opset_imports=opsets).SerializeToString()


def _field(number: int, content: bytes) -> bytes:
    """A field of bytes, as Protocol Buffers writes it."""
    size, spelled = len(content), b""
    while size > 0x7F:
        spelled, size = spelled + bytes([size & 0x7F | 0x80]), size >> 7
    return bytes([number << 3 | 2]) + spelled + bytes([size]) + content


def numbers(model: bytes) -> list[np.ndarray]:
    """Of each product and each weight of a convolution, what is multiplied: w less its zero."""
    loaded = onnx.load_from_string(model)
    arrays = {one.name: numpy_helper.to_array(one) for one in loaded.graph.initializer}
    found = []
    for node in loaded.graph.node:
        weight, zero = {
            "MatMulInteger": (1, 3), "MatMulIntegerToFloat": (1, 5), "DequantizeLinear": (0, 2),
        }.get(node.op_type, (0, 9))  # fmt: skip
        if zero < len(node.input) and node.input[weight] in arrays:
            whole = arrays[node.input[weight]].astype(int)
            middle = arrays[node.input[zero]].astype(int)
            found.append(whole - middle.reshape(-1, *[1] * (whole.ndim - 1) * bool(middle.ndim)))
    return found


def turned(model: bytes, what: str = "trunk") -> bytes:
    return with_signed_weights(BytesIO(model), what)


def kinds(model: bytes) -> dict[str, str]:
    loaded = onnx.load_from_string(model)
    return {one.name: str(numpy_helper.to_array(one).dtype) for one in loaded.graph.initializer}


def test_products_are_of_the_same_numbers_with_signed_weights(on: Any) -> None:
    zero, middle = np.uint8(7), np.uint8(128)
    model = graph(("y", "w", "z", "m"), ("y2", "w", "z", "m"), w=WEIGHT, z=zero, m=middle)
    for cpu in OTHERS:
        on(cpu)
        assert turned(model) is model
    on(VNNI)
    signed = turned(model)
    assert kinds(signed) == {"w": "int8", "z": "uint8", "m": "int8"}
    for one, other in zip(numbers(model), numbers(signed), strict=True):
        np.testing.assert_array_equal(one, other)
    back = helper.make_node("DequantizeLinear", ["w", "s", "m"], ["d"], axis=0)
    scaled = graph(more=[back], outputs=[helper.make_tensor_value_info("d", TensorProto.FLOAT, None)],
                   w=WEIGHT, s=np.ones(6, np.float32), m=np.full(6, 128, np.uint8))  # fmt: skip
    again = turned(scaled)
    assert kinds(again) == {"w": "int8", "s": "float32", "m": "int8"}
    np.testing.assert_array_equal(*(numbers(one)[0] for one in (scaled, again)))
    x = RNG.integers(0, 60, (3, 6), np.uint8)  # so small that no processor's sums overflow
    expected = (x.astype(int) - 7) @ (WEIGHT.astype(int) - 128)
    for one in (model, signed):
        for found in open_session(one, "g").run(None, {"x": x}):
            np.testing.assert_array_equal(found, expected)


def test_the_bytes_are_changed_where_they_are_and_copied_where_somebody_else_has_them(
    on: Any,
) -> None:
    on(VNNI)
    model = graph(("y", "w", "z", "m"), w=WEIGHT, z=np.uint8(7), m=np.uint8(128))
    kept, signed = bytes(bytearray(model)), turned(model)
    assert model == kept
    own = bytes(bytearray(model))
    place, held = id(own), BytesIO(own)
    del own
    found = with_signed_weights(held, "trunk")
    assert (id(found), found) == (place, signed)


def test_what_something_else_takes_too_stays_as_it_is(on: Any) -> None:
    on(VNNI)
    middle, other = np.uint8(128), np.uint8(127)
    cast = helper.make_node("Cast", ["w"], ["c"], to=TensorProto.FLOAT)
    shown = helper.make_tensor_value_info("w", TensorProto.UINT8, [6, 5])
    stay = {
        "its zero point is of the input too": graph(("y", "w", "m", "m"), w=WEIGHT, m=middle),
        "its zero point is another": graph(("y", "w", "z", "m"), w=WEIGHT, z=middle, m=other),
        "a Cast reads it": graph(("y", "w", "z", "m"), more=[cast], w=WEIGHT, z=other, m=middle),
        "it is an output": graph(("y", "w", "z", "m"), outputs=[shown], w=WEIGHT, z=other, m=middle),
        "the other weight of its zero point must stay": graph(
            ("y", "w", "z", "m"), ("y2", "v", "z", "m"), more=[helper.make_node("Identity", ["v"], ["i"])],
            w=WEIGHT, v=WEIGHT, z=other, m=middle,
        ),
        "and one further": graph(
            ("y", "w", "z", "m"), ("y1", "w", "z", "n"), ("y2", "v", "z", "n"),
            more=[helper.make_node("Identity", ["v"], ["i"])],
            w=WEIGHT, v=WEIGHT, z=other, m=middle, n=middle,
        ),
    }  # fmt: skip
    # the kind of w's numbers in two bytes where one would do: Protocol Buffers allows it
    plain = graph(("y", "w", "z", "m"), w=WEIGHT, z=other, m=middle)
    tensor = numpy_helper.from_array(WEIGHT, "w").SerializeToString()
    longer = tensor.replace(b"\x10\x02", b"\x10\x82\x00", 1)
    loaded = onnx.load_from_string(plain)
    assert TensorProto.FromString(longer) == loaded.graph.initializer[0]
    inner = loaded.graph.SerializeToString().replace(_field(5, tensor), _field(5, longer), 1)
    loaded.ClearField("graph")
    stay["its kind is spelled at length"] = loaded.SerializeToString() + _field(7, inner)
    for why, model in stay.items():
        assert turned(model) == model, why
    beside = graph(("y", "w", "z", "m"), ("y2", "v", "n", "n"), w=WEIGHT, v=WEIGHT, z=other, m=middle, n=middle)  # fmt: skip
    assert kinds(turned(beside)) == {
        "w": "int8", "z": "uint8", "m": "int8", "v": "uint8", "n": "uint8",
    }  # fmt: skip


def test_every_product_of_what_is_exported_is_of_signed_weights(tiny_bundle: Path, on: Any) -> None:
    on(VNNI)
    bundle = read(tiny_bundle)
    for role, ref in bundle.manifest.backbone.files().items():
        if role not in ("trunk", "tail"):
            continue
        model = bundle[ref]
        signed = turned(model, role)
        assert len(signed) == len(model)
        pairs = list(zip(numbers(model), numbers(signed), strict=True))
        assert pairs
        for one, other in pairs:
            np.testing.assert_array_equal(one, other)
        constants = kinds(signed)
        for node in onnx.load_from_string(signed).graph.node:
            if node.op_type == "MatMulIntegerToFloat":
                assert {constants[node.input[place]] for place in (1, 5)} == {"int8"}
