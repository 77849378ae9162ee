"""What a long step tells whoever waits: a title, a total, and steps done. Showing it is for the
command line.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

__all__ = ["Progress", "Quiet"]


class Progress(Protocol):
    """A listener."""

    def track(self, title: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
        """Begin a stage of `total` steps; the value called with n adds n steps."""


class Quiet:
    """Tells nobody."""

    def track(self, title: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
        """Do nothing."""
        return nullcontext(lambda steps: None)
