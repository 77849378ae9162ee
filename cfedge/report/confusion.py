"""Held-out inputs counted by what they are and what they were taken for, and the inputs behind each
count. Pure but for making thumbnails.

A page has bounded room: `LIMITS` says of what there is how much, and what is left out is counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cfedge.inputs import Spec
from cfedge.inputs.modality import Input
from cfedge.report.evidence import CellInputs, ClassConfusion, Confusion, Example
from cfedge.report.held_out import Answered
from cfedge.report.shown import shown

__all__ = ["LIMITS", "Limits", "Row", "confusion", "rows_of"]


@dataclass(frozen=True)
class Limits:
    """Of one page: tasks in the first table, classes in a task's, cells of all tasks' tables, inputs
    behind a count of wrong and of right answers, and bytes of all inputs together.
    """

    tasks: int = 40
    classes: int = 30
    cells: int = 5_000
    wrong: int = 12
    right: int = 3
    bytes: int = 400_000


LIMITS = Limits()


@dataclass(frozen=True)
class Row:
    """One held-out input with its answer; `place` is its number among its task's."""

    task: str
    label: str
    found_task: str
    found_label: str
    unknown: bool
    place: int
    value: Input

    @property
    def right(self) -> bool:
        """Whether task and label are right, by their names."""
        return (self.task, self.label) == (self.found_task, self.found_label)


def rows_of(
    task: str,
    truth: Sequence[int],
    inputs: Sequence[Input],
    answered: Answered,
    *,
    names: Sequence[str],
    classes: Mapping[str, Sequence[str]],
    thresholds: Mapping[str, float],
) -> list[Row]:
    """Return one task's held-out inputs with their answers, by name."""
    rows = []
    for place, value in enumerate(inputs):
        found = names[answered.task[place]]
        rows.append(
            Row(
                task,
                classes[task][truth[place]],
                found,
                classes[found][answered.label[place]],
                bool(answered.score[place] > thresholds[found]),
                place,
                value,
            )
        )
    return rows


def confusion(
    rows: Sequence[Row],
    classes: Mapping[str, Sequence[str]],
    spec: Spec,
    limits: Limits = LIMITS,
) -> Confusion:
    """Count rows by task and by class, and keep inputs for the cells.

    Parameters
    ----------
    rows
        Of all tasks.
    classes
        By task, in order.
    """
    names = sorted(classes)
    wrong = dict.fromkeys(names, 0)
    for row in rows:
        if row.task != row.found_task:
            wrong[row.task] += 1
            wrong[row.found_task] += 1
    worst = sorted(names, key=lambda name: (-wrong[name], name))[: limits.tasks]
    tasks = [name for name in names if name in worst]
    by_task: dict[str, list[Row]] = {name: [] for name in names}
    for row in rows:
        by_task[row.task].append(row)
    tables = []
    left = limits.cells
    for name in sorted(names, key=lambda name: (-_errors(by_task[name]), name)):
        table = _class_confusion(name, by_task[name], classes[name], limits)
        left -= len(table.rows) * len(table.columns)
        if left < 0:
            break
        tables.append(table)
    tables.sort(key=lambda table: table.task)
    examples, cells = _kept(_cells(rows, tasks, tables), spec, limits)
    counts = np.zeros((len(tasks), len(tasks)), np.int64)
    for row in rows:
        if row.task in worst and row.found_task in worst:
            counts[tasks.index(row.task), tasks.index(row.found_task)] += 1
    return Confusion(
        tuple(tasks), _tuples(counts), len(names) - len(tasks), tuple(tables), examples, cells
    )


def _errors(rows: Sequence[Row]) -> int:
    return sum(not row.right for row in rows)


def _class_confusion(
    task: str, rows: Sequence[Row], classes: Sequence[str], limits: Limits
) -> ClassConfusion:
    """Count one task's rows: columns are its classes, and then the tasks that took inputs."""
    odd = dict.fromkeys(classes, 0)
    for row in rows:
        if not row.right:
            odd[row.label] += 1
            if row.found_task == task:
                odd[row.found_label] += 1
    worst = set(sorted(classes, key=lambda label: (-odd[label], label))[: limits.classes])
    kept = [label for label in classes if label in worst]
    rivals = sorted({row.found_task for row in rows if row.found_task != task})
    columns = kept + [_rival(name) for name in rivals]
    counts = np.zeros((len(kept), len(columns)), np.int64)
    for row in rows:
        column = row.found_label if row.found_task == task else _rival(row.found_task)
        if row.label in worst and (row.found_task != task or row.found_label in worst):
            counts[kept.index(row.label), columns.index(column)] += 1
    return ClassConfusion(
        task, tuple(kept), tuple(columns), _tuples(counts), len(classes) - len(kept)
    )


def _rival(task: str) -> str:
    return f"task {task}"


def _cells(
    rows: Sequence[Row], tasks: Sequence[str], tables: Sequence[ClassConfusion]
) -> dict[str, list[Row]]:
    """Return every cell's rows: ``t:row:column`` of the tasks' table, ``c:task:row:column`` of a
    task's own.
    """
    cells: dict[str, list[Row]] = {}
    place = {name: number for number, name in enumerate(tasks)}
    own = {table.task: (number, table) for number, table in enumerate(tables)}
    for row in rows:
        if row.task in place and row.found_task in place and row.task != row.found_task:
            cells.setdefault(f"t:{place[row.task]}:{place[row.found_task]}", []).append(row)
        if row.task not in own:
            continue
        number, table = own[row.task]
        column = row.found_label if row.found_task == row.task else _rival(row.found_task)
        if row.label in table.rows and column in table.columns:
            key = f"c:{number}:{table.rows.index(row.label)}:{table.columns.index(column)}"
            cells.setdefault(key, []).append(row)
    return cells


def _kept(
    cells: Mapping[str, list[Row]], spec: Spec, limits: Limits
) -> tuple[tuple[Example, ...], tuple[CellInputs, ...]]:
    """Show as many inputs as there is room for: first of wrong answers, a few of each cell at a
    time, then of right ones.
    """
    kept: dict[str, list[int]] = {key: [] for key in cells}
    known: dict[tuple[str, int], int] = {}
    examples: list[Example] = []
    left = limits.bytes
    for key, row in _in_turn(cells, limits):
        number = known.get((row.task, row.place))
        if number is None:
            what = shown(row.value, spec, row.place + 1)
            left -= what.size_bytes + 120
            if left < 0:
                break
            number = known[row.task, row.place] = len(examples)
            examples.append(
                Example(
                    what.words,
                    what.picture,
                    row.task,
                    row.label,
                    row.found_task,
                    row.found_label,
                    row.unknown,
                )
            )
        kept[key].append(number)
    return tuple(examples), tuple(
        CellInputs(key, tuple(numbers), len(cells[key]) - len(numbers))
        for key, numbers in kept.items()
        if numbers
    )


def _in_turn(cells: Mapping[str, list[Row]], limits: Limits) -> Iterator[tuple[str, Row]]:
    for wanted, most in ((False, limits.wrong), (True, limits.right)):
        for turn in range(most):
            for key, rows in cells.items():
                if rows[0].right == wanted and turn < len(rows):
                    yield key, rows[turn]


def _tuples(counts: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(int(count) for count in row) for row in counts)
