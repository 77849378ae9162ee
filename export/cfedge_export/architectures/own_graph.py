"""An encoder's ONNX file as its owner wrote it: what it may hold, and how it becomes ours.

One input of fixed dtype and shape with a batch axis in front, ``features`` float32 [B, D], and
perhaps ``hidden`` float32 [B, D'] or [B, S, D']. Operators are those that a device accepts
(`cfedge.bundle.operators`): no loops or branches, no functions, no data in other files.

Letters: B batch, D width, S sequence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, ValueInfoProto, helper, numpy_helper

from cfedge.bundle.graph import check_graph
from cfedge.errors import BackboneError, IncompatibleError, SchemaError
from cfedge.first_bytes import FIRST_BYTES, known
from cfedge.inputs.array.spec import Array, DType
from cfedge.plain_files import read_plain
from cfedge_export.names import FEATURES, HIDDEN

__all__ = ["ARRAY", "GIVEN", "graph_of", "read_own", "spec_of"]

#: The input, as devices feed it; what the owner's tensors are called begins with `GIVEN`.
ARRAY, GIVEN = "array", "given."
#: Of an ONNX file, as of every file of a bundle that is one message.
_MOST_BYTES = 1 << 30
_DTYPES: dict[int, DType] = {
    TensorProto.FLOAT: "float32",
    TensorProto.DOUBLE: "float64",
    TensorProto.INT8: "int8",
    TensorProto.INT16: "int16",
    TensorProto.INT32: "int32",
    TensorProto.INT64: "int64",
    TensorProto.UINT8: "uint8",
}
#: The version of the format since which initializers are no inputs.
_OWN_INITIALIZERS = 4
_PAGE = "see docs/how-to/own-encoder.md"
#: What to do about what devices do not accept, where that is one thing.
_STEPS = {
    "external data": "export it with external_data=False, or save what onnx.load gives with onnx.save",
    "the operator 'Dropout'": "export it in evaluation mode (model.eval())",
}


def read_own(path: Path) -> ModelProto:
    """Read the file.

    Raises
    ------
    BackboneError
        It is no ONNX file, or holds what a device does not accept.
    """
    try:
        size = path.stat().st_size
        data = read_plain(path, _MOST_BYTES) if size <= _MOST_BYTES else b""
    except OSError as error:
        raise BackboneError(
            f"could not read {path}: {error.strerror or error}; name the encoder's ONNX file with"
            " --model"
        ) from error
    if size > _MOST_BYTES:
        raise BackboneError(
            f"{path}: expected an ONNX file of at most {_MOST_BYTES >> 20} MB, found"
            f" {size >> 20} MB; use a smaller encoder"
        )
    if not data:
        raise BackboneError(f"{path}: expected an ONNX file, found an empty file; export it again")
    other = known(data[:FIRST_BYTES])
    if other is not None:
        raise BackboneError(
            f"{path}: expected an ONNX file, found {other.what};"
            f" {other.step or f'export it to ONNX, {_PAGE}'}"
        )
    try:
        check_graph(data, str(path))
    except IncompatibleError as error:
        found = str(error).rpartition("found ")[2].rpartition(";")[0]
        raise BackboneError(
            f"{path}: expected an ONNX file of operators that devices accept, found"
            f" {found or error}; {_STEPS.get(found, _PAGE)}"
        ) from error
    try:
        model: ModelProto = onnx.load_model_from_string(data)
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf's and the checker's errors share no class of their own
        reason = (str(error).splitlines() or [type(error).__name__])[0][:160]
        raise BackboneError(
            f"{path}: expected an ONNX file, found: {reason}; export it again"
        ) from error
    _check_ends(model, path)
    return model


def spec_of(model: ModelProto, path: Path) -> Array:
    """Return what a file that `read_own` read takes.

    Raises
    ------
    BackboneError
        Its dtype or shape is none that arrays may have.
    """
    kind = _input(model).type.tensor_type
    sizes = [dim.dim_value for dim in kind.shape.dim]
    if kind.elem_type not in _DTYPES:
        raise BackboneError(
            f"{path}: expected an input of {', '.join(_DTYPES.values())}, found"
            f" {TensorProto.DataType.Name(kind.elem_type).lower()}; cast it inside the graph"
        )
    spec = Array("array", _DTYPES[kind.elem_type], tuple(sizes[1:]))
    try:
        spec.check()
    except SchemaError as error:
        raise BackboneError(
            f"{path}: expected an input [batch, ...] of 1 to 7 sizes > 0 behind the batch and at"
            f" most 16,777,216 values, found {_form(_input(model))}; export it with fixed sizes and"
            " a batch axis that is not"
        ) from error
    return spec


def graph_of(model: ModelProto, sizes: Mapping[str, Sequence[int]]) -> ModelProto:
    """Return the graph in our names, ending in the direction of what the tail reads.

    Parameters
    ----------
    sizes
        Of ``features`` and ``hidden``, without the batch's, as the file puts them out.
    """
    made = ModelProto()
    made.CopyFrom(model)
    made.ir_version = max(made.ir_version, _OWN_INITIALIZERS)
    graph = made.graph
    own = {_input(model).name: ARRAY}
    constants = {tensor.name for tensor in graph.initializer}
    for node in graph.node:
        node.input[:] = [_renamed(name, own) for name in node.input]
        node.output[:] = [_renamed(name, own) for name in node.output]
    for position, node in enumerate(graph.node):
        node.name = f"{GIVEN}{position}.{node.op_type}"
    for tensor in graph.initializer:
        tensor.name = _renamed(tensor.name, own)
    value = _input(made)
    value.name = ARRAY
    value.type.tensor_type.shape.dim[0].dim_param = "batch"
    kept = [value for value in graph.input if value.name not in constants]
    del graph.input[:], graph.output[:], graph.value_info[:], graph.quantization_annotation[:]
    graph.input.extend(kept)
    for name, shape in sizes.items():
        graph.value_info.append(
            helper.make_tensor_value_info(f"{GIVEN}{name}", TensorProto.FLOAT, ["batch", *shape])
        )
    source = HIDDEN if HIDDEN in sizes else FEATURES
    _end(made, f"{GIVEN}{source}", list(sizes[source]))
    onnx.checker.check_model(made)
    return made


def _end(model: ModelProto, source: str, sizes: list[int]) -> None:
    """Append `features`: the direction of `source`, or of its mean over the second axis."""
    row, nodes = source, []
    if len(sizes) == 2:  # the sum has the mean's direction, and is the same in any company
        ones = numpy_helper.from_array(np.ones(sizes[0], np.float32), "last.ones")
        model.graph.initializer.append(ones)
        row = "last.sum"
        nodes.append(helper.make_node("MatMul", ["last.ones", source], [row], row))
    nodes.append(helper.make_node("LpNormalization", [row], [FEATURES], "last", axis=1, p=2))
    model.graph.node.extend(nodes)
    shape: list[int | str | None] = ["batch", sizes[-1]]
    model.graph.output.append(helper.make_tensor_value_info(FEATURES, TensorProto.FLOAT, shape))


def _renamed(name: str, own: Mapping[str, str]) -> str:
    return own.get(name, f"{GIVEN}{name}") if name else name


def _input(model: ModelProto) -> ValueInfoProto:
    """The one input that is no constant."""
    constants = {tensor.name for tensor in model.graph.initializer}
    found = [value for value in model.graph.input if value.name not in constants]
    value: ValueInfoProto = found[0]
    return value


def _check_ends(model: ModelProto, path: Path) -> None:
    """Refuse other inputs and outputs than the module's docstring names."""
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in constants]
    outputs = {value.name: value for value in model.graph.output}
    if len(inputs) != 1:
        names = ", ".join(value.name for value in inputs)[:120] or "none"
        raise BackboneError(f"{path}: expected one input, found {names}; {_PAGE}")
    if FEATURES not in outputs or set(outputs) - {FEATURES, HIDDEN}:
        raise BackboneError(
            f"{path}: expected the output {FEATURES}, and at most {HIDDEN} beside it, found"
            f" {', '.join(outputs)[:120] or 'none'}; name them so when you export"
            " (output_names=['features'])"
        )
    first = inputs[0].type.tensor_type.shape.dim
    if not len(first) or first[0].dim_value:
        raise BackboneError(
            f"{path}: expected an input whose first axis is the batch, of any size, found"
            f" {_form(inputs[0])}; export it with a dynamic axis 0"
        )
    for name, value in outputs.items():
        kind = value.type.tensor_type
        if kind.elem_type != TensorProto.FLOAT:
            found = TensorProto.DataType.Name(kind.elem_type).lower()
            raise BackboneError(
                f"{path}: expected {name} in float32, found {found}; cast it inside the graph"
            )


def _form(value: ValueInfoProto) -> str:
    sizes = value.type.tensor_type.shape.dim
    return f"[{', '.join(str(dim.dim_value or dim.dim_param or '?') for dim in sizes)}]"
