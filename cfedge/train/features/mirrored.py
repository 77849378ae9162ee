"""Inputs as they would be in a mirror, made when they are asked for: of many pictures not all lie in
memory at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

from cfedge.inputs.modality import Input, Modality

__all__ = ["MirroredInputs"]


class MirroredInputs(Sequence[Input]):
    """A sequence of mirror images.

    Parameters
    ----------
    modality
        Of a kind that has mirror images.
    inputs
        What is mirrored.
    """

    def __init__(self, modality: Modality, inputs: Sequence[Input]) -> None:
        self._modality, self._inputs = modality, inputs

    def __len__(self) -> int:
        return len(self._inputs)

    @overload
    def __getitem__(self, place: int) -> Input: ...

    @overload
    def __getitem__(self, place: slice) -> list[Input]: ...

    def __getitem__(self, place: int | slice) -> Input | list[Input]:
        if isinstance(place, slice):
            return [self._modality.mirrored(value) for value in self._inputs[place]]
        return self._modality.mirrored(self._inputs[place])
