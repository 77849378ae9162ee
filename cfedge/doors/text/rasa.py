"""Rasa's training data in YAML: intents with examples. Entities that are marked in a text are taken
for their words.

Every scalar is taken as the text it is: an intent ``no`` is no truth value. An alias is refused: a
few lines of them can stand for more than any memory holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cfedge.doors.encoding import whole
from cfedge.doors.reading import LIMITS, Reading, Record, Sheet, check_size, needed
from cfedge.errors import DataError

__all__ = ["sheet"]

#: [words](entity) or [words]{"entity": ...}
_ENTITY = re.compile(r"\[([^\]]*)\](?:\([^)]*\)|\{[^}]*\})")


def sheet(path: Path, reading: Reading) -> Sheet:
    """Open a file.

    Raises
    ------
    DataError
        It is no YAML, has an alias, or no list ``nlu``.
    MissingExtraError
        PyYAML is not installed.
    """
    yaml = needed("yaml", path)
    check_size(path, LIMITS.yaml_bytes, "split it into several files")
    text = whole(path, reading)
    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    try:
        for event in yaml.parse(text, Loader=loader):
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                raise DataError(
                    f"{path}, line {event.start_mark.line + 1}: expected plain values, found a YAML"
                    f" anchor or alias {event.anchor!r}; write the value itself"
                )
        root = yaml.compose(text, Loader=loader)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        reason = getattr(error, "problem", None) or type(error).__name__
        raise DataError(f"{path}{line}: expected YAML, found: {reason}; write it again") from error
    entries = _fields(root).get("nlu")
    others = sorted(_fields(root).keys() & {"stories", "rules", "intents", "responses"})
    if entries is None and others:
        raise DataError(
            f"{path}: expected Rasa's training data with a list 'nlu', found its {others[0]}; give the"
            " file with the examples, often data/nlu.yml"
        )
    if entries is None or not isinstance(entries.value, list):
        raise DataError(
            f"{path}: expected Rasa's training data with a list 'nlu', found none; save it as CSV"
            " with the columns text and label"
        )
    reading.note(f"{path.name} was read as training data of Rasa")
    return Sheet(("text", "label"), _rows(entries.value))


def _fields(node: Any) -> dict[str, Any]:
    """Return the values of a mapping, by key; nothing for another node."""
    if node is None or node.id != "mapping":
        return {}
    return {str(key.value): value for key, value in node.value if key.id == "scalar"}


def _rows(entries: list[Any]) -> Iterator[Record]:
    for entry in entries:
        fields = _fields(entry)
        intent, examples = fields.get("intent"), fields.get("examples")
        if intent is None:
            continue  # a synonym, a lookup table, a regex
        if examples is None or examples.id == "mapping":
            line = entry.start_mark.line + 1
            yield Record(line, {}, "expected examples of the intent, found none; add some")
        elif examples.id == "scalar":
            yield from _of_block(examples, intent.value)
        else:
            for example in examples.value:
                text = _fields(example).get("text", example)
                value = text.value if text.id == "scalar" else ""
                yield _record(text.start_mark.line, value, intent.value)


def _of_block(examples: Any, intent: str) -> Iterator[Record]:
    """A text of lines, each of which begins with a dash."""
    # "|" stands on the line before its first one
    first = examples.start_mark.line + (examples.style in ("|", ">"))
    for number, line in enumerate(examples.value.split("\n")):
        if line.strip():
            yield _record(first + number, line, intent)


def _record(line: int, text: str, intent: str) -> Record:
    plain = _ENTITY.sub(r"\1", text.strip().removeprefix("-").strip())
    return Record(line + 1, {"text": plain, "label": intent})
