"""Chats with a model, as services take them to train one: what a person said is the input, what the
model answered is the label. One question and one answer each; what the system was told is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["NAME", "cells", "recognises"]

NAME = "chats with a model"
#: Under which name a row holds its turns, a turn says whose it is, and holds its words.
_FORMS = (
    ("messages", "role", "content"),
    ("conversations", "from", "value"),
    ("contents", "role", "parts"),
)
_PERSON = ("user", "human")
_MODEL = ("assistant", "model", "gpt")


def recognises(row: Mapping[str, Any]) -> bool:
    """Whether a row holds turns of a person and a model."""
    return _form(row) is not None


def cells(row: Mapping[str, Any], columns: tuple[str, ...]) -> dict[str, Any] | None:
    """Return what was said and what was answered: each a list where it is several, and none where
    nothing is.
    """
    form = _form(row)
    assert form is not None
    turns, who, words = form
    said: dict[str, list[str]] = {"text": [], "label": []}
    for turn in row[turns]:
        name = "text" if turn[who] in _PERSON else "label" if turn[who] in _MODEL else None
        if name is not None:
            said[name].append(_words(turn.get(words)))
    rest = {name: value for name, value in row.items() if name != turns}
    return rest | {name: one[0] if len(one) == 1 else one or None for name, one in said.items()}


def _form(row: Mapping[str, Any]) -> tuple[str, str, str] | None:
    for turns, who, words in _FORMS:
        found = row.get(turns)
        if (
            isinstance(found, list)
            and found
            and all(isinstance(turn, dict) and isinstance(turn.get(who), str) for turn in found)
        ):
            return turns, who, words
    return None


def _words(content: Any) -> str:
    """Return a turn's words, of which some services make several parts."""
    if isinstance(content, list):
        return "".join(_words(part.get("text")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""
