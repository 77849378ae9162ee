"""A bundle against what a channel holds -> the entries to append. What has not changed is not sent
again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import cast

from cfedge.bundle.files import Bundle
from cfedge.bundle.manifest import Backbone, Certificate, FileRef, Task
from cfedge.catalogue.entry import Body, Entry, Measured, Removed, TaskAdded
from cfedge.catalogue.view import View
from cfedge.errors import TaskError

__all__ = ["entries_of", "next_clock", "removal"]

#: A threshold that moved less than this share is not sent again.
THRESHOLD_CHANGE = 0.01


def next_clock(entries: list[Entry]) -> int:
    """Above every clock that is known."""
    return max((entry.clock for entry in entries), default=0) + 1


def entries_of(
    bundle: Bundle, seen: View, golden: Mapping[str, FileRef], *, site: str, clock: int
) -> list[Entry]:
    """Return what to append so that the channel holds the tasks of `bundle`; tasks that only the
    channel has stay.

    Parameters
    ----------
    bundle
        Of this site.
    seen
        Of the channel.
    golden
        Golden vectors to publish, by task: the bundle's or those of the channel.
    site, clock
        Of the entries.
    """
    backbone = bundle.manifest.backbone
    found: list[Entry] = []

    def append(kind: str, name: str, replaces: list[Entry], body: Body) -> Entry:
        entry = Entry(
            kind, name, site, clock, tuple(sorted({one.digest for one in replaces})), body
        )
        found.append(entry)
        return entry

    if seen.backbone is None or cast(Backbone, seen.backbone.body) != backbone:
        append("backbone", backbone.name, [seen.backbone] if seen.backbone else [], backbone)
    for task in bundle.manifest.tasks:
        task = replace(task, golden=golden[task.name])
        standing = list(seen.standing.get(task.name, ()))
        taught = [one for one in standing if one.kind == "task"]
        last = taught[-1] if taught else None
        if (
            last is None
            or len(standing) > 1
            or not _is_same(cast(TaskAdded, last.body), task, backbone.digest)
        ):
            append("task", task.name, standing, TaskAdded(task, backbone.digest))
        elif _differs(seen.known(last), task):
            measured = Measured(
                last.digest, task.certificate, task.threshold, task.false_reject_rate, task.golden
            )
            append("measured", task.name, [], measured)
    return found


def removal(name: str, seen: View, *, erase: bool, site: str, clock: int) -> Entry:
    """Return the tombstone of a task.

    Raises
    ------
    TaskError
        The channel has no such task.
    """
    standing = seen.standing.get(name, ())
    if not any(one.kind == "task" for one in standing):
        names = sorted(
            key for key, heads in seen.standing.items() if any(one.kind == "task" for one in heads)
        )
        raise TaskError(
            f"task {name!r}: expected one of the channel's ({', '.join(names) or 'none'}), found"
            " none of that name"
        )
    return Entry(
        "removed", name, site, clock, tuple(sorted(one.digest for one in standing)), Removed(erase)
    )


def _is_same(before: TaskAdded, task: Task, base: str) -> bool:
    one = before.task
    same = (one.classes, one.rank, one.adapter, one.signature) == (
        task.classes,
        task.rank,
        task.adapter,
        task.signature,
    )
    return same and before.base == base


def _differs(before: Task, task: Task) -> bool:
    """Whether what was measured of a task is worth an entry; its limit follows from the counts, and
    its share from `tasks`.
    """
    moved = abs(task.threshold - before.threshold) > THRESHOLD_CHANGE * abs(before.threshold)
    counted = (
        _counts(before.certificate) != _counts(task.certificate)
        or before.false_reject_rate != task.false_reject_rate
    )
    return moved or counted or before.golden != task.golden


def _counts(one: Certificate) -> tuple[int, int, float, str | None, int]:
    return one.held_out, one.errors, one.alpha, one.rival, one.rival_errors
