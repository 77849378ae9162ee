"""Which of the tasks that stand run, and what must be told of the others. Pure, and the same in any
order.

In the order of `Entry.order` a task waits that was learned on another backbone than the newest, and
is reported. So are a task that several sites updated at once, and a removal beside an update that it
did not know. Labels are each task's own: that two tasks have one of the same name is no conflict.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cfedge.catalogue.entry import Entry

__all__ = ["Candidate", "Conflict", "meeting", "running"]


@dataclass(frozen=True)
class Conflict:
    """Something that was decided by rule and that somebody should look at.

    Attributes
    ----------
    kind
        ``concurrent`` (updated at several sites at once), ``removed`` (removed at one site while
        updated at another) or ``backbone`` (learned on another one).
    task
        The task that it is about.
    message
        One line: what is, what was done, the next step.
    """

    kind: str
    task: str
    message: str


@dataclass(frozen=True)
class Candidate:
    """A task that stands, as far as it decides whether the task runs.

    Attributes
    ----------
    name
        Of the task.
    order
        See `Entry.order`.
    base
        Digest of the backbone that it was learned on.
    """

    name: str
    order: tuple[int, str, str]
    base: str


def running(candidates: Iterable[Candidate], base: str | None) -> tuple[list[str], list[Conflict]]:
    """Return the names of the tasks that run on the backbone `base`, and why the others wait."""
    names: list[str] = []
    conflicts: list[Conflict] = []
    for candidate in sorted(candidates, key=lambda one: one.order):
        if candidate.base != base:
            conflicts.append(_other_backbone(candidate.name, candidate.base, base))
        else:
            names.append(candidate.name)
    return names, conflicts


def meeting(name: str, heads: Sequence[Entry]) -> list[Conflict]:
    """Say what met under the name of a task: entries that stand and did not know each other.

    Parameters
    ----------
    name
        Of the task.
    heads
        Its entries that stand, in their order; at least one of them adds the task.
    """
    added = [head for head in heads if head.kind == "task"]
    gone = [head for head in heads if head.kind == "removed"]
    conflicts = []
    runs = added[-1].site
    if len(added) > 1:
        others = ", ".join(sorted(head.site for head in added[:-1]))
        conflicts.append(
            Conflict(
                "concurrent",
                name,
                f"task {name!r}: updated at once at {others} and {runs}; {runs}'s runs,"
                " nothing is lost: publish the one to keep again, or the other under a name of"
                " its own",
            )
        )
    if gone:
        conflicts.append(
            Conflict(
                "removed",
                name,
                f"task {name!r}: removed at {gone[-1].site} while {runs} updated it; the"
                " update runs: withdraw it again if it should go",
            )
        )
    return conflicts


def _other_backbone(name: str, base: str, newest: str | None) -> Conflict:
    return Conflict(
        "backbone",
        name,
        f"task {name!r}: learned on backbone {base[:12]}, the channel has"
        f" {(newest or 'none')[:12]}; it waits: learn it again and publish it",
    )
