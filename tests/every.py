"""One property of many cases as one test: all are tried, and those that fail are listed by name.

A loop that stops at its first failure hides the others; an item for each case buries the property.
"""

from __future__ import annotations

import functools
import inspect
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

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


def _named(value: Any) -> tuple[str, Any]:
    """A case and its name, also of a ``pytest.param``."""
    if not isinstance(value, type(pytest.param())):
        return repr(value)[:80], value
    of = value.values
    return value.id or repr(of)[:80], of[0] if len(of) == 1 else of


def cases(
    names: str | Sequence[str], values: Iterable[Any]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Do what ``pytest.mark.parametrize`` does, as one test that lists every case that fails.

    For cases that are quick and leave nothing behind: fixtures are made once for all of them, but
    ``tmp_path``, of which each has a folder of its own, and ``monkeypatch``, undone after each.
    """
    keys = [name.strip() for name in (names.split(",") if isinstance(names, str) else names)]

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        def check(case: tuple[Any, dict[str, Any]]) -> None:
            value, fixtures = case
            chosen = dict(zip(keys, [value] if len(keys) == 1 else value, strict=True))
            if "tmp_path" in fixtures:
                folder = Path(tempfile.mkdtemp(dir=fixtures["tmp_path"]))
                fixtures = {**fixtures, "tmp_path": folder}
            if "monkeypatch" in fixtures:
                with pytest.MonkeyPatch.context() as undone:
                    function(**chosen, **{**fixtures, "monkeypatch": undone})
            else:
                function(**chosen, **fixtures)

        @functools.wraps(function)
        def tried(**fixtures: Any) -> None:
            every(((name, (value, fixtures)) for name, value in map(_named, values)), check)

        signature = inspect.signature(function)
        rest = [one for name, one in signature.parameters.items() if name not in keys]
        tried.__signature__ = signature.replace(parameters=rest)  # type: ignore[attr-defined]
        return tried

    return decorate
