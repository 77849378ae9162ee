"""Text encoders: what their families share.

A family's graph ends in hidden states and has one MultiHeadAttention a block, behind one packed
product of query, key and value. Most are exported and fused (`cfedge_export.architectures.text.fusion`);
those that ONNX Runtime's tool cannot fuse are written
(`cfedge_export.architectures.text.graph`). Here the pooling is put behind it. What comes out has a
handful of operators: Gather, Slice, Add, MatMul, Split, LayerNormalization, MultiHeadAttention,
Gelu and the pooling.

Letters: B batch, S sequence, D width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from cfedge.bundle.files import reference
from cfedge.errors import BackboneError, IncompatibleError
from cfedge.inputs import Spec
from cfedge.inputs.text.package import open_tokenizer
from cfedge.inputs.text.spec import Text
from cfedge.plain_files import read_plain
from cfedge.train.workspace.backbones import BackboneSource
from cfedge_export.architectures import transformer
from cfedge_export.architectures.architecture import TargetModule
from cfedge_export.architectures.text.fusion import tidy
from cfedge_export.architectures.text.graph import with_shared_positions
from cfedge_export.names import FEATURES, HIDDEN, IDS
from cfedge_export.pooling import (
    add_pooling_axis,
    masked_mean,
    pooled_states,
    with_views,
    without_mask,
)

__all__ = ["TextEncoder", "arrays_of", "keep_positions"]

#: The layer of word embeddings.
_WORDS = "words"
#: Tokens that an encoder was trained for where nothing else is known: what sentence encoders are.
_TRAINED = 256


@dataclass(frozen=True)
class TextEncoder:
    """One family of text encoders: ``input_ids``, ``attention_mask`` int64 [B, S], padded on the
    right, -> ``features`` float32 [B, D], the direction of the mean over the unmasked tokens.

    Attributes
    ----------
    graph
        Makes the graph of the model in a folder, of its ``config.json`` and the longest input in
        tokens: ``input_ids``, ``attention_mask`` -> hidden states [B, S, D].
    positions
        The longest input, in tokens, by that file.
    """

    graph: Callable[[Path, Mapping[str, Any], int], ModelProto]
    positions: Callable[[Mapping[str, Any]], int]
    parts: tuple[str, ...] = transformer.PARTS
    default_parts: tuple[str, ...] = ("qkv", "fc1")  # docs/decisions/0002-split-and-slots.md
    schemes: tuple[str, ...] = (
        "int8-row",
        "int8-row-7bit",
        "int8-dynamic",
        "int8-weight-only",
        "float32",
    )
    pooled_axes: tuple[int, ...] = (1,)
    keep_positions: int | None = 0

    def reads(self, folder: Path, known: BackboneSource) -> tuple[Text, dict[str, bytes]]:
        """Texts of so many tokens, or as many as there are positions for."""
        path = folder / "tokenizer.json"
        if not path.is_file():
            raise BackboneError(
                f"{folder}: expected tokenizer.json, found none; save the tokenizer with"
                " transformers >= 4.56 first"
            )
        from transformers import AutoConfig

        tokenizer = read_plain(path)
        most = self.positions(AutoConfig.from_pretrained(folder).to_dict())
        try:
            open_tokenizer(tokenizer, most)
        except IncompatibleError as error:
            raise BackboneError(
                f"{path}: expected a tokenizer, found {error.__cause__}; save it anew with"
                " transformers"
            ) from error
        return Text("text", min(known.input_size or _TRAINED, most), reference(tokenizer)), {
            "tokenizer": tokenizer
        }

    def to_onnx(self, folder: Path, spec: Spec) -> ModelProto:
        """See `Architecture`."""
        from transformers import AutoConfig

        assert isinstance(spec, Text)
        config = AutoConfig.from_pretrained(folder)
        model = self.graph(folder, config.to_dict(), spec.max_tokens)
        _pool(model, config.hidden_size)
        tidy(model)
        keep_positions(model, spec.max_tokens)
        return model

    def cuts(self, model: ModelProto) -> list[str]:
        """See `Architecture`."""
        return [*transformer.residual_streams(model), pooled_states(model)]

    def target_modules(self, model: ModelProto) -> list[TargetModule]:
        """See `Architecture`."""
        return transformer.target_modules(model)

    def embedding_tables(self, model: ModelProto) -> dict[str, str]:
        """The word embeddings, ``words``."""
        nodes = [node.name for node in _lookups(model) if node.input[1] == IDS]
        return dict(zip([_WORDS], nodes, strict=False))  # a tail has none

    def groups(self, model: ModelProto) -> dict[str, str]:
        """See `Architecture`."""
        found = {
            node.input[0]: "word embeddings" if node.input[1] == IDS else "positions"
            for node in _lookups(model)
        }
        cut_short = [node.input[0] for node in model.graph.node if node.op_type == "Slice"]
        found |= dict.fromkeys(cut_short, "positions")
        weights = {node.name: node.input[1] for node in model.graph.node if len(node.input) > 1}
        for module in transformer.target_modules(model):
            part = module.name.partition(".")[2]
            found[weights[module.node]] = transformer.GROUPS[part]
        return found

    def hidden(self, model: ModelProto, cut: str) -> list[int | str]:
        """A row for each token."""
        return ["sequence", _width(model)]

    def pooled(self, model: ModelProto, cut: str) -> list[str]:
        """The hidden states themselves."""
        return [cut]

    def pool(
        self,
        model: ModelProto,
        states: Sequence[str],
        *,
        prefix: str = "trunk",
        output: str = FEATURES,
    ) -> None:
        """The direction of the masked mean."""
        model.graph.node.extend(masked_mean(states[0], prefix, output))
        shape: list[int | str | None] = ["batch", _width(model)]
        value = helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)
        model.graph.output.append(value)
        add_pooling_axis(model)

    def views(self, model: ModelProto, cut: str) -> list[int]:
        """Mean, largest and smallest."""
        return 3 * [_width(model)]

    def frozen_views(self, model: ModelProto, cut: str) -> int:
        """The trunk does not see so far."""
        return 0

    def deployed(self, part: ModelProto) -> ModelProto:
        """Without a mask; what blocks take off the length alone is made once; of a trunk with all
        views.
        """
        bare = with_shared_positions(without_mask(part))
        is_trunk = HIDDEN in [value.name for value in part.graph.output]
        return with_views(bare) if is_trunk else bare


def arrays_of(model: ModelProto) -> dict[str, TensorProto]:
    """Return a graph's constants by name."""
    return {tensor.name: tensor for tensor in model.graph.initializer}


