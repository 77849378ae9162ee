"""Is an adapter worth its bytes and its time? It is trained beside the closed form on most of the
examples, and both answer those that were set aside.

It is kept only where it answers more of them right by more than one standard error: with W examples
that it alone gets right and L that the closed form alone does, W - L > sqrt(W + L), the standard
deviation of W - L where neither is better. The examples that are set aside are some of those to
learn from: the held-out ones, which the certificate is made of, choose nothing.

Letters: N examples, C classes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cfedge.bundle.manifest import Backbone
from cfedge.train.settings import Settings

__all__ = ["Trial", "is_tried", "set_aside"]


@dataclass(frozen=True)
class Trial:
    """Of `examples` set aside, how many the closed form and the adapter answered right, and the
    standard error of the difference, in examples.
    """

    examples: int
    closed_form: int
    adapter: int
    standard_error: float

    @classmethod
    def of(cls, closed_form: NDArray[np.bool_], adapter: NDArray[np.bool_]) -> Trial:
        """Count: of N examples whether each got them right."""
        apart = int((closed_form != adapter).sum())
        return cls(
            len(adapter), int(closed_form.sum()), int(adapter.sum()), round(math.sqrt(apart), 6)
        )

    @property
    def adapter_pays(self) -> bool:
        """Whether the adapter is kept."""
        return self.adapter - self.closed_form > self.standard_error


def is_tried(settings: Settings, backbone: Backbone) -> bool:
    """Whether an adapter has to prove itself: where that is asked for (``trial``), and where
    nothing is asked for on inputs whose kind says so (docs/decisions/0033-pictures-in-int8.md).
    """
    if settings.method == "auto":
        return backbone.input.adapters == "tried" and not settings.reuse
    return settings.method == "trial"


def set_aside(
    keys: Sequence[str], classes: NDArray[np.int64], share: float, rng: np.random.Generator
) -> tuple[list[int], list[int]]:
    """Return the rows to learn from and those set aside: of each class `share` of its distinct
    keys, at least one; of a class with one key none. Equal keys stay on one side.

    Parameters
    ----------
    keys
        Of N examples (`cfedge.inputs.reader.Reader.key`), or of groups of them.
    classes
        int64 [N].
    """
    home: dict[str, int] = {}
    for key, label in zip(keys, classes.tolist(), strict=True):
        home.setdefault(key, label)
    aside: set[str] = set()
    for label in sorted(set(home.values())):
        own = [key for key, of in home.items() if of == label]
        count = min(max(1, round(share * len(own))), len(own) - 1)
        aside |= {own[place] for place in rng.permutation(len(own))[:count].tolist()}
    learned = [row for row, key in enumerate(keys) if key not in aside]
    return learned, [row for row, key in enumerate(keys) if key in aside]
