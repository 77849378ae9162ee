"""Which labels of different tasks mean the same.

A label belongs to its task, and an answer is a task and a label: ``yes`` of one task is not ``yes``
of another. Where they do mean the same (the same products in a new shop), the task that comes later
says so (``--same-label``), and then accuracies and certificates count both as one. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from cfedge.errors import TaskError

__all__ = ["Meanings", "declared"]


def declared(
    name: str, classes: Sequence[str], given: Iterable[str], others: Mapping[str, Iterable[str]]
) -> dict[str, str]:
    """Read what a task says of its labels: ``LABEL``, or ``LABEL=OTHER`` where another task calls
    it so.

    Parameters
    ----------
    classes
        Of the task `name`.
    others
        Classes of the other tasks by name.

    Raises
    ------
    TaskError
        The task has no such label, or no other task has one that it could mean.
    """
    known = {label for theirs in others.values() for label in theirs}
    meanings: dict[str, str] = {}
    for one in given:
        label, _, other = (one, "", one) if one in classes else one.partition("=")
        if label not in classes:
            raise TaskError(
                f"task {name!r}: expected a label of it to be the same as another task's, found"
                f" {label!r}; it has {', '.join(classes)}"
            )
        if other not in known:
            raise TaskError(
                f"task {name!r}: expected a label {other!r} in another task that {label!r} means"
                " the same as, found none; name one with LABEL=OTHER, or leave it out"
            )
        meanings[label] = other
    return meanings


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
