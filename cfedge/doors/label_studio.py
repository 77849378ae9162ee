"""Label Studio's JSON export: tasks with ``data`` and ``annotations``; and its JSON-MIN, whose choice
may be an object.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cfedge.doors.answers import answered
from cfedge.kinds import DEFAULT_KIND, KINDS

__all__ = ["NAME", "cells", "recognises"]

NAME = "Label Studio"


def recognises(row: Mapping[str, Any]) -> bool:
    """Whether a row is a task of an export, or of JSON-MIN with several choices."""
    return (isinstance(row.get("data"), dict) and _annotations(row) is not None) or any(
        isinstance(value, dict) and isinstance(value.get("choices"), list) for value in row.values()
    )


def cells(row: Mapping[str, Any], columns: tuple[str, ...]) -> dict[str, Any] | None:
    """Return a task's data, and under ``label`` what its annotators agree on: None where nobody
    chose, a list where it is several; None for a task that was skipped.
    """
    annotations = _annotations(row)
    if annotations is None:  # JSON-MIN
        return {name: _plain(value) for name, value in row.items()}
    if annotations and all(one.get("was_cancelled") for one in annotations):
        return None
    answers: dict[str, list[Any]] = {}
    for one in annotations:
        if not one.get("was_cancelled"):
            results = one.get("result")
            for result in results if isinstance(results, list) else ():
                if isinstance(result, dict) and (values := _answer(result.get("value"))):
                    question = str(result.get("from_name", "label"))
                    answers.setdefault(question, []).extend(values)
    found = dict(row["data"])
    others = KINDS.keys() - {DEFAULT_KIND}  # under whose names such data are called
    words = [one for name, one in found.items() if isinstance(one, str) and name not in others]
    if columns[0] not in found and len(words) == 1:
        found[columns[0]] = words[0]
    return {**({} if answers else {"label": None}), **found, **answered(answers)}


def _answer(value: Any) -> list[Any]:
    """Return what was chosen: choices, a rating, or paths in a tree of classes."""
    if not isinstance(value, dict):
        return []
    if isinstance(value.get("rating"), int | float):
        return [value["rating"]]
    paths = value.get("taxonomy")
    if isinstance(paths, list):
        return ["/".join(map(str, path)) for path in paths if isinstance(path, list)]
    choices = value.get("choices")
    return [str(choice) for choice in choices] if isinstance(choices, list) else []


def _annotations(row: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    found = row.get("annotations", row.get("completions"))
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        return None
    return found


def _plain(value: Any) -> Any:
    choices = value.get("choices") if isinstance(value, dict) else None
    if not isinstance(choices, list):
        return value
    return choices[0] if len(choices) == 1 else choices
