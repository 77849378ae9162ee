"""Marks of the examples that a task was learned from: enough to know one that comes again, which
would count twice and flatter what is held out, and not to read it.

Letters: N examples, C classes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Marks"]


@dataclass(frozen=True)
class Marks:
    """Of N examples eight bytes of their keys' digests and their classes, int64 [N] each."""

    values: NDArray[np.int64]
    classes: NDArray[np.int64]

    @classmethod
    def of(cls, keys: Sequence[str], classes: NDArray[np.int64]) -> Marks:
        """Mark examples by what equal inputs have in common (`Examples.keys`)."""
        return cls(np.array([_mark(key) for key in keys], np.int64), classes.astype(np.int64))

    @classmethod
    def none(cls) -> Marks:
        """Return no marks: nothing is known of the examples."""
        return cls(np.zeros(0, np.int64), np.zeros(0, np.int64))

    def with_more(self, more: Marks, classes: Sequence[int]) -> Marks:
        """Return the marks of both; the classes of `more` have these places in the sum."""
        places = np.asarray(classes, np.int64)[more.classes]
        return Marks(
            np.concatenate([self.values, more.values]), np.concatenate([self.classes, places])
        )

    def taken(self, places: Sequence[int]) -> Marks:
        """Return those of some classes alone, by their places, ascending."""
        rows = np.isin(self.classes, places)
        return Marks(
            self.values[rows], np.searchsorted(places, self.classes[rows]).astype(np.int64)
        )

    def known(
        self, keys: Sequence[str], labels: Sequence[str], classes: Sequence[str]
    ) -> list[int]:
        """Return the rows that are among them with the same label; `classes` names their classes."""
        marked = set(zip(self.values.tolist(), self.classes.tolist(), strict=True))
        place = {label: index for index, label in enumerate(classes)}
        return [
            row
            for row, (key, label) in enumerate(zip(keys, labels, strict=True))
            if (_mark(key), place.get(label)) in marked
        ]

    def arrays(self) -> dict[str, NDArray[np.int64]]:
        """Return them by the names that `from_arrays` reads."""
        return {"marks.values": self.values, "marks.classes": self.classes}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Marks:
        """Read what `arrays` gave; ValueError where the two differ in length. A workspace of before
        has none.
        """
        if "marks.values" not in arrays:
            return cls.none()
        values, classes = (
            arrays[f"marks.{name}"].astype(np.int64) for name in ("values", "classes")
        )
        if values.shape != classes.shape or values.ndim != 1:
            raise ValueError(f"marks of {values.shape} values, {classes.shape} classes")
        return cls(values, classes)


def _mark(key: str) -> int:
    digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)
