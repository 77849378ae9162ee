"""New examples of a task that was learned before: split, and encoded beside its held-out ones.

What is made of them is `cfedge.train.change.update`'s.

Letters: N examples.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cfedge.errors import DataError
from cfedge.inputs.modality import Input
from cfedge.lookup import Features
from cfedge.progress import Progress, Quiet
from cfedge.runtime.adapter import Adapter
from cfedge.runtime.encoder import Encoder
from cfedge.train.examples.examples import Examples, repeated
from cfedge.train.examples.near import near_learned
from cfedge.train.examples.reading import Reading, conflicting, reading
from cfedge.train.features.feature_cache import encoded_with
from cfedge.train.workspace.learned_task import HeldOut, LearnedTask

__all__ = ["Contradicted", "NewExamples"]

Floats = NDArray[np.float32]


class Contradicted(NamedTuple):
    """An input that a task was judged by, with the label that it had and another one of now."""

    value: Input
    before: str
    now: str


@dataclass(frozen=True)
class NewExamples:
    """New examples and all held-out ones, encoded: what a new version is made of.

    The old held-out examples come first among all, each with the label that it had: what is learned
    later is no reason to judge by less. `contradicted` tells those whose input came again with
    another label. `keys` are those of the examples that are learned from.
    """

    classes: NDArray[np.int64]
    learned: Features
    adapted: Floats
    evidence: HeldOut
    held_out_adapted: Floats
    reading: Reading
    repeated: int
    contradicted: tuple[Contradicted, ...]
    keys: tuple[str, ...]

    @classmethod
    def encoded(
        cls,
        encoder: Encoder,
        examples: Examples,
        held_out: Examples,
        old: LearnedTask,
        classes: Sequence[str],
        threads: int,
        progress: Progress,
    ) -> NewExamples:
        """Encode the examples, and the held-out ones, old and new, also with the task's adapter."""
        adapter = Adapter.from_arrays(old.adapter)
        place = {label: index for index, label in enumerate(classes)}
        before = _held_out(old, examples)
        contradicted = _contradicted(before, (examples, held_out))
        _check_agreement(len(before), len(contradicted), old, examples.source)
        kept = _evidence(before, examples, held_out)
        fresh = kept.take([*range(len(before), len(kept))])
        _check_evidence(kept, old, classes, examples.source)
        learned, adapted = encoded_with(
            encoder, examples.inputs, adapter, progress, threads=threads
        )
        behind, held_out_adapted = encoded_with(
            encoder, kept.inputs, adapter, Quiet(), threads=threads
        )
        read = reading(
            encoder.modality,
            (*examples.inputs, *fresh.inputs),
            (*examples.keys, *fresh.keys),
            (*examples.labels, *fresh.labels),
            np.concatenate([learned.trunk, behind.trunk[len(before) :]]),
        )
        every = examples.joined(held_out).joined(before)
        both = [
            row for row in conflicting(every.keys, every.labels) if row < len(every) - len(before)
        ]
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
            repeated=len(repeated(examples, fresh)),
            contradicted=contradicted,
            keys=examples.keys,
        )


def _held_out(old: LearnedTask, examples: Examples) -> Examples:
    """What the task was judged by before."""
    labels = tuple(old.record.classes[place] for place in old.held_out.classes)
    return Examples(old.held_out.inputs, labels, examples.source, kind=examples.kind)


def _contradicted(before: Examples, new: Sequence[Examples]) -> tuple[Contradicted, ...]:
    """The old held-out examples whose input has another label in the new ones."""
    labels_of: dict[str, set[str]] = {}
    for part in new:
        for key, label in zip(part.keys, part.labels, strict=True):
            labels_of.setdefault(key, set()).add(label)
    rows = zip(before.inputs, before.keys, before.labels, strict=True)
    return tuple(
        Contradicted(value, label, min(others))
        for value, key, label in rows
        if (others := labels_of.get(key, set()) - {label})
    )


def _evidence(before: Examples, examples: Examples, held_out: Examples) -> Examples:
    """All held-out examples, the old ones first; of the new ones those whose input has one label
    alone.
    """
    every = held_out.joined(before).joined(examples)
    odd = set(conflicting(every.keys, every.labels))
    fresh = held_out.take([row for row in range(len(held_out)) if row not in odd])
    return before.joined(fresh)


def _check_agreement(held: int, contradicted: int, old: LearnedTask, source: str) -> None:
    """Refuse new examples that contradict most of what the task was judged by: they are of another
    meaning, or what it was judged by is wrong.
    """
    if 2 * contradicted > held:
        raise DataError(
            f"{source}: expected examples that agree with task {old.record.name!r}, found that"
            f" {contradicted} of its {held} held-out inputs come again with another label; give each"
            " the label that it had, or learn the task anew: cfedge add --replace"
        )


def _check_evidence(kept: Examples, old: LearnedTask, classes: Sequence[str], source: str) -> None:
    """Refuse new examples of a new class that would have no held-out example."""
    new = [label for label in classes if label not in old.record.classes]
    bare = [label for label in new if label not in kept.labels]
    if bare:
        raise DataError(
            f"{source}: expected a held-out example of every label that is new, found none"
            f" of {bare[0]!r}{f' and {len(bare) - 1} more' if bare[1:] else ''}, so that nothing"
            " could be certified of it; hold some out with --held-out, and give no input two labels"
        )
