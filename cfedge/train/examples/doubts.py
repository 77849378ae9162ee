"""Rows that can be read and should be looked at before they are learned: inputs of several labels,
labels that look alike or that no task can have, words for a missing label, several labels in one
cell, labels of one input, and what the inputs' kind finds doubtful. Pure.
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Context, Decimal

from cfedge.counted import counted
from cfedge.inputs import reader
from cfedge.printable import look
from cfedge.spelling import did_you_mean
from cfedge.train.examples.conflicts import conflicts, labels_of, with_conflicts
from cfedge.train.examples.examples import Examples
from cfedge.train.examples.labels import label_fault, not_shared
from cfedge.train.examples.rows import Table, places
from cfedge.values import says_nothing

__all__ = ["doubts", "rare", "with_doubts"]

#: Between labels in one cell.
_BETWEEN = re.compile(r"\s*[,;|/+]\s*")
#: Inputs of several labels, and pairs of labels, that are named one by one.
_MOST = 20
#: Rows of a label below which it is rare, where another has a hundred times as many.
_RARE = 30
#: A label as programs write strings, lists and objects: ['heat'], "heat".
_CODE = re.compile(r"(['\"]).+\1|\[\s*['\"].*\]|\{\s*['\"].*\}", re.DOTALL).fullmatch

Doubt = tuple[Sequence[int], str]


def with_doubts(examples: Examples, table: Table) -> Examples:
    """Return a table's examples with a note of what should be looked at in it: it is learned as it
    stands. Of labels that no task can have there is no note, as they are refused.
    """
    kept = with_conflicts(examples, table)
    found = [*_of_cells(table)]
    if not found or not _can_be_classes(table):
        return kept
    numbers, said = found[0]
    others = f" and {counted(len(found) - 1, 'other doubt')}" if found[1:] else ""
    note = (
        f"{table.source}, {places(numbers, table.unit)}: {said} (it is learned as it stands; cfedge"
        f" check lists this{others})"
    )
    return dataclasses.replace(kept, notes=(*kept.notes, note))


def doubts(table: Table, *, cut: bool = True) -> Iterator[Doubt]:
    """Give the numbers of rows, with what is wrong with them and what to do.

    Parameters
    ----------
    cut
        A share of it is held out, and it is no part of what is learned from, but all.
    """
    yield from _of_several_labels(table)
    named: set[str] = set()
    yield from _of_cells(table, named)
    if cut:
        rest = {one: rows for one, rows in _by_label(table).items() if one not in named}
        yield from _alone(table, rest)


def _of_cells(table: Table, named: set[str] | None = None) -> Iterator[Doubt]:
    """Give doubts of labels, which are added to `named`, and of inputs."""
    for labels, doubt in _of_labels(table, _by_label(table)):
        if named is not None:
            named.update(labels)
        yield doubt
    for rows, found in reader(table.kind).doubts(table.inputs):
        yield _numbers(table, rows), found


def _can_be_classes(table: Table) -> bool:
    """Whether a task can have a table's labels (`cfedge.train.examples.labels.check_classes`)."""
    by_label = _by_label(table)
    if len({look(label) for label in by_label}) < len(by_label):
        return False
    return all(label_fault(label) is None for label in by_label)


def _by_label(table: Table) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for row, label in enumerate(table.labels):
        found.setdefault(label, []).append(row)
    return found


def _of_several_labels(table: Table) -> Iterator[Doubt]:
    found = list(conflicts(table).values())
    for rows in found[:_MOST]:
        labels = labels_of(table, rows)
        shown = str(table.inputs[rows[0]])
        yield (
            _numbers(table, rows),
            f"expected one label of the {table.kind} {shown[:80]!r}, found {labels}; keep one",
        )
    if more := found[_MOST:]:
        yield (
            _numbers(table, [row for rows in more for row in rows]),
            f"expected one label of each {table.kind}, found several of {len(more)} more; keep one of each",
        )


