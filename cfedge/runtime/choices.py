"""Other answers that an input could have: the likeliest pairs of task and label, and a set of them
that holds the right one as often as was asked. Pure.

A pair's probability is that of its task times what the task's head gives to the label. A pair is
never more probable than its task, so heads of tasks that cannot matter are not asked. The ordinary
answer always comes first, as it is. Labels that mean the same (`cfedge.meanings`) are named once,
by the likelier pair.

Letters: T tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from cfedge.bundle.manifest import Task
from cfedge.meanings import Meanings
from cfedge.runtime.prediction import Choice

__all__ = ["Choices"]

_Meaning = tuple[str | None, str]


class Choices:
    """What one input could be.

    Parameters
    ----------
    tasks
        Of the bundle.
    meanings
        Of their labels.
    first
        The ordinary answer.
    shares
        Probability of each task, float64 [T].
    ask
        Returns what the head of the task at a position gives to its classes: a run of the tail
        mostly.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        meanings: Meanings,
        first: Choice,
        shares: NDArray[np.float64],
        ask: Callable[[int], Sequence[float]],
    ) -> None:
        self._tasks, self._meanings, self._first = tasks, meanings, first
        self._order: list[int] = np.argsort(-shares, kind="stable").tolist()
        self._shares: list[float] = shares.tolist()
        self._ask = ask
        self._asked: dict[int, list[Choice]] = {}

    def top(self, count: int) -> tuple[Choice, ...]:
        """Return the ordinary answer and the likeliest others, `count` in all, or as many as there
        are; the others by falling probability.
        """
        found: dict[_Meaning, Choice] = {}
        for place in self._order:
            if self._shares[place] <= _last(found, count - 1):
                break
            for choice in self._pairs(place):
                self._keep(found, choice)
        return (self._first, *_sorted(found)[: count - 1])

    def covering(self, limits: Sequence[float]) -> tuple[Choice, ...]:
        """Return the ordinary answer and all others whose probability is not below the limit of
        their task, by falling probability; `limits` are those of the T tasks.
        """
        found: dict[_Meaning, Choice] = {}
        for place in self._order:
            if self._shares[place] >= limits[place] and self._shares[place] > 0:
                for choice in self._pairs(place):
                    if choice.probability >= limits[place]:
                        self._keep(found, choice)
        return (self._first, *_sorted(found))

    def _keep(self, found: dict[_Meaning, Choice], choice: Choice) -> None:
        meaning = self._meanings.of(choice.task, choice.label)
        if meaning == self._meanings.of(self._first.task, self._first.label):
            return
        if meaning not in found or choice.probability > found[meaning].probability:
            found[meaning] = choice

    def _pairs(self, place: int) -> list[Choice]:
        if place not in self._asked:
            task, share = self._tasks[place], self._shares[place]
            self._asked[place] = [
                Choice(task.name, label, share * one)
                for label, one in zip(task.classes, self._ask(place), strict=True)
            ]
        return self._asked[place]


def _sorted(found: dict[_Meaning, Choice]) -> list[Choice]:
    return sorted(found.values(), key=lambda one: (-one.probability, one.task, one.label))


def _last(found: dict[_Meaning, Choice], count: int) -> float:
    """The probability that one must have to be among the best `count`; above any where none is
    looked for.
    """
    if count < 1:
        return 2.0
    if len(found) < count:
        return 0.0
    return _sorted(found)[count - 1].probability
