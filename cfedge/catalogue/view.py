"""What a set of entries adds up to: the tasks to run, and what must be told about them. Pure, and
the same in any order.

Entries that another one replaces are history. Of those that stand:

* several task entries of one name were made at once at different sites: the greatest `Entry.order`
  runs, the others are kept in
  the log and reported;
* a removal beside a task entry that it did not know loses, and is reported: what somebody just
  taught is not lost;
* of two tasks that share a label the later one waits until the label is renamed, and is reported;
* a task of another backbone than the newest waits until it is learned again, and is reported.

Limits are computed for as many tasks as run (`cfedge.confidence`), from errors that were counted
among the tasks at publishing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import cast

from cfedge.bundle.manifest import Backbone, Manifest, Task
from cfedge.catalogue.entry import Entry, Measured, Removed, TaskAdded
from cfedge.catalogue.log import Index
from cfedge.confidence import upper_limit
from cfedge.errors import TaskError

__all__ = ["Conflict", "View", "manifest_of", "view"]


@dataclass(frozen=True)
class Conflict:
    """Something that was decided by rule and that somebody should look at.

    Attributes
    ----------
    kind
        ``concurrent`` (updated at several sites at once), ``removed`` (removed at one site while
        updated at another), ``label`` (shared with another task) or ``backbone`` (learned on
        another one).
    task
        The task that it is about.
    text
        One line: what is, what was done, the next step.
    """

    kind: str
    task: str
    text: str


@dataclass(frozen=True)
class View:
    """What entries add up to.

    Attributes
    ----------
    backbone
        The newest, None where there is none.
    tasks
        Entries of the tasks to run, by name.
    measured
        What was measured of them last, by the digest of their entry.
    standing
        Every entry that no other replaces, of tasks and removals, by name.
    conflicts
        Sorted by task.
    erased
        SHA-256 of files that nobody may keep.
    """

    backbone: Entry | None
    tasks: Mapping[str, Entry]
    measured: Mapping[str, Measured]
    standing: Mapping[str, tuple[Entry, ...]]
    conflicts: tuple[Conflict, ...]
    erased: frozenset[str]

    def known(self, entry: Entry) -> Task:
        """Return the task of a task entry, with what was measured of it last."""
        task = cast(TaskAdded, entry.body).task
        last = self.measured.get(entry.digest)
        if last is None:
            return task
        return replace(
            task,
            certificate=last.certificate,
            threshold=last.threshold,
            false_reject_rate=last.false_reject_rate,
            golden=last.golden,
        )


def view(entries: Iterable[Entry]) -> View:
    """Add entries up; the order does not matter, nor whether one comes twice."""
    known = {entry.digest: entry for entry in entries}
    replaced = {digest for entry in known.values() for digest in entry.replaces}
    conflicts: list[Conflict] = []
    standing: dict[str, list[Entry]] = {}
    backbone: Entry | None = None
    measured: dict[str, Entry] = {}
    for entry in known.values():
        if isinstance(entry.body, Measured):
            last = measured.get(entry.body.of)
            measured[entry.body.of] = (
                entry if last is None else max(last, entry, key=lambda one: one.order)
            )
        elif entry.digest in replaced:
            continue
        elif entry.kind == "backbone":
            backbone = (
                entry if backbone is None else max(backbone, entry, key=lambda one: one.order)
            )
        else:
            standing.setdefault(entry.name, []).append(entry)
    chosen: list[Entry] = []
    for name, heads in standing.items():
        heads.sort(key=lambda one: one.order)
        taught = [one for one in heads if one.kind == "task"]
        if taught:
            chosen.append(taught[-1])
            conflicts += _meeting(name, heads, taught)
    tasks: dict[str, Entry] = {}
    owners: dict[str, str] = {}
    base = cast(Backbone, backbone.body).digest if backbone else None
    for entry in sorted(chosen, key=lambda one: one.order):
        body = cast(TaskAdded, entry.body)
        shared = sorted(label for label in body.task.classes if label in owners)
        if body.base != base:
            conflicts.append(_other_backbone(entry.name, body.base, base))
        elif shared:
            conflicts.append(_shared_label(entry.name, shared[0], owners[shared[0]]))
        else:
            tasks[entry.name] = entry
            owners.update(dict.fromkeys(body.task.classes, entry.name))
    return View(
        backbone=backbone,
        tasks=dict(sorted(tasks.items())),
        measured={of: cast(Measured, entry.body) for of, entry in measured.items()},
        standing={name: tuple(heads) for name, heads in sorted(standing.items())},
        conflicts=tuple(sorted(conflicts, key=lambda one: (one.task, one.kind, one.text))),
        erased=_erased(known),
    )


def manifest_of(
    seen: View, index: Index, wanted: Callable[[str], bool] = lambda name: True
) -> Manifest:
    """Return the manifest of a view's tasks, or of those whose name is `wanted`.

    Raises
    ------
    TaskError
        There is no backbone, or no such task.
    """
    names = [name for name in seen.tasks if wanted(name)]
    if seen.backbone is None or not names:
        waiting = (
            f" (waiting: {', '.join(one.task for one in seen.conflicts)})" if seen.conflicts else ""
        )
        raise TaskError(
            f"channel {index.channel!r}: expected at least one task to run, found"
            f" {len(seen.tasks)}, none of them wanted{waiting}; publish one or ask for others"
        )
    tasks = [seen.known(seen.tasks[name]) for name in names]
    return Manifest(
        backbone=cast(Backbone, seen.backbone.body),
        tasks=tuple(_limited(task, len(tasks)) for task in tasks),
        second_stage=index.second_stage,
        third_stage=index.third_stage,
    )


def _limited(task: Task, tasks: int) -> Task:
    one = task.certificate
    limit = upper_limit(one.errors, one.held_out, one.alpha / tasks)
    return replace(task, certificate=replace(one, tasks=tasks, limit=limit))


def _erased(known: Mapping[str, Entry]) -> frozenset[str]:
    gone: set[str] = set()
    open_ends = [
        digest
        for entry in known.values()
        if isinstance(entry.body, Removed) and entry.body.erase
        for digest in entry.replaces
    ]
    while open_ends:
        digest = open_ends.pop()
        if digest in known and digest not in gone:
            gone.add(digest)
            open_ends += known[digest].replaces
    gone |= {
        digest
        for digest, entry in known.items()
        if isinstance(entry.body, Measured) and entry.body.of in gone
    }
    kept = {
        ref.sha256
        for digest, entry in known.items()
        if digest not in gone
        for ref in entry.files().values()
    }
    return frozenset(ref.sha256 for digest in gone for ref in known[digest].files().values()) - kept


def _meeting(name: str, heads: list[Entry], taught: list[Entry]) -> list[Conflict]:
    found = []
    runs = taught[-1]
    if len(taught) > 1:
        others = ", ".join(sorted(one.site for one in taught[:-1]))
        found.append(
            Conflict(
                "concurrent",
                name,
                f"task {name!r}: updated at once at {others} and {runs.site}; {runs.site}'s runs,"
                " nothing is lost: publish the one to keep again, or the other under a name of"
                " its own",
            )
        )
    gone = [one for one in heads if one.kind == "removed"]
    if gone:
        found.append(
            Conflict(
                "removed",
                name,
                f"task {name!r}: removed at {gone[-1].site} while {runs.site} updated it; the"
                " update runs: withdraw it again if it should go",
            )
        )
    return found


def _shared_label(name: str, label: str, owner: str) -> Conflict:
    return Conflict(
        "label",
        name,
        f"task {name!r}: label {label!r} is in task {owner!r} too; it waits: rename the label and"
        " publish it again",
    )


def _other_backbone(name: str, base: str, newest: str | None) -> Conflict:
    return Conflict(
        "backbone",
        name,
        f"task {name!r}: learned on backbone {base[:12]}, the channel has"
        f" {(newest or 'none')[:12]}; it waits: learn it again and publish it",
    )
