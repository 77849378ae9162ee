"""What a set of entries adds up to: the tasks to run, and what must be told about them. Pure, and
the same in any order.

Entries that another one replaces are history. Of those that stand:

* several task entries of one name were made at once at different sites: the greatest `Entry.order`
  runs, the others are kept in the log and reported;
* a removal beside a task entry that it did not know loses, and is reported: what somebody just
  taught is not lost;
* which of the tasks then run is for `cfedge.catalogue.conflicts`.

Limits are computed for as many tasks as run (`cfedge.confidence`), from errors that were counted
among the tasks at publishing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import cast

from cfedge.bundle.manifest import Backbone, Manifest, Task
from cfedge.bundle.names import check_names
from cfedge.catalogue.conflicts import Candidate, Conflict, meeting, running
from cfedge.catalogue.entry import Entry, Measured, TaskAdded
from cfedge.catalogue.index import Index
from cfedge.confidence import upper_bound
from cfedge.errors import TaskError
from cfedge.margins import Margins

__all__ = ["View", "manifest_of", "put_together", "view"]


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
    """

    backbone: Entry | None
    tasks: Mapping[str, Entry]
    measured: Mapping[str, Measured]
    standing: Mapping[str, tuple[Entry, ...]]
    conflicts: tuple[Conflict, ...]

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
            calibration=last.calibration,
            golden=last.golden,
        )

    def head(self, name: str) -> Entry | None:
        """Return the entry of a task that counts under its name, whether it runs or waits; None
        where none adds it.
        """
        added = [head for head in self.standing.get(name, ()) if head.kind == "task"]
        return added[-1] if added else None


def view(entries: Iterable[Entry]) -> View:
    """Add entries up; the order does not matter, nor whether one comes twice."""
    known = {entry.digest: entry for entry in entries}
    backbone, standing, measured = _standing(known)
    heads: dict[str, Entry] = {}
    conflicts: list[Conflict] = []
    for name, entries_of_name in standing.items():
        added = [entry for entry in entries_of_name if entry.kind == "task"]
        if added:
            heads[name] = added[-1]
            conflicts += meeting(name, entries_of_name)
    names, waiting = running(
        [
            Candidate(name, head.order, body.base)
            for name, head in heads.items()
            for body in (cast(TaskAdded, head.body),)
        ],
        cast(Backbone, backbone.body).digest if backbone else None,
    )
    return View(
        backbone=backbone,
        tasks={name: heads[name] for name in sorted(names)},
        measured=measured,
        standing={name: tuple(found) for name, found in sorted(standing.items())},
        conflicts=tuple(
            sorted([*conflicts, *waiting], key=lambda one: (one.task, one.kind, one.message))
        ),
    )


def manifest_of(
    seen: View, index: Index, wanted: Callable[[str], bool] = lambda name: True
) -> Manifest:
    """Return the manifest of a view's tasks, or of those whose name is `wanted`.

    Raises
    ------
    TaskError
        There is no backbone, or no such task.
    SchemaError
        Two tasks have names that look alike.
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
    check_names(f"tasks of channel {index.channel!r}", names, "publish one under another name")
    return put_together(
        cast(Backbone, seen.backbone.body),
        [seen.known(seen.tasks[name]) for name in names],
        index.margins,
        index.lookup,
    )


def put_together(
    backbone: Backbone, tasks: Collection[Task], margins: Margins, lookup: str
) -> Manifest:
    """Return the manifest of tasks that run together: their limits are computed for so many."""
    return Manifest(
        backbone=backbone,
        tasks=tuple(_limited(task, len(tasks)) for task in tasks),
        lookup=lookup,
        margins=margins,
    )


def _limited(task: Task, tasks: int) -> Task:
    certificate = task.certificate
    bound, wrong = (
        upper_bound(count, certificate.held_out, certificate.alpha / tasks)
        for count in (certificate.errors, certificate.wrong)
    )
    return replace(
        task,
        certificate=replace(
            certificate, tasks=tasks, wrong_task_at_most=bound, wrong_answer_at_most=wrong
        ),
    )


def _standing(
    known: Mapping[str, Entry],
) -> tuple[Entry | None, dict[str, list[Entry]], dict[str, Measured]]:
    """Of entries by digest: the newest backbone, the task entries and removals that stand by name
    and in their order, and what was measured last by the digest of the task's entry.
    """
    replaced = {digest for entry in known.values() for digest in entry.replaces}
    backbone: Entry | None = None
    standing: dict[str, list[Entry]] = {}
    measured: dict[str, Measured] = {}
    for entry in sorted(known.values(), key=lambda entry: entry.order):
        if isinstance(entry.body, Measured):
            measured[entry.body.of] = entry.body
        elif entry.digest in replaced:
            continue
        elif entry.kind == "backbone":
            backbone = entry
        else:
            standing.setdefault(entry.name, []).append(entry)
    return backbone, standing, measured
