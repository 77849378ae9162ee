"""What of a task's inputs the encoder cannot read: counted when the task is learned, since no
accuracy tells why it is low.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cfedge.inputs.modality import Input, Modality

__all__ = ["Reading", "conflicting", "reading"]


@dataclass(frozen=True)
class Reading:
    """Counts of a task's inputs, learned from and held out together.

    Attributes
    ----------
    inputs
        All of them.
    truncated
        Longer than the encoder reads: the rest is ignored.
    unread
        Half of them or more is unknown to the encoder.
    spelled
        Read piece by piece, as what the encoder was not made for.
    alike
        Different inputs that are one to the encoder, since they differ in what it does not read.
    conflicting
        With the same content as another input that has another label.
    near
        Held out, and nearly the same as one of their label that is learned from.
    """

    inputs: int = 0
    truncated: int = 0
    unread: int = 0
    spelled: int = 0
    alike: int = 0
    conflicting: int = 0
    near: int = 0

    def with_more(self, more: Reading) -> Reading:
        """Return the counts of both, each counted apart."""
        mine, theirs = dataclasses.astuple(self), dataclasses.astuple(more)
        return Reading(*(one + two for one, two in zip(mine, theirs, strict=True)))


def reading(
    modality: Modality,
    inputs: Sequence[Input],
    keys: Sequence[str],
    labels: Sequence[str],
    features: NDArray[np.float32],
) -> Reading:
    """Count what of the inputs cannot be read.

    Parameters
    ----------
    keys
        What equal inputs have in common, of each.
    features
        Of the trunk, float32 [N, D], row by row the same for inputs that are one to the encoder.
    """
    seen = [modality.legibility(value) for value in inputs]
    content = [hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in features]
    contents: dict[bytes, set[str]] = {}
    for key, one in zip(keys, content, strict=True):
        contents.setdefault(one, set()).add(key)
    return Reading(
        inputs=len(inputs),
        truncated=sum(one.truncated for one in seen),
        unread=sum(one.unread for one in seen),
        spelled=sum(one.spelled for one in seen),
        alike=sum(len(contents[one]) > 1 for one in content),
        conflicting=len(conflicting(keys, labels)),
    )


def conflicting(keys: Sequence[str], labels: Sequence[str]) -> list[int]:
    """Return the rows whose input, known by its key, has another label elsewhere too."""
    labels_of: dict[str, set[str]] = {}
    for key, label in zip(keys, labels, strict=True):
        labels_of.setdefault(key, set()).add(label)
    return [row for row, key in enumerate(keys) if len(labels_of[key]) > 1]
