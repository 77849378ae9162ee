"""spaCy's JSON for text categories (``cats``), and Prodigy's, which trains it (``accept``,
``answer``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["NAME", "cells", "recognises"]

NAME = "spaCy or Prodigy"
#: A category's score from which on a text is of it.
_IS = 0.5


def recognises(row: Mapping[str, Any]) -> bool:
    """Whether a row has categories, or an annotator's answer."""
    return isinstance(row.get("text"), str) and (
        isinstance(row.get("cats"), dict) or row.get("answer") in ("accept", "reject", "ignore")
    )


def cells(row: Mapping[str, Any], columns: tuple[str, ...]) -> dict[str, Any] | None:
    """Return the text and its label: a list where it is several, None where it has none; None for a
    row that was rejected or ignored.
    """
    if row.get("answer", "accept") != "accept":
        return None
    cats = row.get("cats")
    if isinstance(cats, dict):
        labels: Any = [name for name, score in cats.items() if _is(score)]
    else:
        labels = row.get("accept", row.get("label"))
    if isinstance(labels, list):
        labels = labels[0] if len(labels) == 1 else labels or None
    return {**row, "label": labels}


def _is(score: Any) -> bool:
    return isinstance(score, int | float) and score >= _IS
