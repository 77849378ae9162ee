"""Which labels of different tasks mean the same. Pure.

A label belongs to its task, and an answer is a task and a label: ``yes`` of one task is not ``yes``
of another. Where they do mean the same, the task that comes later says so
(`cfedge.train.examples.meanings`), and then both count as one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

__all__ = ["Meanings"]


class Meanings:
    """What each task's labels mean.

    Parameters
    ----------
    given
        By task, what it declares (`declared`).
    """

    def __init__(self, given: Mapping[str, Mapping[str, str]]) -> None:
        self._given = given
        self._shared = {meaning for labels in given.values() for meaning in labels.values()}

    @property
    def any(self) -> bool:
        """Whether anything is declared: otherwise equal tasks and labels alone are the same."""
        return bool(self._shared)

    def of(self, task: str, label: str) -> tuple[str | None, str]:
        """Return what a label means: equal for labels that mean the same."""
        meaning = self._given.get(task, {}).get(label, label)
        return (None, meaning) if meaning in self._shared else (task, label)

    def same(self, task: str, label: str, other: str, others_label: str) -> bool:
        """Whether two answers mean the same."""
        return self.of(task, label) == self.of(other, others_label)

    def has(self, task: str, label: str, other: str, labels: Iterable[str]) -> bool:
        """Whether one of another task's `labels` means the same as a task's label."""
        if self.of(task, label)[0] is not None:
            return task == other and label in labels
        return any(self.same(task, label, other, one) for one in labels)
