"""What a merge would do to the tasks that a channel runs, at the word of somebody else. Pure.

Whoever signs the other repository can put any entry into its log: one that takes the place of a
task of this site, gives it other labels, or removes it. That may be what both sites want; it is
never done without being asked for, task by task.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import cast

from cfedge.bundle.manifest import Task
from cfedge.catalogue.entry import Entry, Removed
from cfedge.catalogue.view import View
from cfedge.errors import TaskError

__all__ = ["Handover", "check_accepted", "handovers", "tombstones"]


@dataclass(frozen=True)
class Handover:
    """A task that would be somebody else's to decide about.

    Attributes
    ----------
    task
        Its name.
    message
        What would become of it, and at whose word.
    """

    task: str
    message: str


def handovers(
    before: View, after: View, adopted: Sequence[Entry], site: str
) -> tuple[Handover, ...]:
    """Return what would become of the tasks that run, where that is not for the other site to say.

    A task that another site published is that site's to change, and no third one's; nobody else
    publishes in the name of `site`.

    Parameters
    ----------
    before, after
        What the channel adds up to without and with `adopted`.
    adopted
        Entries of the other site that are new here.
    site
        Whose channel it is.
    """
    found: dict[str, list[str]] = {}
    for entry in adopted:
        if entry.site == site:
            found.setdefault(entry.name, []).append(
                f"a {entry.kind} entry in the name of this site, which does not know it"
            )
    for name, old in before.tasks.items():
        change = _change(name, old, before, after, site)
        if change:
            found.setdefault(name, []).append(change)
    for name, change in _shared(before, after):
        found.setdefault(name, []).append(change)
    return tuple(Handover(name, "; ".join(changes)) for name, changes in sorted(found.items()))


def check_accepted(changes: Iterable[Handover], accepted: Collection[str]) -> None:
    """Refuse changes of tasks that no pattern of `accepted` names.

    Raises
    ------
    TaskError
        Naming every such task, and what would become of it.
    """
    refused = [
        change
        for change in changes
        if not any(fnmatch.fnmatchcase(change.task, pattern) for pattern in accepted)
    ]
    if refused:
        what = "; ".join(f"task {change.task!r}: {change.message}" for change in refused)
        flags = " ".join(f"--accept {change.task!r}" for change in refused)
        raise TaskError(
            f"could not merge without being asked to: {what}; nothing was changed; where this is"
            f" wanted, merge with {flags}"
        )


def tombstones(seen: View, site: str) -> list[Entry]:
    """Return the removals that stand and with which other sites erased their files at home."""
    return [
        head
        for heads in seen.standing.values()
        for head in heads
        if isinstance(head.body, Removed) and head.body.erase and head.site != site
    ]


def _change(name: str, old: Entry, before: View, after: View, site: str) -> str | None:
    new = after.tasks.get(name)
    if new is None:
        return _loss(name, old, after, site)
    was, now = before.known(old), after.known(new)
    if new.digest == old.digest:
        moved = (was.threshold, was.false_reject_rate) != (now.threshold, now.false_reject_rate)
        if old.site == site and moved:
            return (
                f"its threshold would go from {was.threshold:.4g} to {now.threshold:.4g}, measured"
                " by somebody else"
            )
        if old.site == site and was.calibration != now.calibration:
            return "its rule for unknown inputs would be another, measured by somebody else"
        return None
    if new.site == old.site != site:
        return None
    return f"replaced by site {new.site!r}{_labels(was, now)}"


def _loss(name: str, old: Entry, after: View, site: str) -> str | None:
    if after.head(name) is not None:
        reasons = [one.message for one in after.conflicts if one.task == name]
        return f"it would wait ({reasons[0] if reasons else 'it no longer runs'})"
    gone = max(after.standing.get(name, ()), key=lambda head: head.order, default=None)
    if gone is None:
        return "it would be gone"
    if gone.site == old.site != site:
        return None
    word = "erased" if cast(Removed, gone.body).erase else "withdrawn"
    return f"{word} by site {gone.site!r}"


def _shared(before: View, after: View) -> list[tuple[str, str]]:
    """Return the tasks of which a label would begin to mean the same as another task's, at the word
    of that other task.
    """
    was, now = _meanings(before), _meanings(after)
    new = {meaning: by for meaning, by in now.items() if meaning not in was}
    found = []
    for name, entry in before.tasks.items():
        task = before.known(entry)
        for label in task.classes if new else ():
            by = new.get(task.same_labels.get(label, label))
            if by is not None and by != name:
                found.append((name, f"its label {label!r} would count as one of task {by!r}"))
    return found


def _meanings(seen: View) -> dict[str, str]:
    """What labels are said to mean, each with a task that says so."""
    known = ((name, seen.known(entry)) for name, entry in seen.tasks.items())
    return {meaning: name for name, task in known for meaning in task.same_labels.values()}


def _labels(was: Task, now: Task) -> str:
    if was.classes == now.classes:
        return ""
    if sorted(was.classes) == sorted(now.classes):
        return ", its labels in another order"
    lost = sorted(set(was.classes) - set(now.classes))
    new = sorted(set(now.classes) - set(was.classes))
    return f", relabelled (without {', '.join(lost[:5])}; with {', '.join(new[:5])})"
