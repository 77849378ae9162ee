"""Held-out examples count in the lookup's statistics too, and are still judged fairly: each by
statistics that it is not in (cross-fitting).

No adapter is trained on held-out examples; a signature that ships is made of all examples, and so
is what of a head is in closed form (`cfedge.train.learn.finished_head`). The held-out ones are dealt into `FOLDS` parts, and for each part there is a signature of all
examples but these. What an input of a part is given by the lookup of all tasks' signatures for that
part is what certificates, margins and thresholds are counted from
(docs/decisions/0042-all-examples.md). Equal features are dealt into one part: a copy of an input
would otherwise be judged by statistics that know it.

Letters: N held-out examples, C classes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cfedge.bundle.arrays import dump_arrays, load_arrays
from cfedge.lookup import Features, TaskSignature
from cfedge.lookup.rules import Signature

__all__ = ["FOLDS", "Folds", "Without", "dealt"]

#: Parts of the held-out examples: with a fifth held out, a signature for one is made of 95 % of all
#: examples. Each costs a lookup of all tasks when they are certified.
FOLDS = 4


class Folds(NamedTuple):
    """One task's held-out examples in parts.

    Attributes
    ----------
    of
        int64 [N], the part of each, from 0.
    without
        By part, the task's signature of all examples but those of the part; in a workspace a
        `TaskSignature`.
    """

    of: NDArray[np.int64]
    without: tuple[Any, ...]

    def by(self, made: Callable[[TaskSignature], Signature]) -> Folds:
        """Return them with the signatures of another lookup (`cfedge.lookup.rules`)."""
        return self._replace(without=tuple(made(one) for one in self.without))

    def but(self, part: int) -> Any:
        """Return the signature of all examples but those of a part; None: it has no such part (but
        another task), so the signature that ships is the one.
        """
        return self.without[part] if part < len(self.without) else None

    def dumped(self) -> bytes:
        """Return the bytes of its file."""
        arrays: dict[str, NDArray[np.generic]] = {"of": self.of}
        for part, signature in enumerate(self.without):
            arrays |= {f"{part}.{name}": array for name, array in signature.arrays().items()}
        return dump_arrays(arrays)

    @classmethod
    def parsed(
        cls, data: bytes, what: str, width: int, views: tuple[int, ...], frozen_views: int = 0
    ) -> Folds:
        """Read what `dumped` wrote; `what` names it in errors (KeyError, ValueError,
        IncompatibleError), the rest is as of `TaskSignature.from_arrays`.
        """
        arrays = load_arrays(data, what)
        of = arrays.pop("of").astype(np.int64, copy=False)
        parts: dict[str, dict[str, NDArray[np.generic]]] = {}
        for name, array in arrays.items():
            part, _, rest = name.partition(".")
            parts.setdefault(part, {})[rest] = array
        if sorted(parts) != [str(part) for part in range(len(parts))] or len(parts) > FOLDS:
            raise ValueError(f"parts {sorted(parts)}")
        if of.ndim != 1 or not len(of) or of.min() < 0 or of.max() >= len(parts):
            raise ValueError(f"examples of other parts than its {len(parts)}")
        return cls(
            of,
            tuple(
                TaskSignature.from_arrays(
                    parts[part], f"part {part} of {what}", width, views, frozen_views
                )
                for part in sorted(parts)
            ),
        )


class Without(Mapping[str, Any]):
    """All tasks' signatures without one part of their held-out inputs, made when asked for."""

    def __init__(self, whole: Mapping[str, Any], folds: Mapping[str, Folds], part: int) -> None:
        self._whole, self._folds, self._part = whole, folds, part

    def __getitem__(self, name: str) -> Any:
        return self._folds[name].but(self._part) or self._whole[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._whole)

    def __len__(self) -> int:
        return len(self._whole)


def dealt(features: Features, classes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Deal held-out examples into at most `FOLDS` parts, int64 [N], from 0 without a gap: those of
    a class in turn, equal features together.

    It depends on nothing but their order in their class, so examples that come later do not move
    those that are there. Where every class has one, the classes are dealt in turn: without all of
    them at once, two examples a class would leave one each, and nothing of how a class spreads.
    """
    turns: Counter[int] = Counter()
    lone = len(np.unique(classes)) == len(classes)
    seen: dict[bytes, int] = {}
    parts = np.zeros(len(classes), np.int64)
    for row, (label, trunk) in enumerate(zip(classes.tolist(), features.trunk, strict=True)):
        key = trunk.tobytes()
        if key not in seen:
            turn = 0 if lone else label
            seen[key] = turns[turn] % FOLDS
            turns[turn] += 1
        parts[row] = seen[key]
    return parts
