"""Which examples a task was learned from: enough to recognise one that comes again, which would
count twice and flatter what is held out, and not to read it.

It stays in the workspace. Eight bytes of a digest do not say what an example was; who guesses one
can find out whether it was among them.

Letters: N examples, C classes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["KnownExamples"]


@dataclass(frozen=True)
class KnownExamples:
    """Of N examples eight bytes of their keys' digests and their classes, int64 [N] each."""

    digests: NDArray[np.int64]
    classes: NDArray[np.int64]

    @classmethod
    def of(cls, keys: Sequence[str], classes: NDArray[np.int64]) -> KnownExamples:
        """Take examples by what equal inputs have in common (`Examples.keys`)."""
        return cls(np.array([_digest(key) for key in keys], np.int64), classes.astype(np.int64))

    @classmethod
    def none(cls) -> KnownExamples:
        """Return that nothing is known of the examples."""
        return cls(np.zeros(0, np.int64), np.zeros(0, np.int64))

    def with_more(self, more: KnownExamples, classes: Sequence[int]) -> KnownExamples:
        """Return both together; the classes of `more` have these places in the sum."""
        places = np.asarray(classes, np.int64)[more.classes]
        return KnownExamples(
            np.concatenate([self.digests, more.digests]), np.concatenate([self.classes, places])
        )

    def taken(self, places: Sequence[int]) -> KnownExamples:
        """Return those of some classes alone, by their places, ascending."""
        rows = np.isin(self.classes, places)
        return KnownExamples(
            self.digests[rows], np.searchsorted(places, self.classes[rows]).astype(np.int64)
        )

    def repeated(
        self, keys: Sequence[str], labels: Sequence[str], classes: Sequence[str]
    ) -> list[int]:
        """Return the rows that are among them with the same label; `classes` names their classes."""
        known = set(zip(self.digests.tolist(), self.classes.tolist(), strict=True))
        place = {label: index for index, label in enumerate(classes)}
        return [
            row
            for row, (key, label) in enumerate(zip(keys, labels, strict=True))
            if (_digest(key), place.get(label)) in known
        ]

    def arrays(self) -> dict[str, NDArray[np.int64]]:
        """Return them by the names that `from_arrays` reads."""
        return {"known.digests": self.digests, "known.classes": self.classes}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> KnownExamples:
        """Read what `arrays` gave; KeyError where one is missing, ValueError where the two differ in
        length.
        """
        digests, classes = (
            arrays[f"known.{name}"].astype(np.int64) for name in ("digests", "classes")
        )
        if digests.shape != classes.shape or digests.ndim != 1:
            raise ValueError(f"{digests.shape} digests of examples, {classes.shape} classes")
        return cls(digests, classes)


def _digest(key: str) -> int:
    digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)
