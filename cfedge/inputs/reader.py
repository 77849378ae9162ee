"""What a kind of input is to the workshop: how its inputs are read from data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cfedge.inputs.modality import Input

__all__ = ["Reader"]


class Reader(Protocol):
    """How the workshop reads one kind of input from data.

    Attributes
    ----------
    suffixes
        Of files that hold one input each, where a folder may hold inputs; else empty.
    stacks
        Whether one array of numbers may hold several inputs, one along its first axis.
    model_types
        Families of ``config.json`` whose encoders read this kind; of the default kind, all others.
    beside
        Files beside an encoder's weights that say how it reads inputs.
    """

    suffixes: tuple[str, ...]
    stacks: bool
    model_types: tuple[str, ...]
    beside: tuple[str, ...]

    def read(self, cell: object, folder: Path, where: str) -> Input:
        """Return the input that a cell holds or names; paths are relative to `folder`.

        Raises
        ------
        DataError
            It holds none; `where` names file and row.
        """
        ...

    def check(self, value: object, where: str) -> Input:
        """Return an input that is in memory.

        Raises
        ------
        DataError
            It is none.
        """
        ...

    def key(self, value: Input) -> str:
        """Return what equal inputs have in common, so that no split tears them apart."""
        ...

    def exact(self, value: Input) -> str:
        """Return what only inputs have in common that every encoder reads alike."""
        ...

    def doubts(self, values: Sequence[Input]) -> list[tuple[list[int], str]]:
        """Return what can be read and should be looked at before it is learned: places among
        `values`, with what is wrong there and what to do.
        """
        ...

    def near(
        self, values: Sequence[Input], others: Sequence[Input] | None = None
    ) -> NDArray[np.bool_]:
        """Return which of N inputs are nearly the same as one of the `others`, or, without these,
        as another of the N: bool [N]. Frames of one video are, or sentences that differ in a number. A
        kind that cannot tell finds none.
        """
        ...
