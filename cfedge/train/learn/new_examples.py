"""New examples of a task that was learned before: split, and encoded beside its held-out ones.

What is made of them is `cfedge.train.change.update`'s.

Letters: N examples.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cfedge.errors import DataError
from cfedge.lookup import Features
from cfedge.progress import Progress, Quiet
from cfedge.runtime.adapter import Adapter
from cfedge.runtime.encoder import Encoder
from cfedge.train.examples.examples import Examples, repeated, unambiguous
from cfedge.train.examples.near import near_learned
from cfedge.train.examples.reading import Reading, conflicting, reading
from cfedge.train.features.feature_cache import encoded_with
from cfedge.train.workspace.learned_task import HeldOut, LearnedTask

__all__ = ["NewExamples"]

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class NewExamples:
    """New examples and all held-out ones, encoded: what a new version is made of.

    `still` are the rows of the old held-out examples that come first among all, int64: those whose
    input did not get another label. `keys` are those of the examples that are learned from.
    """

    classes: NDArray[np.int64]
    learned: Features
    adapted: Floats
    evidence: HeldOut
    held_out_adapted: Floats
    reading: Reading
    repeated: int
    still: NDArray[np.int64]
    keys: tuple[str, ...]

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
        adapter = Adapter.from_arrays(old.adapter)
        place = {label: index for index, label in enumerate(classes)}
        every, rows = _evidence(examples, held_out, old)
        kept = every.take(rows)
        before = sum(row < len(old.held_out.inputs) for row in rows)
        _check_agreement(len(old.held_out.inputs), before, old, examples.source)
        _check_evidence(kept, old, classes, examples.source)
        learned, adapted = encoded_with(encoder, examples.inputs, adapter, progress)
        behind, held_out_adapted = encoded_with(encoder, kept.inputs, adapter, Quiet())
        read = reading(
            encoder.modality,
            (*examples.inputs, *kept.inputs[before:]),
            (*examples.keys, *kept.keys[before:]),
            (*examples.labels, *kept.labels[before:]),
            np.concatenate([learned.trunk, behind.trunk[before:]]),
        )
        both = conflicting((*examples.keys, *every.keys), (*examples.labels, *every.labels))
        return cls(
            classes=np.array([place[label] for label in examples.labels], np.int64),
            learned=learned,
            adapted=adapted,
            evidence=HeldOut(
                kept.inputs,
                np.array([place[label] for label in kept.labels], np.int64),
                behind,
                np.zeros(len(kept), np.int64),
                np.zeros(len(kept), np.float32),
                np.zeros(len(kept), np.float32),
            ),
            held_out_adapted=held_out_adapted,
            reading=dataclasses.replace(
                read, conflicting=len(both), near=len(near_learned(examples, kept))
            ),
            repeated=len(repeated(examples, kept)),
            still=np.array(rows[:before], np.int64),
            keys=examples.keys,
        )


def _evidence(
    examples: Examples, held_out: Examples, old: LearnedTask
) -> tuple[Examples, list[int]]:
    """Return all held-out examples, the old ones first, and the rows of them that still prove
    something: their input has no other label, now that the new ones are there.
    """
    before = old.held_out
    labels = tuple(old.record.classes[place] for place in before.classes)
    every = Examples(
        (*before.inputs, *held_out.inputs),
        (*labels, *held_out.labels),
        held_out.source,
        kind=examples.kind,
    )
    return every, unambiguous(examples, every)


def _check_agreement(held: int, left: int, old: LearnedTask, source: str) -> None:
    """Refuse new examples that contradict what the task was judged by: of what is left of it nobody
    could tell whether the new version is worse.
    """
    if held - left > left:
        raise DataError(
            f"{source}: expected examples that agree with task {old.record.name!r}, found that"
            f" {held - left} of its {held} held-out inputs come again with another label; give each"
            " the label that it had, or learn the task anew: cfedge add --replace"
        )


def _check_evidence(kept: Examples, old: LearnedTask, classes: Sequence[str], source: str) -> None:
    """Refuse new examples with which a class would have no held-out example, and had one before or
    is new.
    """
    had = {old.record.classes[place] for place in old.held_out.classes}
    asked = [label for label in classes if label in had or label not in old.record.classes]
    bare = [label for label in asked if label not in kept.labels]
    if bare:
        raise DataError(
            f"{source}: expected a held-out example of every label that is new or had one, found"
            f" none of {bare[0]!r}{f' and {len(bare) - 1} more' if bare[1:] else ''}, so that nothing"
            " could be certified of it; hold some out with --held-out, and give no input two labels"
        )
