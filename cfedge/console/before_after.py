"""What a change costs whom: every task's figures before and after it, and which of them are worse.
Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Figures", "Row", "compared", "is_worse", "rows_as_json"]

#: By how much a limit must rise to be called worse: limits hold for all tasks together, so each
#: rises a little with every task that is added.
_RISE = 0.01


@dataclass(frozen=True)
class Figures:
    """One task on its held-out inputs, with all tasks together.

    Attributes
    ----------
    held_out, right, unknown
        Inputs, those that got the right task and label, and those that were called unknown.
    wrong_answer_at_most
        Certified upper bound on the rate of wrong answers.
    wrong_task_at_most
        Certified upper bound on the rate of inputs that another task takes.
    classes
        How many.
    """

    held_out: int
    right: int
    unknown: int
    wrong_answer_at_most: float
    wrong_task_at_most: float
    classes: int


@dataclass(frozen=True)
class Row:
    """One task before and after; None where it is not there. `worse` says what became worse, each
    in a sentence.
    """

    task: str
    changed: bool
    before: Figures | None
    after: Figures | None
    worse: tuple[str, ...]


def compared(
    before: Mapping[str, Figures],
    after: Mapping[str, Figures],
    changed: Mapping[str, str | None],
) -> list[Row]:
    """Return a row for each task, what changed first.

    Parameters
    ----------
    changed
        Tasks that were changed on purpose, by the name they have now, with the one of before; None:
        it is new.
    """
    olds = {old for old in changed.values() if old is not None}
    rows = [
        Row(
            name,
            True,
            None if (was := changed[name]) is None else before.get(was),
            after.get(name),
            _worse(before.get(was) if was else None, after.get(name)),
        )
        for name in changed
    ]
    for name in sorted({*before, *after} - changed.keys() - olds):
        one, other = before.get(name), after.get(name)
        rows.append(Row(name, False, one, other, _worse(one, other)))
    return rows


def _worse(before: Figures | None, after: Figures | None) -> tuple[str, ...]:
    if before is None or after is None:
        return ()
    found = []
    was, now = before.right / max(1, before.held_out), after.right / max(1, after.held_out)
    if now < was:
        found.append(
            f"{after.right} of {after.held_out} right, {before.right} of {before.held_out} before"
        )
    if after.wrong_answer_at_most > before.wrong_answer_at_most + _RISE:
        why = (
            ""
            if found
            else ": its answers are as they were, and limits hold for all tasks together"
        )
        found.append(
            f"limit {after.wrong_answer_at_most:.1%}, {before.wrong_answer_at_most:.1%} before{why}"
        )
    if after.unknown / max(1, after.held_out) > before.unknown / max(1, before.held_out) + _RISE:
        found.append(f"{after.unknown} of its own inputs called unknown, {before.unknown} before")
    return tuple(found)


def is_worse(rows: list[Row]) -> bool:
    """Whether anything became worse."""
    return any(row.worse for row in rows)


def rows_as_json(rows: list[Row]) -> list[dict[str, Any]]:
    """Return rows as JSON types."""
    return [{**asdict(row), "worse": list(row.worse)} for row in rows]
