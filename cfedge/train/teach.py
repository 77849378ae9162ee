"""Teach a workspace one task or several: decide between an adapter and a closed form, learn, keep.

The decision is made here, once, for every front door (`cfedge.Workspace`, the command line, the
studies). How a task is learned is elsewhere: `cfedge.train.learn.learner` (with torch),
`cfedge.train.learn.head` (without).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cfedge.bundle.manifest import Backbone
from cfedge.counted import counted
from cfedge.errors import CfedgeError, UsageError
from cfedge.progress import Progress, Quiet
from cfedge.train.examples.examples import Examples, LabelledData
from cfedge.train.examples.meanings import declared
from cfedge.train.jobs.learning import learn_many
from cfedge.train.jobs.place import Place
from cfedge.train.learn.head import few_examples
from cfedge.train.learn.method import train_task
from cfedge.train.learn.prepared_task import store
from cfedge.train.measures.trial import is_tried
from cfedge.train.settings import Settings
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge.train.workspace.learned_task import LearnedTask

__all__ = ["Taught", "decided", "learn", "learn_tasks", "with_choices"]


@dataclass(frozen=True)
class Taught:
    """What became of several tasks: those that were learned, in order, what stopped the others, and
    what people should know of how it went.
    """

    learned: tuple[str, ...]
    failed: Mapping[str, CfedgeError]
    notes: tuple[str, ...] = ()

    def check(self) -> None:
        """Raise the first error, naming its task and how many were learned all the same.

        Raises
        ------
        CfedgeError
            Of the class that stopped the task.
        """
        if not self.failed:
            return
        (name, first), *more = self.failed.items()
        others = (
            f" ({len(more)} more failed: {', '.join(other for other, _ in more)})" if more else ""
        )
        count = len(self.learned) + len(self.failed)
        raise type(first)(
            f"task {name!r}: {first}; {len(self.learned)} of {counted(count, 'task')} were added{others}"
        ) from first


def with_choices(settings: Settings | None, choices: Mapping[str, Any]) -> Settings:
    """Return settings with single fields chosen anew; None: the defaults.

    Raises
    ------
    UsageError
        A choice is no setting, or has a value that cannot be.
    """
    known = [field.name for field in dataclasses.fields(Settings)]
    if unheard := sorted(set(choices) - set(known)):
        raise UsageError(
            f"{unheard[0]}: expected a setting ({', '.join(known)}), found none of that name; see"
            " cfedge.train.settings.Settings"
        )
    return dataclasses.replace(settings or Settings(), **choices)


def decided(settings: Settings, data: LabelledData, backbone: Backbone) -> Settings:
    """Return the settings with ``auto`` decided: a closed form where the examples are few, unless
    earlier tasks' units are to be reused; and for a task of one class, which has nothing to adapt
    for: the lookup alone decides. On a backbone without slots nothing else is possible; on pictures
    an adapter is tried first.

    Raises
    ------
    UsageError
        An adapter is asked for, and there is one class or no slot.
    """
    if not backbone.slots:
        if settings.method == "adapter" or settings.reuse:
            raise UsageError(
                "--train, --reuse: expected a backbone with slots for adapters, found"
                f" {backbone.name!r}, which has none; leave them out"
            )
        return dataclasses.replace(settings, method="closed-form")
    if len(data.train.classes) == 1:
        if settings.method == "adapter":
            raise UsageError(
                "--train: expected a task of at least 2 classes, found 1"
                f" ({data.train.classes[0]!r}); a task of one class has no adapter: leave --train"
                " out"
            )
        return dataclasses.replace(settings, method="closed-form", reuse=False)
    if settings.method != "auto":
        return settings
    share = settings.held_out if data.held_out is None else None
    if not settings.reuse and few_examples(data.train, share):
        return dataclasses.replace(settings, method="closed-form")
    tried = is_tried(settings, backbone)
    return dataclasses.replace(settings, method="trial" if tried else "adapter")


def learn(
    workspace: WorkspaceFolder,
    name: str,
    examples: Examples,
    held_out: Examples | None = None,
    *,
    same_labels: Iterable[str] = (),
    settings: Settings | None = None,
    place: Place | None = None,
    replace: bool = False,
    progress: Progress | None = None,
) -> LearnedTask:
    """Learn a task and add it to the workspace.

    Parameters
    ----------
    workspace
        Where it goes, and whose backbone is adapted.
    examples, held_out
        To learn from, and for certificate, threshold and parity; None: `Settings.held_out` of them.
    same_labels
        Of its labels, those that mean the same as another task's: ``LABEL``, or ``LABEL=OTHER``
        (`cfedge.train.examples.meanings`).
    place
        Where it is learned; None: in this process.
    replace
        Learn a task of this name anew.

    Returns
    -------
    LearnedTask
        As stored.

    Raises
    ------
    TaskError, DataError
        Before anything is computed; the workspace is unchanged.
    """
    workspace.check_new(name, examples.classes, replace=replace)
    data = LabelledData(examples, held_out)
    chosen = decided(settings or Settings(), data, workspace.backbone)
    others = {other: workspace.record(other).classes for other in workspace.tasks if other != name}
    same = declared(name, examples.classes, same_labels, others)
    if place is not None and place.executor is not None:
        learn_tasks(
            workspace,
            {name: data},
            settings=chosen,
            place=place,
            replace=replace,
            progress=progress,
        ).check()
        task, replace = workspace.task(name), True
        if task.record.same_labels == same:
            return task
    else:
        task = train_task(workspace, name, data, chosen, progress or Quiet())
    task = dataclasses.replace(task, record=dataclasses.replace(task.record, same_labels=same))
    store(workspace, task, replace=replace)
    return task


def learn_tasks(
    workspace: WorkspaceFolder,
    tasks: Mapping[str, LabelledData],
    *,
    settings: Settings | None = None,
    place: Place | None = None,
    replace: bool = False,
    progress: Progress | None = None,
) -> Taught:
    """Learn several tasks and add each to the workspace when it is done; one that fails leaves the
    others alone. A task that is there already, learned of the same data in the same way, stays.

    Parameters
    ----------
    tasks
        By name.
    place
        Where they are learned (`cfedge.train.jobs.choosing.chosen_place`); None: in this process.

    Raises
    ------
    UsageError, TaskError
        Before anything is learned.
    """
    settings = settings or Settings()
    chosen = {name: decided(settings, data, workspace.backbone) for name, data in tasks.items()}
    outcome = learn_many(
        workspace, tasks, settings=chosen, place=place, replace=replace, progress=progress
    )
    learned = tuple(name for name in tasks if name not in outcome.failed)
    return Taught(learned, outcome.failed, tuple(outcome.notes))
