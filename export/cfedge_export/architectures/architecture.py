"""What a family of encoders says of itself; nothing else in the exporter knows a family.

A new family is one file beside this one and one line in `cfedge_export.architectures`; the
contract that it must keep is tests/export/test_architectures.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from onnx import ModelProto

from cfedge.inputs import Spec
from cfedge.train.workspace.backbones import BackboneSource

__all__ = ["Architecture", "TargetModule"]


@dataclass(frozen=True)
class TargetModule:
    """One product ``y = x W`` of the encoder that an adapter may change.

    Attributes
    ----------
    name
        Neutral name, ``l<block>.<part>``: libraries rename their modules.
    node
        Name of its node.
    rows, columns
        Shape of W: inputs x outputs.
    """

    name: str
    node: str
    rows: int
    columns: int


class Architecture(Protocol):
    """One family.

    A graph is what `to_onnx` returned, or a trunk or a tail that was cut from it.

    Attributes
    ----------
    parts, default_parts
        The target modules of one block, in order of execution, and those that get a low-rank slot
        where nothing else is asked for.
    schemes
        The quantisation schemes that it can take, the best first.
    pooled_axes
        Axes of the hidden states over which pooling goes: those of positions.
    keep_positions
        While training a share of the positions may be left out, but never the first so many; None:
        none may be left out.
    """

    @property
    def parts(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def default_parts(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def schemes(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def pooled_axes(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def keep_positions(self) -> int | None: ...  # noqa: D102

    def reads(self, folder: Path, known: BackboneSource) -> tuple[Spec, dict[str, bytes]]:
        """Return what the encoder in `folder` reads, and the files that this needs, by role.

        Parameters
        ----------
        known
            What else is known of the backbone: the longest input, or the size of a picture.

        Raises
        ------
        BackboneError
            A file is missing.
        """

    def to_onnx(self, folder: Path, spec: Any) -> ModelProto:
        """Export the encoder in `folder`, as it reads `spec`, to one float32 graph that ends in
        ``features``.

        Raises
        ------
        BackboneError
            The model cannot be taken.
        """

    def cuts(self, model: ModelProto) -> list[str]:
        """Return, per block, the tensor that enters it and alone carries everything on; then the
        encoder's last hidden states.
        """

    def target_modules(self, model: ModelProto) -> list[TargetModule]:
        """Return the products that may take a low-rank slot, in order of execution."""

    def embedding_tables(self, model: ModelProto) -> dict[str, str]:
        """Return tables that are looked up by an input's numbers: name and node."""

    def groups(self, model: ModelProto) -> Mapping[str, str]:
        """Return to which group of a table of sizes a constant belongs, by its name; constants that
        are not named are the rest.
        """

    def hidden(self, model: ModelProto, cut: str) -> list[int | str]:
        """Return the sizes of one input's hidden states for a cut at the tensor `cut`; a name where
        inputs differ.
        """

    def pooled(self, model: ModelProto, cut: str) -> list[str]:
        """Return the tensors of which the lookup reads views, for a cut at the tensor `cut`."""

    def pool(
        self, model: ModelProto, states: Sequence[str], *, prefix: str = ..., output: str = ...
    ) -> None:
        """Append an output to a graph: what the lookup reads of the tensors `states`. Names of the
        new nodes begin with `prefix`.
        """

    def views(self, model: ModelProto, cut: str) -> list[int]:
        """Return the widths of the directions that a deployed trunk's ``features`` consist of."""

    def frozen_views(self, model: ModelProto, cut: str) -> int:
        """Return how many of the first views are, together, the encoder's own ``features``; 0: none
        are.
        """

    def deployed(self, part: ModelProto) -> ModelProto:
        """Return the form of a trunk or tail that answers: inputs of one shape, without padding."""
