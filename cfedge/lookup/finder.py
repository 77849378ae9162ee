"""What finds the task of an input, whatever the lookup: the one face that the runtime, the workshop
and the reports see.

Letters: B batch, C classes of all tasks, D width, T tasks, V views.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cfedge.lookup.evidence import Evidence
from cfedge.lookup.familiarity import Terms
from cfedge.lookup.match import TaskMatch, TaskMatches
from cfedge.lookup.signature import Features
from cfedge.margins import Margins

__all__ = ["Finder"]

Floats = NDArray[np.float32]


class Finder(Protocol):
    """All tasks of one lookup, ready to run.

    Attributes
    ----------
    tasks
        Names, sorted.
    margins
        Below which an input is looked at again, or was thin.
    spans
        Of each task, where its classes are among all.
    reads_all
        Every input needs the frozen tail before its task is known.
    """

    tasks: tuple[str, ...]
    margins: Margins

    @property
    def spans(self) -> Sequence[slice]: ...  # noqa: D102

    @property
    def reads_all(self) -> bool: ...  # noqa: D102

    def warm_up(self) -> None:
        """Make now what would be made when an input first needs it."""

    def begin(self, trunk: Floats, position: int = 0) -> Evidence:
        """Begin with features float32 [V D] behind the trunk.

        Raises
        ------
        InputError
            They hold NaN or infinity; `position` names the input.
        """

    def identify(self, trunk: Floats, position: int = 0) -> Evidence:
        """Find out what can be found behind the trunk; for errors see `begin`."""

    def needs_tail(self, evidence: Evidence) -> bool:
        """Whether an identified input needs `deepen` with the frozen tail's features."""

    def deepen(self, evidence: Evidence, tail: Floats) -> Evidence:
        """Add what features [D] behind the frozen tail say; for errors see `begin`."""

    def given(self, evidence: Evidence, task: int) -> TaskMatch:
        """Return the match with the task given, of evidence that needs no tail where the lookup
        `reads_all`.
        """

    def task_scores(self, evidence: Evidence) -> Floats:
        """Return each task's score, float32 [T]."""

    def class_scores(self, trunk: Floats, tail: Callable[[], Floats]) -> Floats:
        """Return how much speaks for each class, float32 [C] in nats; the tail is asked for where
        it is needed.
        """

    def confusions(self, name: str, among: Collection[str] | None = None) -> dict[str, float]:
        """Return, by rival task (of those `among`, otherwise all), a bound on the share of a task's
        inputs that it takes, by the lookup's own model; 0 where it has none.
        """

    def behind_trunk(self, trunk: Floats, task: int) -> Terms:
        """Compare features float32 [V D] behind the trunk with the task at position `task`."""

    def behind_tail(self, tail: Floats, task: int) -> Terms:
        """Compare features float32 [D] behind the frozen tail likewise."""

    def behind(self, features: Features, task: int) -> list[tuple[Terms, Terms]]:
        """Compare N inputs likewise, behind the trunk and the tail; may differ in rounding."""

    def __call__(self, features: Features) -> TaskMatches:
        """Look B inputs up."""