def keep_positions(model: ModelProto, max_tokens: int) -> None:
    """Drop the position embeddings behind `max_tokens`, which no input reaches; answers keep every
    bit.

    Nothing is done where positions are not counted from 0 up.
    """
    arrays = arrays_of(model)
    producers = {name: node for node in model.graph.node for name in node.output}
    for node in _lookups(model):
        counted = producers.get(node.input[1])
        if counted is None or counted.op_type != "Slice":
            continue
        source = producers.get(counted.input[0])
        values = [entry.t for entry in source.attribute if entry.name == "value"] if source else []
        constant = arrays.get(counted.input[0], values[0] if values else None)
        positions = np.zeros(0) if constant is None else numpy_helper.to_array(constant).ravel()
        if np.array_equal(positions, np.arange(len(positions))) and len(positions) >= max_tokens:
            table = arrays[node.input[0]]
            table.CopyFrom(
                numpy_helper.from_array(numpy_helper.to_array(table)[:max_tokens], table.name)
            )


def _width(model: ModelProto) -> int:
    """Of a whole encoder's features, or of a trunk's hidden states."""
    return int(model.graph.output[0].type.tensor_type.shape.dim[-1].dim_value)


def _lookups(model: ModelProto) -> list[NodeProto]:
    """Nodes that take rows of a table."""
    tables = {tensor.name for tensor in model.graph.initializer if len(tensor.dims) == 2}
    return [n for n in model.graph.node if n.op_type == "Gather" and n.input[0] in tables]


def _pool(model: ModelProto, width: int) -> None:
    """Append `features`; every later graph ends in the same nodes."""
    hidden = model.graph.output[0].name
    model.graph.node.extend(masked_mean(hidden, "last", FEATURES))
    del model.graph.output[:]
    model.graph.output.append(
        helper.make_tensor_value_info(FEATURES, TensorProto.FLOAT, ["batch", width])
    )
    add_pooling_axis(model)
