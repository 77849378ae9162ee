"""Argilla's records as JSON: ``fields``, and answers under ``responses``, or all of it flat, with
``QUESTION.responses``; suggestions are no answers. Its first records hold one ``annotation``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cfedge.doors.answers import answered

__all__ = ["NAME", "cells", "recognises"]

NAME = "Argilla"
_FLAT = ".responses"


def recognises(row: Mapping[str, Any]) -> bool:
    """Whether a row is a record with its fields and responses."""
    whole = isinstance(row.get("fields"), dict) and isinstance(row.get("responses"), dict | list)
    return whole or _is_first(row) or any(name.endswith(_FLAT) for name in row)


def cells(row: Mapping[str, Any], columns: tuple[str, ...]) -> dict[str, Any] | None:
    """Return a record's fields, and of each question what those who answered agree on: None where
    nobody did, a list where it is several; None for a record that all of them discarded.
    """
    if _is_first(row):
        return _of_first(row)
    if not isinstance(row.get("fields"), dict):
        row = _whole(row)
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
    return {**({} if answers else {"label": None}), **row["fields"], **answered(answers)}


def _is_first(row: Mapping[str, Any]) -> bool:
    """Whether a row is a record of before there were questions."""
    return {"annotation", "annotation_agent", "status"} <= row.keys()


def _of_first(row: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return such a record's inputs and its annotation; None where it was discarded."""
    if row["status"] == "Discarded":
        return None
    inputs = row.get("inputs")
    found = inputs if isinstance(inputs, dict) else {}
    return {**row, **found, "label": row["annotation"]}


def _whole(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a flat record as one with its fields and responses."""
    responses: dict[str, list[dict[str, Any]]] = {}
    for name in row:
        if name.endswith(_FLAT):
            question = name.removesuffix(_FLAT)
            given, states = row[name], row.get(f"{name}.status")
            values = given if isinstance(given, list) else [] if given is None else [given]
            states = states if isinstance(states, list) else []
            states = [*states, *["submitted"] * (len(values) - len(states))]
            responses[question] = [
                {"value": value, "status": state}
                for value, state in zip(values, states, strict=False)
            ]
    own = tuple(f"{question}." for question in responses)
    return {"fields": {name: one for name, one in row.items() if not name.startswith(own)},
            "responses": responses}  # fmt: skip


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
