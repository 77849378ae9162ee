"""What a kind of input is to the workshop: how its inputs are read from data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

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
    """

    suffixes: tuple[str, ...]
    stacks: bool

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

    def near(
        self, values: Sequence[Input], others: Sequence[Input] | None = None
    ) -> NDArray[np.bool_]:
        """Return which of N inputs are nearly the same as one of the `others`, or, without these,
        as another of the N: bool [N]. Frames of one video are, or texts that differ in a number. A
        kind that cannot tell finds none.
        """
        ...
