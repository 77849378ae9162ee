"""Teach a task more when its old data are gone: more examples, new classes.

The frozen encoder's statistics add up (`cfedge.train.features.statistics`), and so do those behind
the tail with the task's own adapter, which stays as it is. The head is made anew, in closed form,
of all examples that there ever were; of the adapted tail and of the frozen one that is taken which
answers more of the held-out examples, old and new. What the task answered before is answered again,
and the old version stays where the new one is worse.

Letters: N examples, D width, C classes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from importlib.metadata import version
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cfedge.device import usable_cores
from cfedge.errors import DataError, TaskError, UsageError
from cfedge.progress import Progress, Quiet
from cfedge.train.change.updated import Updated
from cfedge.train.examples.draw import drawn
from cfedge.train.examples.examples import Examples, check_labels, split_held_out
from cfedge.train.examples.labels import check_classes
from cfedge.train.features.statistics import TaskStatistics
from cfedge.train.learn.finished_head import finished, judged_scores
from cfedge.train.learn.head import closed_form_head, no_slots
from cfedge.train.learn.new_examples import NewExamples
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge.train.workspace.learned_task import HeldOut, LearnedTask

__all__ = ["MAX_DROP", "Updated", "check_drop", "update"]

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
) -> Updated:
    """Add examples, of known or new classes, to a task.

    Parameters
    ----------
    examples
        What is new: nothing of before is needed.
        What it had before, with the same label, is left out.
    held_out
        Of the new data; None: the task's share of `examples`. Of a known class with too few new
        examples, or groups of them, none are held out.
    max_drop
        Points of accuracy, the task known, that the old held-out examples may lose.

    Raises
    ------
    TaskError
        There is no such task, or the new version answers the old held-out examples worse; the
        workspace is unchanged.
    DataError
        Nothing of `examples` is new; a new class would have no held-out example; or most of the old
        held-out inputs came again with another label.
    """
    check_drop(max_drop)
    made_of, old = workspace.versions(name), workspace.task(name)
    settings = old.record.settings
    examples, held_out, again = _new_apart(name, old, examples, held_out)
    classes = (*old.record.classes, *sorted(set(examples.classes) - set(old.record.classes)))
    check_classes(name, classes)
    check_labels(held_out, classes)
    new = NewExamples.encoded(
        workspace.encoder(),
        examples,
        held_out,
        old,
        classes,
        settings.threads or usable_cores(),
        progress or Quiet(),
    )
    updated = _compared(old, _learned(old, new, classes), new, again)
    _check_no_worse(name, updated, max_drop)
    workspace.put(updated.task, replace=True, made_of=made_of)
    return updated


def check_drop(max_drop: float) -> None:
    """Refuse what is no number of points: nothing would be worse than not a number.

    Raises
    ------
    UsageError
    """
    if not 0 <= max_drop <= 100:
        raise UsageError(f"max_drop: expected 0 to 100 points, found {max_drop:g}")


def _new_alone(old: LearnedTask, examples: Examples) -> tuple[Examples, int]:
    """Leave out what a task was learned from, or judged by, with the same label: it would count
    twice, and what is learned from cannot prove anything. Return the rest, and how many these were.
    """
    classes, evidence = old.record.classes, old.held_out
    held = Examples(
        evidence.inputs, tuple(classes[place] for place in evidence.classes), "", kind=examples.kind
    )
    judged = set(zip(held.keys, held.labels, strict=True))
    again = {
        row
        for row, one in enumerate(zip(examples.keys, examples.labels, strict=True))
        if one in judged
    }
    again.update(old.statistics.known.repeated(examples.keys, examples.labels, classes))
    return examples.take([row for row in range(len(examples)) if row not in again]), len(again)


def _new_apart(
    name: str, old: LearnedTask, examples: Examples, held_out: Examples | None
) -> tuple[Examples, Examples, int]:
    """Return what is new to learn from, what is new to hold out, and how many were not new."""
    settings = old.record.settings
    examples, again = _new_alone(old, examples)
    if not len(examples):
        raise DataError(
            f"{examples.source}: expected examples that are new to task {name!r}, found that it has"
            f" all {again} of them; give new ones"
        )
    if held_out is not None:
        held_out, known = _new_alone(old, held_out)
        again += known
    else:
        rng = np.random.default_rng(settings.seed)
        examples, held_out = split_held_out(
            examples, settings.held_out, rng, spared=old.record.classes
        )
    rng = np.random.default_rng(settings.seed)
    return drawn(examples, settings.most_examples, rng), held_out, again


def _compared(old: LearnedTask, task: LearnedTask, new: NewExamples, again: int) -> Updated:
    """Return what the update did: the new version beside the old one."""
    held = len(old.held_out.inputs)
    return Updated(
        task,
        added=task.record.classes[len(old.record.classes) :],
        examples=len(new.classes),
        old_held_out=held,
        right_before=int((old.held_out.answers == old.held_out.classes).sum()),
        right_now=int((task.held_out.answers == task.held_out.classes)[:held].sum()),
        again=again,
        contradicted=new.contradicted,
    )


def _learned(old: LearnedTask, new: NewExamples, classes: Sequence[str]) -> LearnedTask:
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
            new.keys,
            old.statistics.slices,
        ),
        known.tolist(),
    )
    made = _best(old, statistics, new)
    settings = old.record.settings
    adapter, held_out = finished(
        made.arrays, made.statistics, new.evidence, made.behind, settings.exit_share
    )
    if made.frozen:
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
    return LearnedTask.made(record, adapter, made.statistics, held_out)


class _Version(NamedTuple):
    """Slots and head, statistics, the held-out examples' features that the head reads, and whether
    these are the frozen tail's.
    """

    arrays: dict[str, Floats]
    statistics: TaskStatistics
    behind: Floats
    frozen: bool

    def right(self, evidence: HeldOut) -> int:
        """How many of the held-out examples it answers rightly."""
        trunk, adapted = judged_scores(self.arrays, self.statistics, evidence, self.behind)
        return int(((trunk + adapted).argmax(axis=1) == evidence.classes).sum())


def _best(old: LearnedTask, statistics: TaskStatistics, new: NewExamples) -> _Version:
    """Make a head behind the adapted tail and, where there is an adapter, one behind the frozen
    tail; return the version that answers more, the former of equals.
    """
    slots = {part: array for part, array in old.adapter.items() if part[:2] in ("a.", "b.")}
    evidence, behind = new.evidence, new.held_out_adapted
    head = closed_form_head(statistics, evidence, behind)
    versions = [_Version({**slots, **head}, statistics, behind, frozen=False)]
    if old.record.settings.method == "adapter":
        frozen = dataclasses.replace(statistics, adapted=statistics.tail)
        tail = evidence.features.tail
        head = closed_form_head(frozen, evidence, tail)
        versions.append(_Version({**no_slots(slots), **head}, frozen, tail, frozen=True))
    return max(versions, key=lambda candidate: candidate.right(evidence))


def _check_no_worse(name: str, new: Updated, max_drop: float) -> None:
    """Refuse a version that answers the old held-out examples worse."""
    lost = new.right_before - new.right_now
    other = f" ({len(new.contradicted)} of these came again with another label)"
    if lost > 1 and 100 * lost / new.old_held_out > max_drop:
        raise TaskError(
            f"task {name!r}: expected an update that costs its old held-out examples at most"
            f" {max_drop:g} points, found {new.right_before} of {new.old_held_out} right before and"
            f" {new.right_now} after{other if new.contradicted else ''}; the old version stays: give"
            " more examples, or allow more with --max-drop"
        )
