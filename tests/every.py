"""One property of many cases as one test: all are tried, and those that fail are listed by name.

A loop that stops at its first failure hides the others; an item for each case buries the property.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import pytest

Case = TypeVar("Case")


def every(cases: Iterable[tuple[str, Case]], check: Callable[[Case], None]) -> None:
    """Check every named case; fail with the names and first lines of all that do not hold.

    Raises
    ------
    AssertionError
        Where a case does not hold, and where there is none.
    """
    wrong, count = [], 0
    for name, case in cases:
        count += 1
        try:
            check(case)
        except (Exception, pytest.fail.Exception) as error:
            lines = str(error).splitlines() or [""]
            wrong.append(f"{name}: {type(error).__name__}: {lines[0]}")
    if wrong or not count:
        raise AssertionError("\n".join([f"{len(wrong)} of {count} cases fail", *wrong]))