def _of_labels(
    table: Table, by_label: Mapping[str, list[int]]
) -> Iterator[tuple[Sequence[str], Doubt]]:
    """Give each doubt with the labels that it names."""
    alike: set[str] = set()
    for labels, doubt in _alike(table, by_label):
        alike.update(labels)
        yield labels, doubt
    cells = {label: [part for part in _BETWEEN.split(label) if part] for label in by_label}
    used = Counter(part for parts in cells.values() for part in parts)
    for label, rows in by_label.items():
        numbers = _numbers(table, rows)
        if label not in alike and (fault := label_fault(label)) is not None:
            yield [label], (numbers, fault)
        if says_nothing(label):
            yield (
                [label],
                (
                    numbers,
                    f"expected a label, found {label!r}, which programs write where there is none;"
                    " fill it in or remove the row",
                ),
            )
        if _CODE(label):
            yield (
                [label],
                (
                    numbers,
                    f"expected a label alone, found {label[:80]!r}, with signs around it that a"
                    " program wrote; leave them out",
                ),
            )
        parts = cells[label]
        if len(parts) > 1 and _are_labels(parts, label, by_label, used):
            yield (
                [label],
                (
                    numbers,
                    f"expected one label, found {label!r:.80}, which is"
                    f" {' and '.join(map(repr, parts))!s:.120}; an input has one label: keep one, or"
                    " make each label a task of its own with the labels yes and no",
                ),
            )


def _are_labels(
    parts: Sequence[str], label: str, by_label: Mapping[str, list[int]], used: Mapping[str, int]
) -> bool:
    """Whether the parts of a label are labels themselves: each stands alone, or some do and the
    others in lists with others too. A slash or a plus sign is also how one label is written.
    """
    alone = [part in by_label for part in parts]
    in_lists = not re.search(r"[/+]", label) and all(used[part] > 1 for part in parts)
    return all(alone) or (any(alone) and in_lists)


def _alike(
    table: Table, by_label: Mapping[str, list[int]]
) -> Iterator[tuple[Sequence[str], Doubt]]:
    """Labels that nobody tells apart: by their look, or as they are one number."""
    looks: dict[str, list[str]] = {}
    for label in by_label:
        looks.setdefault(_number(label) or look(label), []).append(label)
    for labels in looks.values():
        if len(labels) > 1:
            shown = " and ".join(
                f"{one[:40]!a} ({counted(len(by_label[one]), 'row')})" for one in labels
            )
            fewest = min(reversed(labels), key=lambda label: len(by_label[label]))
            yield (
                labels,
                (
                    _numbers(table, by_label[fewest]),
                    f"expected labels that look different, found {shown}; make them one",
                ),
            )


def _number(label: str) -> str:
    """Return a label that is a number as one; empty where it is none."""
    if not label.isascii() or label[:1] not in "-0123456789":
        return ""
    try:
        return str(Decimal(label).normalize(Context(prec=len(label))) + 0)  # -0 is 0
    except ArithmeticError:
        return ""


def _alone(table: Table, by_label: Mapping[str, list[int]]) -> Iterator[Doubt]:
    key_of = reader(table.kind).key
    few = {
        label: rows
        for label, rows in by_label.items()
        if len({key_of(table.inputs[row]) for row in rows[:50]}) < 2
    }
    if not few:
        return
    numbers = _numbers(table, [row for rows in few.values() for row in rows])
    fault = not_shared(table.kind, len(by_label), len(few), len(table.labels))
    if fault is not None:
        yield numbers, fault
        return
    others = [label for label in by_label if label not in few]
    names = [f"{label[:40]!r}{did_you_mean(label, others)}" for label in list(few)[:5]]
    if more := len(few) - 5 if len(few) > 5 else 0:
        names.append(f"{more:,} more")
    shown = " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
    have = "has" if len(few) == 1 else "have"
    yield (
        numbers,
        f"expected at least 2 different {table.kind}s of each label (one to learn, one held out),"
        f" found that {shown} {have} 1; add examples, or remove rows that are none",
    )


def rare(table: Table) -> list[str]:
    """Tell of labels with so few rows, beside another with many, that they are hardly learned."""
    by_label = _by_label(table)
    most = max(by_label, key=lambda label: len(by_label[label]), default="")
    few = [
        f"{label[:40]!r} ({len(rows)})"
        for label, rows in by_label.items()
        if len(rows) < _RARE and 100 * len(rows) <= len(by_label[most])
    ]
    if not few:
        return []
    more = f" and {len(few) - 5:,} more" if len(few) > 5 else ""
    return [
        f"labels of {table.source} with few rows beside the {len(by_label[most]):,} of {most[:40]!r}:"
        f" {', '.join(few[:5])}{more}; so few can hardly be learned or judged: add examples of them"
    ]


def _numbers(table: Table, rows: Sequence[int]) -> list[int]:
    return [table.numbers[row] for row in rows]
