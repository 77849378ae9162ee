"""What a person may change with the console, as one value: it is asked for in JSON, made ready in a
copy of the workspace, and begins to answer on a click.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from cfedge.bundle.canonical import typed
from cfedge.counted import counted
from cfedge.errors import SchemaError, UsageError
from cfedge.progress import Progress

if TYPE_CHECKING:
    from cfedge.train.examples.examples import Examples
    from cfedge.train.workspace.folder import WorkspaceFolder

__all__ = ["Change", "apply", "in_words", "parse"]

Kind = Literal["new task", "more", "rename", "remove", "rename label", "remove label"]
#: Of these kinds examples are given.
TAUGHT = ("new task", "more")


@dataclass(frozen=True)
class Change:
    """One change of one task.

    Attributes
    ----------
    kind
        ``new task``; ``more`` examples or classes of one; ``rename`` and ``remove`` it;
        ``rename label`` and ``remove label`` of it.
    task
        Its name.
    new
        The new name of the task or the label.
    label
        That is renamed or removed.
    method
        Of a new task: ``closed-form`` or ``adapter``.
    """

    kind: Kind
    task: str
    new: str | None = None
    label: str | None = None
    method: Literal["closed-form", "adapter"] = "closed-form"

    @property
    def is_taught(self) -> bool:
        """Whether it needs examples."""
        return self.kind in TAUGHT


def parse(value: Any) -> Change:
    """Read a change that was asked for.

    Raises
    ------
    UsageError
        It is none.
    """
    try:
        known = {field.name: field.default for field in dataclasses.fields(Change)}
        given = {**{k: v for k, v in known.items() if v is not dataclasses.MISSING}, **dict(value)}
        found: Change = typed(Change, given, "change")
    except (SchemaError, TypeError, ValueError) as error:
        raise UsageError(f"change: expected one of the console's, found {error!s:.200}") from error
    if found.kind in ("rename", "rename label") and not found.new:
        raise UsageError("change: expected a new name, found none; type one")
    if found.kind in ("rename label", "remove label") and not found.label:
        raise UsageError("change: expected a label, found none; choose one")
    return found


def in_words(change: Change, examples: int = 0) -> str:
    """Return a change as a heading."""
    taught = counted(examples, "example")
    return {
        "new task": f"New task {change.task}, of {taught}",
        "more": f"{change.task}: {taught} more",
        "rename": f"{change.task} is to be called {change.new}",
        "remove": f"{change.task} is to be removed",
        "rename label": f"{change.task}: label {change.label} is to be called {change.new}",
        "remove label": f"{change.task}: label {change.label} is to be removed",
    }[change.kind]


def apply(
    workspace: WorkspaceFolder,
    change: Change,
    examples: Examples | None,
    *,
    threads: int,
    progress: Progress,
) -> None:
    """Make a change in a workspace.

    Parameters
    ----------
    examples
        Of what is taught; None for the other kinds.
    threads
        Of torch and ONNX Runtime.

    Raises
    ------
    TaskError, DataError, UsageError
        It cannot be made; the workspace is as it was.
    """
    from cfedge.train.change import edit
    from cfedge.train.change.update import update
    from cfedge.train.settings import Settings
    from cfedge.train.teach import learn

    if change.is_taught and examples is None:
        raise UsageError("change: expected examples, found none; choose some in Review")
    if change.kind == "new task" and examples is not None:
        settings = Settings(method=change.method, threads=threads)
        if change.method == "adapter" and len(examples.classes) == 1:
            settings = dataclasses.replace(settings, method="auto")  # the lookup alone decides
        learn(workspace, change.task, examples, settings=settings, progress=progress)
    elif change.kind == "more" and examples is not None:
        update(workspace, change.task, examples, progress=progress)
    elif change.kind == "remove":
        workspace.remove(change.task)
    elif change.kind == "rename":
        edit.rename(workspace, change.task, change.new or "")
    elif change.kind == "rename label":
        edit.rename_label(workspace, change.task, change.label or "", change.new or "")
    elif change.kind == "remove label":
        edit.remove_class(workspace, change.task, change.label or "")
