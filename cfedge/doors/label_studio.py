"""Label Studio's JSON export: tasks with ``data`` and ``annotations``; and its JSON-MIN, whose choice
may be an object.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
    chosen: list[str] = []
    for one in annotations:
        if not one.get("was_cancelled"):
            for result in one.get("result", ()):
                value = result.get("value", {}) if isinstance(result, dict) else {}
                chosen += [str(choice) for choice in value.get("choices", ())]
    label = list(dict.fromkeys(chosen))
    found = dict(row["data"])
    words = [value for value in found.values() if isinstance(value, str)]
    if columns[0] not in found and len(words) == 1:
        found[columns[0]] = words[0]
    return {**found, "label": label[0] if len(label) == 1 else label or None}


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
