"""What is kept: one input, its state, counts of answers, and the limits of all of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cfedge.inputs.modality import Input

__all__ = ["Counted", "Kept", "Limits", "Marked", "STATES"]

#: Of an input: nobody decided; it has a label; it is none to learn from; a task learned from it.
STATES = ("waiting", "labelled", "aside", "taught")


@dataclass(frozen=True)
class Limits:
    """Of one folder.

    Attributes
    ----------
    size_bytes
        Of all sealed inputs; the oldest go where there are more.
    inputs
        Kept at once.
    input_bytes
        Of one; a larger one is not kept.
    minutes
        That counts are kept for: a week.
    busy_s
        How long a writer waits for another.
    """

    size_bytes: int = 64_000_000
    inputs: int = 100_000
    input_bytes: int = 1 << 20
    minutes: int = 7 * 24 * 60
    busy_s: float = 5.0


@dataclass(frozen=True)
class Kept:
    """One kept input.

    Attributes
    ----------
    number
        Grows with time.
    at
        Seconds since 1970.
    value
        The input, as its kind reads it.
    answer
        What was answered, as JSON types, with the ``reason`` that it was kept for.
    label
        That a person gave it; None: none yet.
    """

    number: int
    at: float
    value: Input
    answer: dict[str, Any]
    label: str | None


@dataclass(frozen=True)
class Marked:
    """State and label of one input, as a person left them."""

    number: int
    state: str
    label: str | None = None


@dataclass(frozen=True)
class Counted:
    """Answers of one task within one minute (minutes since 1970), how many of them were unknown,
    and how many had a thin margin.
    """

    minute: int
    task: str
    answers: int
    unknown: int
    thin: int
