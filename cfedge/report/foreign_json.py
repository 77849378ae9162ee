"""JSON of files that come from elsewhere, for a page that must be written as UTF-8."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["foreign_json"]


def foreign_json(data: bytes) -> Any:
    """Read JSON.

    Raises
    ------
    ValueError
        It is none; or it holds a number that is none, or half of a surrogate pair, which JSON can
        escape and no file of UTF-8 can hold.
    """
    value = json.loads(data, parse_constant=_no_number)
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        half = error.object[error.start]
        raise ValueError(f"half of a surrogate pair, {half!a}, which is no letter") from error
    return value


def _no_number(name: str) -> None:
    raise ValueError(f"{name}, which is no JSON")
