"""Run a tail graph in PyTorch, node by node, with gradients for the low-rank slots.

The graph that is trained is thus the graph that ships (before its activations are quantised): the
same nodes, the same slot names, any architecture whose nodes are in `OPERATORS`. It does not parse
files and knows no task.

Letters: B batch, S sequence, D width, H heads, R rank.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

import onnx
import torch
from onnx import ModelProto, NodeProto, numpy_helper
from torch import Tensor
from torch.nn import functional

from cfedge.errors import BackboneError
from cfedge.train.learn.graph_keys import KEEP_POSITIONS

__all__ = ["MASK", "OPERATORS", "TorchTail"]

#: The input that says which positions of a padded batch count.
MASK = "attention_mask"

_Attributes = Mapping[str, Any]
#: An input that is left out is None.
_Operator = Callable[[list[Any], _Attributes], list[Tensor]]
#: Added to the score of padding, as ONNX Runtime does.
_HIDDEN = -10_000.0
_TORCH_TYPES = {
    onnx.TensorProto.FLOAT: torch.float32,
    onnx.TensorProto.INT32: torch.int32,
    onnx.TensorProto.INT64: torch.int64,
}


class TorchTail:
    """A callable tail.

    Parameters
    ----------
    model
        Float32 tail with slots, from `cfedge_export.graph`.
    device
        Where its weights live.

    Attributes
    ----------
    is_masked
        Whether inputs of several lengths are padded to one.
    keep_positions
        Positions that training never leaves out, the first so many; None: none may be left out.

    Raises
    ------
    BackboneError
        The graph holds an operator that is not in `OPERATORS`.
    """

    def __init__(self, model: ModelProto, device: torch.device | str = "cpu") -> None:
        unknown = sorted({node.op_type for node in model.graph.node} - OPERATORS.keys())
        if unknown:
            raise BackboneError(
                f"tail: cannot train through {', '.join(unknown)}; known operators:"
                f" {', '.join(sorted(OPERATORS))}"
            )
        self.device = torch.device(device)
        self._weights = {
            tensor.name: torch.from_numpy(numpy_helper.to_array(tensor).copy()).to(self.device)
            for tensor in model.graph.initializer
        }
        self._steps = [_step(node) for node in model.graph.node]
        self._output = model.graph.output[0].name
        self.is_masked = MASK in [value.name for value in model.graph.input]
        stated = [entry.value for entry in model.metadata_props if entry.key == KEEP_POSITIONS]
        self.keep_positions = int(stated[0]) if stated else None

    def __call__(
        self, hidden: Tensor, slots: Mapping[str, Tensor], mask: Tensor | None = None
    ) -> Tensor:
        """Map hidden states to features of length 1.

        Parameters
        ----------
        hidden
            float32 [B, S, D], or another shape behind B: what the trunk put out.
        slots
            ``a.<site>`` [1 or B, rows, R] and ``b.<site>`` [1 or B, R, columns] for every slot.
        mask
            int64 [B, S], ones then zeros; None for a graph that takes none.

        Returns
        -------
        Tensor
            float32 [B, D].
        """
        values = {**self._weights, **slots, "hidden": hidden}
        if mask is not None:
            values[MASK] = mask
        # Operators make some tensors anew: elsewhere than on the CPU they must be made on the
        # device.
        with contextlib.nullcontext() if self.device.type == "cpu" else self.device:
            for operator, inputs, outputs, attributes in self._steps:
                results = operator([values[name] if name else None for name in inputs], attributes)
                values.update(zip(outputs, results, strict=True))
        return values[self._output]


def _step(node: NodeProto) -> tuple[_Operator, list[str], list[str], _Attributes]:
    attributes = {entry.name: onnx.helper.get_attribute_value(entry) for entry in node.attribute}
    return OPERATORS[node.op_type], list(node.input), list(node.output), attributes


def _attention(inputs: list[Any], attributes: _Attributes) -> list[Tensor]:
    """com.microsoft MultiHeadAttention: query, key, value [B, S, D], bias [3 D], and perhaps
    lengths int32 [B] and what the scores get more, [1, H, S, S].
    """
    query, key, value, bias, lengths, more = (*inputs, None, None)[:6]
    batch, positions, width = query.shape
    heads = int(attributes["num_heads"])
    heads_first = [
        (part + offset).view(batch, positions, heads, width // heads).transpose(1, 2)
        for part, offset in zip((query, key, value), bias.chunk(3), strict=True)
    ]
    visible = more
    if lengths is not None:
        visible = (torch.arange(positions, device=query.device)[None, :] < lengths[:, None])[
            :, None, None, :
        ]
        if more is not None:  # finite, so that a row of nothing but padding is no NaN
            visible = torch.where(visible, 0.0, _HIDDEN) + more
    mixed = functional.scaled_dot_product_attention(
        heads_first[0], heads_first[1], heads_first[2], attn_mask=visible
    )
    return [mixed.transpose(1, 2).reshape(batch, positions, width)]


def _layer_norm(inputs: list[Tensor], attributes: _Attributes) -> list[Tensor]:
    x, scale, bias = inputs
    return [
        functional.layer_norm(x, x.shape[-1:], scale, bias, float(attributes.get("epsilon", 1e-5)))
    ]


def _slice(inputs: list[Tensor], attributes: _Attributes) -> list[Tensor]:
    """From constant starts to ends, over the first axes."""
    x, starts, ends = inputs
    for axis, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        x = x.narrow(axis, start, end - start)
    return [x]


def _gather(inputs: list[Tensor], attributes: _Attributes) -> list[Tensor]:
    x, places = inputs
    axis = int(attributes.get("axis", 0))
    taken = x.index_select(axis, places.flatten())
    return [taken.reshape(*x.shape[:axis], *places.shape, *x.shape[axis + 1 :])]


def _reduce_sum(inputs: list[Tensor], attributes: _Attributes) -> list[Tensor]:
    x, axes = inputs
    total = x.sum(dim=axes.tolist(), keepdim=bool(attributes.get("keepdims", 1)))
    return [total.to(x.dtype)]


def _convolution(inputs: list[Tensor], attributes: _Attributes) -> list[Tensor]:
    x, weight, bias = inputs
    top, left, bottom, right = attributes["pads"]
    return [
        functional.conv2d(
            functional.pad(x, (left, right, top, bottom)),
            weight,
            bias,
            stride=attributes["strides"],
            groups=int(attributes["group"]),
        )
    ]


def _padded(inputs: list[Tensor], attributes: _Attributes) -> list[Tensor]:
    """Zeros before and behind each axis: so many before of each, then so many behind."""
    x, sizes = inputs[0], inputs[1].tolist()
    pairs = [(sizes[axis], sizes[axis + x.ndim]) for axis in reversed(range(x.ndim))]
    return [functional.pad(x, [size for pair in pairs for size in pair])]


def _with_kept(x: Tensor, sizes: list[int]) -> list[int]:
    """The sizes that a Reshape asks for, of which 0 keeps the one that is there."""
    return [x.shape[axis] if size == 0 else size for axis, size in enumerate(sizes)]


OPERATORS: dict[str, _Operator] = {
    "Add": lambda i, a: [i[0] + i[1]],
    "Cast": lambda i, a: [i[0].to(_TORCH_TYPES[a["to"]])],
    "Clip": lambda i, a: [i[0].clamp(i[1], i[2])],
    "Concat": lambda i, a: [torch.cat(i, dim=int(a["axis"]))],
    "ConstantOfShape": lambda i, a: [
        torch.full(i[0].tolist(), float(numpy_helper.to_array(a["value"])[0]))
    ],
    "Conv": _convolution,
    "Div": lambda i, a: [i[0] / i[1]],
    "FastGelu": lambda i, a: [functional.gelu(i[0], approximate="tanh")],
    "Gather": _gather,
    "Flatten": lambda i, a: [i[0].flatten(int(a.get("axis", 1)))],
    "Gelu": lambda i, a: [functional.gelu(i[0])],
    "GlobalAveragePool": lambda i, a: [i[0].mean(dim=(2, 3), keepdim=True)],
    "GlobalMaxPool": lambda i, a: [i[0].amax(dim=(2, 3), keepdim=True)],
    "LayerNormalization": _layer_norm,
    "LpNormalization": lambda i, a: [
        functional.normalize(i[0], p=float(a["p"]), dim=int(a["axis"]))
    ],
    "MatMul": lambda i, a: [i[0] @ i[1]],
    "Mul": lambda i, a: [i[0] * i[1]],
    "MultiHeadAttention": _attention,
    "QuickGelu": lambda i, a: [i[0] * torch.sigmoid(float(a.get("alpha", 1.702)) * i[0])],
    "ReduceSum": _reduce_sum,
    "Pad": _padded,
    "Reshape": lambda i, a: [i[0].reshape(_with_kept(i[0], i[1].tolist()))],
    "Shape": lambda i, a: [torch.tensor(i[0].shape[a.get("start", 0) : a.get("end")])],
    "Slice": _slice,
    "Split": lambda i, a: list(torch.split(i[0], i[1].tolist(), dim=int(a["axis"]))),
    "Squeeze": lambda i, a: [i[0].squeeze(int(i[1].item()))],
    "Transpose": lambda i, a: [i[0].permute(*a["perm"])],
    "Unsqueeze": lambda i, a: [i[0].unsqueeze(int(i[1].item()))],
}
