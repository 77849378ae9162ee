"""How often something is asked for again that did not come, and how long to wait before."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["Patience"]

#: Attempts in a row that bring nothing, and the first wait between them, doubled each time, and
#: drawn from half to whole.
_ATTEMPTS, _WAIT_S = 3, 0.5


@dataclass(frozen=True)
class Patience:
    """What one sync has of it.

    Attributes
    ----------
    deadline_s
        On the clock `now_s`: nothing is asked for after it.
    now_s, wait
        The clock, and how to wait.
    """

    deadline_s: float
    now_s: Callable[[], float] = time.monotonic
    wait: Callable[[float], None] = time.sleep
    _jitter: random.Random = field(default_factory=random.Random)

    @property
    def left_s(self) -> float:
        """Until the deadline."""
        return self.deadline_s - self.now_s()

    def again(self, idle: int) -> bool:
        """Wait, and say whether to ask again after `idle` attempts in a row that brought nothing."""
        if idle >= _ATTEMPTS or not self.left_s >= 0:
            return False
        pause_s = _WAIT_S * 2**idle * self._jitter.uniform(0.5, 1.0)
        self.wait(max(0.0, min(pause_s, self.left_s)))
        return True
