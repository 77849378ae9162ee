"""A request's body -> the texts that are asked about. Pure."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from cfedge.errors import InputError, UsageError
from cfedge.serve.limits import Limits

__all__ = ["Question", "read_question"]

_EXPECTED = 'expected {"text": "..."} or {"texts": ["...", ...]}, and "task" where it is known'


class Question(NamedTuple):
    """Texts, the task where it is known, and whether one text was asked about by itself."""

    texts: list[str]
    task: str | None
    single: bool


def read_question(body: bytes, limits: Limits) -> Question:
    """Read a JSON body.

    Raises
    ------
    UsageError
        It is no such JSON.
    InputError
        It is, and asks for too much; what a text must be else is for the engine.
    """
    try:
        found = json.loads(
            body.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant
        )
    except (ValueError, RecursionError) as error:  # also of bytes that are not UTF-8
        raise UsageError(f"body: {_EXPECTED}, found no JSON: {error}") from error
    if not isinstance(found, dict):
        raise UsageError(f"body: {_EXPECTED}, found {_kind(found)}")
    if odd := sorted(set(found) - {"text", "texts", "task"}):
        raise UsageError(f"body: {_EXPECTED}, found the key {odd[0][:40]!r}")
    task = found.get("task")
    if not (task is None or isinstance(task, str)):
        raise UsageError(f"task: expected a name, found {_kind(task)}")
    if ("text" in found) == ("texts" in found):
        raise UsageError(
            f"body: {_EXPECTED}, found {'both' if 'text' in found else 'neither'} of text and texts"
        )
    single = "text" in found
    texts = [found["text"]] if single else found["texts"]
    if not isinstance(texts, list):
        raise UsageError(f"texts: expected an array of texts, found {_kind(texts)}")
    if len(texts) > limits.texts:
        raise InputError(
            f"texts: expected at most {limits.texts} in one request, found {len(texts)}; ask in"
            " several"
        )
    for position, text in enumerate(texts):
        if not isinstance(text, str):
            raise UsageError(f"input {position}: expected a text, found {_kind(text)}")
        if len(text) > limits.characters:
            raise InputError(
                f"input {position}: expected at most {limits.characters} characters, found"
                f" {len(text)}; the encoder reads far fewer: cut it"
            )
    return Question(texts, task, single)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key that comes twice")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name}, which is no JSON")


def _kind(value: object) -> str:
    names: dict[type, str] = {
        dict: "an object",
        list: "an array",
        str: "a text",
        bool: "a truth value",
        type(None): "null",
    }
    return names.get(type(value), "a number")
