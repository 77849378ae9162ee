"""What annotators answered to the questions of a tool -> cells: one question is the label, of several
each is a column of its own name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["QUESTION", "answered"]

#: Where cells name the question that the label is the answer to: no column of a file.
QUESTION = "\0question"


def answered(answers: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Return of each question what those who answered agree on: None where nobody did, a list where
    it is several.
    """
    found: dict[str, Any] = {}
    for question, values in answers.items():
        distinct = [value for at, value in enumerate(values) if value not in values[:at]]
        found[question] = distinct[0] if len(distinct) == 1 else distinct or None
    if len(found) == 1 and "label" not in found:
        question = next(iter(found))
        found |= {"label": found[question], QUESTION: question}
    return found
