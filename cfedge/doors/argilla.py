"""Argilla's records as JSON: ``fields``, and answers under ``responses``; suggestions are no answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["NAME", "cells", "recognises"]

NAME = "Argilla"


def recognises(row: Mapping[str, Any]) -> bool:
    """Whether a row is a record with its fields and responses."""
    return isinstance(row.get("fields"), dict) and isinstance(row.get("responses"), dict | list)


def cells(row: Mapping[str, Any], columns: tuple[str, ...]) -> dict[str, Any] | None:
    """Return a record's fields, and of each question what those who answered agree on: None where
    nobody did, a list where it is several; None for a record that all of them discarded.
    """
    answers: dict[str, list[Any]] = {}
    discarded = submitted = 0
    for question, response in _responses(row):
        if response.get("status", "submitted") == "submitted":
            submitted += 1
            value = response.get("value")
            values = value if isinstance(value, list) else [value]
            answers.setdefault(question, []).extend(one for one in values if one is not None)
        else:
            discarded += response.get("status") == "discarded"
    if discarded and not submitted:
        return None
    found = dict(row["fields"])
    for question, values in answers.items():
        distinct = [value for at, value in enumerate(values) if value not in values[:at]]
        found[question] = distinct[0] if len(distinct) == 1 else distinct or None
    if len(answers) == 1 and "label" not in found:
        found["label"] = found[next(iter(answers))]
    return {"label": None, **found}


def _responses(row: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Return question and response: of version 2, by question; of version 1, one a user."""
    found: list[tuple[str, Mapping[str, Any]]] = []
    responses = row["responses"]
    if isinstance(responses, dict):
        for question, given in responses.items():
            found += [(question, one) for one in given or () if isinstance(one, dict)]
        return found
    for one in responses:
        values = one.get("values") if isinstance(one, dict) else None
        for question, value in (values or {}).items():
            if isinstance(value, dict):
                found.append((question, {**value, "status": one.get("status", "submitted")}))
    return found
