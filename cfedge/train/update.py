"""Teach a task more when its old data are gone: more examples, new classes.

The frozen encoder's statistics add up (`cfedge.train.statistics`), and so do those behind the tail
with the task's own adapter, which stays as it is. The head is made anew, in closed form, of all
examples that there ever were; of the adapted tail and of the frozen one that is taken which answers
more of the held-out examples, old and new. What the task answered before is answered again, and the
old version stays where the new one is worse.

Letters: N examples, D width, C classes.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cfedge.errors import TaskError
from cfedge.lookup import Features
from cfedge.progress import Progress, Quiet
from cfedge.runtime.adapter import Adapter
from cfedge.runtime.encoder import Encoder
from cfedge.train.early_exit import choose_exit, no_exit
from cfedge.train.examples import Examples, check_labels, repeated, split_held_out
from cfedge.train.head import closed_form_head, no_slots
from cfedge.train.labels import check_classes
from cfedge.train.learned_task import HeldOut, LearnedTask
from cfedge.train.prepared_task import features_of
from cfedge.train.reading import Reading, reading
from cfedge.train.statistics import TaskStatistics
from cfedge.train.workspace import WorkspaceFolder

__all__ = ["MAX_DROP", "update"]

Floats = NDArray[np.float32]

#: Points of accuracy on the old held-out examples, the task known, that an update may cost, if it
#: costs more than one example.
MAX_DROP = 1.0


def update(
    workspace: WorkspaceFolder,
    name: str,
    examples: Examples,
    held_out: Examples | None = None,
    *,
    max_drop: float = MAX_DROP,
    progress: Progress | None = None,
) -> LearnedTask:
    """Add examples, of known or new classes, to a task.

    Parameters
    ----------
    examples
        What is new: nothing of before is needed.
    held_out
        Of the new data; None: the task's share of `examples`. Of a known class with too few new
        examples none are held out.
    max_drop
        Points of accuracy, the task known, that the old held-out examples may lose.

    Raises
    ------
    TaskError
        There is no such task, or the new version answers the old held-out examples worse; the
        workspace is unchanged.
    DataError
        A new class has too few examples to hold any out.
    """
    old = workspace.task(name)
    settings = old.record.settings
    if held_out is None:
        rng = np.random.default_rng(settings.seed)
        examples, held_out = _split(examples, old.record.classes, settings.held_out, rng)
    classes = (*old.record.classes, *sorted(set(examples.classes) - set(old.record.classes)))
    check_classes(name, classes)
    check_labels(held_out, classes)
    encoder = workspace.encoder(threads=settings.threads or 1)
    new = _New.encoded(encoder, examples, held_out, old, classes, progress or Quiet())
    task = _learned(old, new, classes)
    _check_no_worse(name, old, task, max_drop)
    workspace.put(task, replace=True)
    return task


@dataclasses.dataclass(frozen=True)
class _New:
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
    ) -> _New:
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
            adapted=np.stack(encoder.adapted([one[None] for one in hidden], slots)),
            evidence=HeldOut(
                every,
                np.array(truth, np.int64),
                behind,
                np.zeros(len(every), np.int64),
                np.zeros(len(every), np.float32),
            ),
            held_out_adapted=np.stack(encoder.adapted([one[None] for one in held_hidden], slots)),
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


def _learned(old: LearnedTask, new: _New, classes: Sequence[str]) -> LearnedTask:
    """Add the statistics up and make the head that answers more of the held-out examples: behind
    the adapted tail, or behind the frozen one.
    """
    known, more = np.unique(new.classes, return_inverse=True)
    statistics = old.statistics.with_more(
        TaskStatistics.of(
            new.learned,
            new.adapted,
            more.astype(np.int64),
            old.statistics.near.means.shape[1],
        ),
        known.tolist(),
    )
    made = _best(old, statistics, new)
    whole = Adapter.from_arrays({**made.arrays, **no_exit()})
    trunk, adapted = whole.trunk(new.evidence.features.trunk), whole.adapted(made.behind)
    settings = old.record.settings
    if made.frozen:
        statistics = dataclasses.replace(statistics, adapted=statistics.tail)
        settings = dataclasses.replace(settings, method="closed-form", reuse=False)
    record = dataclasses.replace(
        old.record,
        classes=tuple(classes),
        examples=old.record.examples + len(new.classes),
        settings=settings,
        versions={**old.record.versions, "cfedge": version("cfedge")},
        updates=old.record.updates + 1,
        repeated=old.record.repeated + new.repeated,
        reading=old.record.reading.with_more(new.reading),
    )
    return LearnedTask(
        record,
        {**made.arrays, **choose_exit(trunk, adapted, old.record.settings.exit_share)},
        statistics.signature(settings.class_rank),
        statistics,
        dataclasses.replace(
            new.evidence,
            answers=(trunk + adapted).argmax(axis=1).astype(np.int64),
            top_scores=adapted.max(axis=1),
        ),
    )


class _Version(NamedTuple):
    """Slots and head, the held-out examples' features that the head reads, and whether these are the
    frozen tail's.
    """

    arrays: dict[str, Floats]
    behind: Floats
    frozen: bool

    def right(self, evidence: HeldOut) -> int:
        """How many of the held-out examples it answers rightly."""
        head = Adapter.from_arrays({**self.arrays, **no_exit()})
        scores = head.trunk(evidence.features.trunk) + head.adapted(self.behind)
        return int((scores.argmax(axis=1) == evidence.classes).sum())


def _best(old: LearnedTask, statistics: TaskStatistics, new: _New) -> _Version:
    """Make a head behind the adapted tail and, where there is an adapter, one behind the frozen
    tail; return the version that answers more, the former of equals.
    """
    slots = {part: array for part, array in old.adapter.items() if part[:2] in ("a.", "b.")}
    head = closed_form_head(statistics, statistics.adapted, new.evidence, new.held_out_adapted)
    versions = [_Version({**slots, **head}, new.held_out_adapted, frozen=False)]
    if old.record.settings.method == "adapter":
        tail = new.evidence.features.tail
        head = closed_form_head(statistics, statistics.tail, new.evidence, tail)
        versions.append(_Version({**no_slots(slots), **head}, tail, frozen=True))
    return max(versions, key=lambda one: one.right(new.evidence))


def _check_no_worse(name: str, old: LearnedTask, new: LearnedTask, max_drop: float) -> None:
    """Refuse a version that answers the old held-out examples worse."""
    before = old.held_out.answers == old.held_out.classes
    after = (new.held_out.answers == new.held_out.classes)[: len(before)]
    lost = int(before.sum()) - int(after.sum())
    if lost > 1 and 100 * lost / len(before) > max_drop:
        raise TaskError(
            f"task {name!r}: expected an update that costs its old held-out examples at most"
            f" {max_drop:g} points, found {before.sum()} of {len(before)} right before and"
            f" {after.sum()} after; the old version stays: give more examples, or allow more with"
            " --max-drop"
        )


def _split(
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
