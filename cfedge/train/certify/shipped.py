"""What of a workspace's tasks would ship with a lookup: each one's signature, and those that the parts
of its held-out evidence are judged by.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from cfedge.lookup import Features
from cfedge.lookup.rules import LookupRule, rule_named
from cfedge.train.measures.folds import Folds
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge.train.workspace.learned_task import LearnedTask

__all__ = ["Shipped", "shipped"]


class Shipped(NamedTuple):
    """All tasks, by name.

    Attributes
    ----------
    rule
        The lookup.
    signatures
        Of it.
    held_out
        Features of the held-out inputs.
    folds
        Of the same lookup (`cfedge.train.measures.folds`).
    """

    rule: LookupRule
    signatures: Mapping[str, Any]
    held_out: Mapping[str, Features]
    folds: Mapping[str, Folds]

    @classmethod
    def of(cls, tasks: Mapping[str, LearnedTask], lookup: str) -> Shipped:
        """Return what would ship of tasks that were read already; for errors see `shipped`."""
        rule = rule_named(lookup)
        return cls(
            rule,
            {name: rule.signature(task.signature) for name, task in tasks.items()},
            {name: task.held_out.features for name, task in tasks.items()},
            {name: task.folds.by(rule.signature) for name, task in tasks.items()},
        )


def shipped(workspace: WorkspaceFolder, lookup: str | None = None) -> Shipped:
    """Return what would ship of a workspace's tasks.

    Parameters
    ----------
    lookup
        A name of `cfedge.lookup.rules.RULES`; None: the workspace's own.

    Raises
    ------
    UsageError
        There is no such lookup.
    """
    rule = rule_named(workspace.lookup if lookup is None else lookup)
    signatures, held_out, folds = {}, {}, {}
    for name in workspace.tasks:
        signatures[name] = rule.signature(workspace.signature(name))
        held_out[name] = workspace.held_out(name).features
        folds[name] = workspace.folds(name).by(rule.signature)
    return Shipped(rule, signatures, held_out, folds)
