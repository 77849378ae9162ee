"""A bundle against what a channel holds: what becomes of each task. Pure.

What has not changed is not sent again. A change is decided once, before golden vectors are checked
among all tasks (`cfedge.publish.restate_golden`); its entry is made once, after that, with the
vectors that hold then.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import cast

from cfedge.bundle.fileref import FileRef
from cfedge.bundle.files import Bundle
from cfedge.bundle.manifest import Certificate, Task
from cfedge.calibration import Calibration, Odds
from cfedge.catalogue.conflicts import Candidate
from cfedge.catalogue.entry import Body, Entry, Measured, Removed, TaskAdded
from cfedge.catalogue.view import View
from cfedge.errors import TaskError

__all__ = ["Change", "changes_of", "kept", "next_clock", "removal"]

#: A threshold that moved less than this share is not sent again.
THRESHOLD_CHANGE = 0.01
#: Odds whose logarithms, and limits which, moved less than this are not sent again: it changes a
#: probability by a fortieth at most.
ODDS_CHANGE = 0.1
_TINY = 1e-6


@dataclass(frozen=True)
class Change:
    """What becomes of one task.

    Attributes
    ----------
    kind
        ``task``: it is new, or its files, labels or backbone are. ``measured``: what depends on the
        other tasks is. ``kept``: nothing is, unless its golden vectors are restated.
    task
        As the channel will have it; golden vectors may still be restated.
    base
        Digest of its backbone.
    head
        Its entry in the channel; None where `kind` is ``task``.
    replaces
        Entries that a new one takes the place of.
    """

    kind: str
    task: Task
    base: str
    head: Entry | None
    replaces: tuple[Entry, ...] = ()

    def candidate(self, site: str, clock: int) -> Candidate:
        """Return what decides whether it runs, once `site` publishes it at `clock`."""
        order = self.head.order if self.head else (clock, site, "")
        return Candidate(self.task.name, order, self.base)

    def entry(self, golden: FileRef | None, site: str, clock: int) -> Entry | None:
        """Return the entry to append, None where there is none.

        Parameters
        ----------
        golden
            Vectors that hold among all tasks; None where the task does not run.
        site, clock
            Of the entry.
        """
        golden = golden or self.task.golden
        body: Body
        if self.head is None:
            body = TaskAdded(replace(self.task, golden=golden), self.base)
        elif self.kind == "measured" or golden != self.task.golden:
            body = Measured(
                self.head.digest,
                self.task.certificate,
                self.task.threshold,
                self.task.false_reject_rate,
                self.task.calibration,
                golden,
            )
        else:
            return None
        kind = "task" if self.head is None else "measured"
        replaces = tuple(sorted({entry.digest for entry in self.replaces}))
        return Entry(kind, self.task.name, site, clock, replaces, body)


def next_clock(entries: Iterable[Entry]) -> int:
    """Above every clock that is known."""
    return max((entry.clock for entry in entries), default=0) + 1


def kept(seen: View, names: Iterable[str]) -> list[Change]:
    """Return tasks of a channel as they are."""
    return [
        Change("kept", seen.known(head), cast(TaskAdded, head.body).base, head)
        for head in map(seen.head, names)
        if head is not None
    ]


def changes_of(bundle: Bundle, seen: View) -> list[Change]:
    """Return what becomes of each task of `bundle` in the channel `seen`; tasks that only the
    channel has are `kept`.

    Golden vectors that devices have already are taken where the task is the same; else the
    bundle's.
    """
    base = bundle.manifest.backbone.digest
    return [_change(task, base, seen) for task in bundle.manifest.tasks]


def _change(task: Task, base: str, seen: View) -> Change:
    head, standing = seen.head(task.name), seen.standing.get(task.name, ())
    if head is None:
        return Change("task", task, base, None, standing)
    known = seen.known(head)
    if (known.adapter, known.signature) == (task.adapter, task.signature):
        task = replace(task, golden=known.golden)
    if len(standing) > 1 or not _is_same(cast(TaskAdded, head.body), task, base):
        return Change("task", task, base, None, standing)
    if _differs(known, task):
        return Change("measured", task, base, head)
    return Change("kept", known, base, head)


def removal(name: str, seen: View, *, erase: bool, site: str, clock: int) -> Entry:
    """Return the tombstone of a task.

    Raises
    ------
    TaskError
        The channel has no such task.
    """
    if seen.head(name) is None:
        names = sorted(other for other in seen.standing if seen.head(other) is not None)
        raise TaskError(
            f"task {name!r}: expected one of the channel's ({', '.join(names) or 'none'}), found"
            " none of that name; name one of them"
        )
    replaces = tuple(sorted(entry.digest for entry in seen.standing[name]))
    return Entry("removed", name, site, clock, replaces, Removed(erase))


def _is_same(before: TaskAdded, task: Task, base: str) -> bool:
    was = before.task
    same = (was.classes, was.rank, was.adapter, was.signature, was.same_labels) == (
        task.classes,
        task.rank,
        task.adapter,
        task.signature,
        task.same_labels,
    )
    return same and before.base == base


def _differs(before: Task, task: Task) -> bool:
    """Whether what was measured of a task is worth an entry; its limit follows from the counts, and
    its share from `tasks`.
    """
    moved = abs(task.threshold - before.threshold) > THRESHOLD_CHANGE * abs(before.threshold)
    moved = moved or _rule_moved(before.calibration, task.calibration)
    moved = moved or _odds_moved(before.calibration.odds, task.calibration.odds)
    counted = (
        _counts(before.certificate) != _counts(task.certificate)
        or before.false_reject_rate != task.false_reject_rate
    )
    return moved or counted or before.golden != task.golden


def _rule_moved(before: Calibration, rule: Calibration) -> bool:
    """Whether another rule would call other inputs unknown, by more than thresholds may move."""
    moves = [
        abs(one - other) / scale
        for scale, pair in zip(
            before.scales * 2,
            zip(before.centers + before.scales, rule.centers + rule.scales, strict=True),
            strict=True,
        )
        for one, other in (pair,)
    ]
    moves += [
        abs(one - other) / max(abs(one), 1.0)
        for one, other in zip(
            (before.accepted, *before.thresholds), (rule.accepted, *rule.thresholds), strict=True
        )
    ]
    return max(moves) > THRESHOLD_CHANGE


def _odds_moved(before: Odds, odds: Odds) -> bool:
    """Whether the same margin would mean another probability, by more than `ODDS_CHANGE`, or a set
    of answers would be held to another coverage.
    """
    return len(before.limits) != len(odds.limits) or any(
        abs(one - other) > ODDS_CHANGE
        for pairs in (
            (
                (math.log(one + _TINY), math.log(other + _TINY))
                for one, other in zip(before.slopes, odds.slopes, strict=True)
            ),
            zip(before.offsets, odds.offsets, strict=True),
            zip(before.limits, odds.limits, strict=True),
        )
        for one, other in pairs
    )


def _counts(certificate: Certificate) -> tuple[object, ...]:
    return (
        certificate.held_out,
        certificate.errors,
        certificate.wrong,
        certificate.alpha,
        certificate.rival,
        certificate.rival_errors,
        certificate.own,
        certificate.own_rejected,
    )
