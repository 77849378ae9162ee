"""What an update of a task did."""

from __future__ import annotations

from typing import NamedTuple

from cfedge.train.learn.new_examples import Contradicted
from cfedge.train.workspace.learned_task import LearnedTask

__all__ = ["Updated"]


class Updated(NamedTuple):
    """What an update did.

    Attributes
    ----------
    task
        The new version, as stored.
    added
        Its new classes.
    examples
        New ones that were learned from.
    old_held_out, right_before, right_now
        Held-out examples that the old version had; of them those whose label the old version and
        the new one answer, with the task given.
    again
        Examples that the task had before, with the same label: they were left out.
    contradicted
        Old held-out examples whose input was learned with another label: they keep theirs.
    """

    task: LearnedTask
    added: tuple[str, ...]
    examples: int
    old_held_out: int
    right_before: int
    right_now: int
    again: int = 0
    contradicted: tuple[Contradicted, ...] = ()
