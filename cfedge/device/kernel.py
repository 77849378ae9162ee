"""Files of the kernel under ``/proc`` and ``/sys``, and the numbers in them: None for what cannot be
read or is absurd, never a guess.
"""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["core_count", "kib", "number", "read", "whole"]

#: Files of the kernel are small; what is longer is none.
_MAX_CHARS = 4_000_000


def read(path: Path) -> str | None:
    """Return what a file holds; None where it is absent or closed to us."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(_MAX_CHARS)
    except OSError:
        return None


def whole(content: str | None) -> int | None:
    """Return a whole number >= 0."""
    return (
        int(content)
        if content is not None and re.fullmatch(r"\s*[0-9]{1,20}\s*", content)
        else None
    )


def kib(content: str | None) -> int | None:
    """Return the bytes of a number of KiB."""
    value = whole(content)
    return None if value is None else value * 1024


def number(content: str | None) -> float | None:
    """Return a decimal number >= 0."""
    pattern = r"\s*[0-9]{1,12}(\.[0-9]{1,12})?\s*"
    return float(content) if content is not None and re.fullmatch(pattern, content) else None


def core_count(content: str | None) -> int | None:
    """Count the cores of a list such as ``0-3,6``."""
    pattern = r"[0-9]{1,4}(-[0-9]{1,4})?(,[0-9]{1,4}(-[0-9]{1,4})?)*"
    if content is None or not re.fullmatch(pattern, content.strip()):
        return None
    spans = (part.partition("-") for part in content.strip().split(","))
    return sum(max(0, int(last or first) - int(first) + 1) for first, _, last in spans) or None
