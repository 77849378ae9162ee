"""An encoder that its owner brings as one ONNX file: arrays in, ``features`` out.

The file is taken as it is (`cfedge_export.architectures.own_graph` says what it may hold); nothing
of it is adapted, so tasks on it have closed-form heads. Its trunk is the whole graph. The lookup
reads the direction of ``features`` [B, D]; behind it the tail takes the direction of ``hidden``
[B, D'] or of its mean over the second axis [B, S, D'] where the graph has that output, and of
``features`` again where not.

Letters: B batch, D width, S sequence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from onnx import ModelProto, TensorProto, helper

from cfedge.inputs import Spec
from cfedge.inputs.array.spec import Array
from cfedge.train.workspace.backbones import BackboneSource
from cfedge_export.architectures.architecture import TargetModule
from cfedge_export.architectures.own_answers import check_answers
from cfedge_export.architectures.own_graph import ARRAY, GIVEN, graph_of, read_own, spec_of
from cfedge_export.names import FEATURES

__all__ = ["OWN_ENCODER", "OwnEncoder"]

#: The outputs of the owner's graph, as they are called inside ours.
_FEATURES, _HIDDEN = f"{GIVEN}{FEATURES}", f"{GIVEN}hidden"


@dataclass(frozen=True)
class OwnEncoder:
    """``array`` [B, ...] -> ``features`` float32 [B, D]; see the module's docstring."""

    parts: tuple[str, ...] = ()
    default_parts: tuple[str, ...] = ()
    schemes: tuple[str, ...] = ("as-given",)
    pooled_axes: tuple[int, ...] = ()
    keep_positions: int | None = None

    def reads(self, folder: Path, known: BackboneSource) -> tuple[Array, dict[str, bytes]]:
        """One array of the dtype and shape that the file states; `folder` is that file."""
        return spec_of(read_own(folder), folder), {}

    def to_onnx(self, folder: Path, spec: Spec) -> ModelProto:
        """See `Architecture`; the file's answers are tried (`own_answers`)."""
        assert isinstance(spec, Array)
        given = read_own(folder)
        return graph_of(given, check_answers(given, spec, folder))

    def cuts(self, model: ModelProto) -> list[str]:
        """The input, what the trunk hands on, and what comes out."""
        return [ARRAY, _joint(model), FEATURES]

    def target_modules(self, model: ModelProto) -> list[TargetModule]:
        """There are none."""
        return []

    def embedding_tables(self, model: ModelProto) -> dict[str, str]:
        """There are none that are known."""
        return {}

    def groups(self, model: ModelProto) -> dict[str, str]:
        """All is the rest."""
        return {}

    def hidden(self, model: ModelProto, cut: str) -> list[int | str]:
        """As they came out when the file was tried."""
        return list(_sizes(model, cut))

    def pooled(self, model: ModelProto, cut: str) -> list[str]:
        """The owner's features."""
        return [_FEATURES]

    def views(self, model: ModelProto, cut: str) -> list[int]:
        """One direction."""
        return _sizes(model, _FEATURES)

    def pool(
        self,
        model: ModelProto,
        states: Sequence[str],
        *,
        prefix: str = "trunk",
        output: str = FEATURES,
    ) -> None:
        """The direction of the owner's features."""
        name = f"{prefix}.direction"
        model.graph.node.append(
            helper.make_node("LpNormalization", [states[0]], [output], name, axis=1, p=2)
        )
        value = helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", "width"])
        model.graph.output.append(value)

    def frozen_views(self, model: ModelProto, cut: str) -> int:
        """The one, but where the tail reads ``hidden``."""
        return int(cut == _FEATURES)

    def deployed(self, part: ModelProto) -> ModelProto:
        """The same."""
        return part


OWN_ENCODER = OwnEncoder()


def _joint(model: ModelProto) -> str:
    """What the trunk hands on: ``hidden`` where there is one."""
    known = [value.name for value in model.graph.value_info]
    return _HIDDEN if _HIDDEN in known else _FEATURES


def _sizes(model: ModelProto, name: str) -> list[int]:
    value = next(value for value in model.graph.value_info if value.name == name)
    return [dim.dim_value for dim in value.type.tensor_type.shape.dim][1:]
