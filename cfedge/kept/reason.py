"""Which answers are worth a person's look: what was not known, and what was found thin. Pure."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Answered", "REASONS", "reason_of"]

#: Why an input is kept, the most telling first.
REASONS = ("unknown", "thin margin", "unsure label")
#: That task and label are right: below it a person should look.
_SURE = 0.5


class Answered(Protocol):
    """What is asked of a prediction."""

    @property
    def unknown(self) -> bool:
        """Whether it belongs to no task."""

    @property
    def stages(self) -> int:
        """How often the lookup looked: three where the margin stayed thin."""

    @property
    def probability(self) -> float:
        """That task and label are right."""


def reason_of(answer: Answered) -> str | None:
    """Return why an input should be kept; None: it was known, and clear.

    It is kept where it is unknown; where the lookup still found two tasks close after its last
    stage; or where no answer is more likely than all others together.
    """
    if answer.unknown:
        return REASONS[0]
    if answer.stages > 2:
        return REASONS[1]
    return REASONS[2] if answer.probability < _SURE else None
