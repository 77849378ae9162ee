"""What a task that is learned says of its labels: those that mean the same as another task's
(``--same-label``), such as the same products in a new shop. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from cfedge.errors import TaskError

__all__ = ["declared"]


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
    for one in [given] if isinstance(given, str) else given:
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
