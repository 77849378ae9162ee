"""What a task and a label may be called, and how a task's labels stand to those of others.

Pure rules over names: whoever adds a task, or a data file, asks them before anything is learned.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from decimal import Decimal

from cfedge.errors import DataError, TaskError
from cfedge.printable import is_printable, is_seen, look
from cfedge.spelling import check_spelling
from cfedge.values import is_missing, value_words

__all__ = [
    "LABEL_LENGTH",
    "NEW_UNITS",
    "TASK_NAME",
    "check_classes",
    "check_name",
    "check_task",
    "label_fault",
    "label_of",
    "look",
    "not_shared",
]

#: Where shares are told by task: what a task reuses of none. No task may have that name.
NEW_UNITS = "new"
TASK_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
#: Characters of a label, at most.
LABEL_LENGTH = 200
#: Labels from which on it may be asked whether they are labels at all.
_MANY = 10


def check_task(name: str, classes: Sequence[str]) -> None:
    """Refuse a task that cannot be taught.

    Raises
    ------
    TaskError
        The name is malformed, or a label cannot be one.
    """
    check_name(name)
    check_classes(name, classes)


def check_name(name: str) -> None:
    """Refuse what a task cannot be called.

    Raises
    ------
    TaskError
        Naming what a name may hold.
    """
    if not isinstance(name, str) or not TASK_NAME.fullmatch(name):
        raise TaskError(
            "task name: expected lower-case letters, digits, - and _ (at most 64), found"
            f" {name!r}; choose another"
        )
    if name == NEW_UNITS:
        raise TaskError(
            f"task name: expected another than {name!r}, which says what a task reuses of none;"
            " choose another"
        )


def check_classes(name: str, classes: Sequence[str]) -> None:
    """Refuse labels that cannot be a task's classes.

    Raises
    ------
    TaskError
        Naming the task and the label.
    """
    if not classes:
        raise TaskError(f"task {name!r}: expected at least 1 class, found none; add a label")
    seen: dict[str, str] = {}
    for label in classes:
        if (fault := label_fault(label)) is not None:
            raise TaskError(f"task {name!r}: {fault}")
        if (alike := seen.setdefault(look(label), label)) != label:
            raise TaskError(
                f"task {name!r}: expected labels that differ by more than case and spaces,"
                f" found {alike!a} and {label!a}; make them one"
            )


def label_fault(label: str) -> str | None:
    """Say why a task cannot have a label, and what to do; None: it can."""
    if not is_seen(label):
        return f"expected labels of printable characters, found {label[:40]!a}; name it"
    if any("\ud800" <= letter <= "\udfff" for letter in label):
        return f"expected labels in Unicode, found {label[:40]!r}; rename it"
    if not is_printable(label):
        return f"expected labels of printable characters, found {label[:40]!r}; rename it"
    if len(label) > LABEL_LENGTH:
        return (
            f"expected labels of at most {LABEL_LENGTH} characters, found {len(label)}"
            f" ({label[:40]!r}...); shorten it"
        )
    return None


def label_of(value: object, where: str, noun: str = "label") -> str:
    """Return the label that a value stands for, whatever file, list or array it came from.

    A string without the spaces around it; a number or a boolean as Python writes it, and so as a CSV
    file has it: 0, False and 1.5 are ``0``, ``False`` and ``1.5``. A list of one is this one.

    Parameters
    ----------
    where
        Names it in errors.
    noun
        What it is in errors: the name of a row's task follows the same rule.

    Raises
    ------
    DataError
        It is none: missing, several, or something else.
    """
    if isinstance(value, str):
        return check_spelling(value, noun, where).strip()
    if getattr(value, "shape", None) == () and not is_missing(value):
        value = value.item()  # type: ignore[attr-defined] # NumPy's number, as Python's own
    if is_missing(value):
        nothing = "NaN" if isinstance(value, float) else value_words(value)
        raise DataError(f"{where}: expected a {noun}, found {nothing}; fill it in or leave it out")
    if isinstance(value, list | tuple) and not value:
        raise DataError(
            f"{where}: expected a {noun}, found an empty list; fill it in or leave it out"
        )
    if isinstance(value, list | tuple | set | frozenset) and len(value) == 1:
        return label_of(next(iter(value)), where, noun)
    if isinstance(value, list | tuple | set | frozenset) or getattr(value, "shape", ()) != ():
        raise DataError(
            f"{where}: expected one {noun}, found several, {value!s:.80}; an input has one"
            f" {noun}: keep one, or make each a task of its own with the labels yes and no"
        )
    if isinstance(value, float) and math.isinf(value):
        raise DataError(f"{where}: expected a {noun}, found infinity; write it as a string")
    if isinstance(value, bool | int | float | Decimal):
        return str(value)
    inside = f", or name what is in it, such as {noun}.{next(iter(value))}" if isinstance(value, dict) and value else ""  # fmt: skip
    raise DataError(
        f"{where}: expected words, a number or a boolean, found {value_words(value)}; write it as"
        f" a string{inside}"
    )


def not_shared(kind: str, labels: int, lone: int, rows: int) -> str | None:
    """Say of so many labels, of which some have one input each, that they are none: a number or a
    sentence of its own for nearly each row; None where they may be.
    """
    if labels < _MANY or 2 * lone <= labels or 2 * labels <= rows:
        return None
    return (
        f"expected labels that several {kind}s share, found {labels:,} different ones in {rows:,}"
        " rows; name the column of the labels with --label-column, or change the two names in the"
        " header where they are the wrong way round"
    )
