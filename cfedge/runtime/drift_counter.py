"""Count hits among inputs, and bet against their rate being at most what it was bounded by. Pure.

Inputs are taken in blocks of `BLOCK`; within a block of n inputs with k hits, for a bound p0 and
the rates p of a grid above it, E = mean over p of (p / p0)^k ((1 - p) / (1 - p0))^(n - k) is a
supermartingale that begins at 1 wherever the true rate is at most p0. By Ville's inequality E ever
reaches 1 / a with probability at most a. Of a counter that may spend a in all, block j may spend a
/ (j (j + 1)).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

__all__ = ["BLOCK", "Counter", "evidence_against"]

#: Inputs after which a counter begins anew, so that a long good past does not hide a change.
BLOCK = 500
_GRID = 16


@dataclass
class Counter:
    """Hits among inputs, whose rate is at most `bound` while nothing changed.

    Attributes
    ----------
    bound
        p0, in (0, 1].
    inputs, hits
        Of all blocks.
    block, block_inputs, block_hits
        Of the block that is on, counted from 1.
    alarmed
        The number of inputs at the first alarm, None where there was none.
    """

    bound: float
    inputs: int = 0
    hits: int = 0
    block: int = 1
    block_inputs: int = 0
    block_hits: int = 0
    alarmed: int | None = None

    def see(self, hit: bool, alpha: float) -> bool:
        """Count one input; return whether this raises the first alarm of a counter that may spend
        `alpha`.
        """
        if self.block_inputs == BLOCK:
            self.block, self.block_inputs, self.block_hits = self.block + 1, 0, 0
        self.inputs, self.hits = self.inputs + 1, self.hits + hit
        self.block_inputs, self.block_hits = self.block_inputs + 1, self.block_hits + hit
        spent = alpha / (self.block * (self.block + 1))
        if self.alarmed is None and evidence_against(
            self.bound, self.block_inputs, self.block_hits
        ) >= -math.log(spent):
            self.alarmed = self.inputs
            return True
        return False


def evidence_against(bound: float, inputs: int, hits: int) -> float:
    """Return log E of a block: the logarithm of a bet against a rate of at most `bound`."""
    if bound >= 1 or not inputs:
        return 0.0
    logs = [hits * hit + (inputs - hits) * miss for hit, miss in _bets(bound)]
    most = max(logs)
    return most + math.log(math.fsum(math.exp(log - most) for log in logs) / _GRID)


@lru_cache
def _bets(bound: float) -> tuple[tuple[float, float], ...]:
    """log(p / p0) and log((1 - p) / (1 - p0)) of the grid's rates."""
    rates = [bound + (1 - bound) * step / (_GRID + 1) for step in range(1, _GRID + 1)]
    return tuple((math.log(rate / bound), math.log((1 - rate) / (1 - bound))) for rate in rates)
