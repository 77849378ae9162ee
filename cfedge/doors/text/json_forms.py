"""What JSON of chat robots and of tutorials looks like: intents with their texts -> rows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cfedge.doors.columns import same
from cfedge.doors.reading import Reading

__all__ = ["rows_of"]


#: Where intents hold their texts.
_TEXTS = ("patterns", "examples", "utterances")


def rows_of(value: Mapping[str, Any], path: Path, reading: Reading) -> list[Any] | None:
    """Return the rows of an object of one of these forms; None of another one."""
    rasa = value.get("rasa_nlu_data")
    if isinstance(rasa, dict) and isinstance(rasa.get("common_examples"), list):
        return [_of_rasa(row) for row in rasa["common_examples"]]
    if isinstance(value.get("intents"), list) and any(map(_has_texts, value["intents"])):
        return _of_intents(value["intents"])
    if _are_lists_of_texts(value, reading):
        reading.note(f"{path.name} was read as one list of texts for each label")
        return [{"text": text, "label": label} for label, texts in value.items() for text in texts]
    return None


def _has_texts(intent: Any) -> bool:
    return not isinstance(intent, dict) or any(name in intent for name in _TEXTS)


def _of_rasa(row: Any) -> Any:
    return {"text": row.get("text"), "label": row.get("intent")} if isinstance(row, dict) else row


def _of_intents(intents: list[Any]) -> list[Any]:
    """Rows of the form that tutorials of chat robots use: a tag with its patterns."""
    rows: list[Any] = []
    for intent in intents:
        if not isinstance(intent, dict):
            rows.append(intent)
            continue
        label = intent.get("tag", intent.get("intent", intent.get("name")))
        texts = next((intent[name] for name in _TEXTS if name in intent), None)
        each = texts if isinstance(texts, list) else [texts]
        rows += [{"text": text, "label": label} for text in each]
    return rows


def _are_lists_of_texts(value: Mapping[str, Any], reading: Reading) -> bool:
    """Whether an object holds a list of texts for each label, and no columns that are asked for."""
    named = {same(name) for name in value} & {same(name) for name in reading.columns}
    return (
        len(value) > 1
        and not named
        and all(isinstance(texts, list) and texts for texts in value.values())
        and all(isinstance(text, str) for texts in value.values() for text in texts)
    )
