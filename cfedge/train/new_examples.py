"""New examples of a task that was learned before: split, and encoded beside its held-out ones.

What is made of them is `cfedge.train.update`'s.

Letters: N examples.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cfedge.lookup import Features
from cfedge.progress import Progress
from cfedge.runtime.adapter import Adapter
from cfedge.runtime.encoder import Encoder
from cfedge.train.examples import Examples, repeated, split_held_out
from cfedge.train.feature_cache import features_of
from cfedge.train.learned_task import HeldOut, LearnedTask
from cfedge.train.reading import Reading, reading

__all__ = ["NewExamples", "split_new"]

Floats = NDArray[np.float32]


def split_new(
    examples: Examples, known: Sequence[str], share: float, rng: np.random.Generator
) -> tuple[Examples, Examples]:
    """Hold a share of each class out; of a known class with fewer than two examples none."""
    counts = Counter(examples.labels)
    alone = {label for label in known if 0 < counts[label] < 2}
    rest = [row for row, label in enumerate(examples.labels) if label not in alone]
    if not rest:
        return examples, examples.take([])
    learned, held_out = split_held_out(examples.take(rest), share, rng)
    single = examples.take([row for row, label in enumerate(examples.labels) if label in alone])
    joint = Examples(
        (*learned.inputs, *single.inputs), (*learned.labels, *single.labels), examples.source
    )
    return joint, held_out


@dataclass(frozen=True)
class NewExamples:
    """New examples and all held-out ones, encoded: what a new version is made of."""

    classes: NDArray[np.int64]
    learned: Features
    adapted: Floats
    evidence: HeldOut
    held_out_adapted: Floats
    reading: Reading
    repeated: int

    @classmethod
    def encoded(
        cls,
        encoder: Encoder,
        examples: Examples,
        held_out: Examples,
        old: LearnedTask,
        classes: Sequence[str],
        progress: Progress,
    ) -> NewExamples:
        """Encode the examples, and the held-out ones, old and new, also with the task's adapter."""
        slots = Adapter.from_arrays(old.adapter).slots
        place = {label: index for index, label in enumerate(classes)}
        before, every = old.held_out, (*old.held_out.inputs, *held_out.inputs)
        with progress.track("features of the frozen encoder", len(examples)) as advance:
            hidden, learned = features_of(encoder, examples.inputs)
            advance(len(examples))
        held_hidden, behind = features_of(encoder, every)
        fresh = behind.trunk[len(before.inputs) :]
        truth = [*before.classes, *(place[label] for label in held_out.labels)]
        return cls(
            classes=np.array([place[label] for label in examples.labels], np.int64),
            learned=learned,
            adapted=np.stack(encoder.adapted([states[None] for states in hidden], slots)),
            evidence=HeldOut(
                every,
                np.array(truth, np.int64),
                behind,
                np.zeros(len(every), np.int64),
                np.zeros(len(every), np.float32),
            ),
            held_out_adapted=np.stack(
                encoder.adapted([states[None] for states in held_hidden], slots)
            ),
            reading=reading(
                encoder.modality,
                (*examples.inputs, *held_out.inputs),
                (*examples.keys, *held_out.keys),
                (*examples.labels, *held_out.labels),
                np.concatenate([learned.trunk, fresh]),
            ),
            repeated=len(
                repeated(examples, Examples(every, ("",) * len(every), "", kind=examples.kind))
            ),
        )
