"""Count hits among inputs, and bet against their rate being at most what it was bounded by. Pure.

Inputs are taken in blocks of `BLOCK`; within a block of n inputs with k hits, for a bound p0 and
the rates p of a grid above it, E = mean over p of (p / p0)^k ((1 - p) / (1 - p0))^(n - k) is a
supermartingale that begins at 1 wherever the true rate is at most p0. By Ville's inequality E ever
reaches 1 / a with probability at most a. Of a counter that may spend a in all, block j may spend a
/ (j (j + 1)).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

__all__ = ["BLOCK", "Counter", "STEP", "evidence_against", "pressure"]

#: Inputs after which a counter begins anew, so that a long good past does not hide a change.
BLOCK = 500
#: Inputs after which a counter remembers its hits, so that a curve can be drawn; and how many such
#: steps it remembers: 30,000 inputs.
STEP = 100
_STEPS = 300
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
    past
        Hits of each `STEP` of inputs, the latest last; of the oldest whole blocks are forgotten.
    step_hits
        Of the step that is on.
    """

    bound: float
    inputs: int = 0
    hits: int = 0
    block: int = 1
    block_inputs: int = 0
    block_hits: int = 0
    alarmed: int | None = None
    past: tuple[int, ...] = ()
    step_hits: int = 0

    def see(self, hit: bool, alpha: float) -> bool:
        """Count one input; return whether this raises the first alarm of a counter that may spend
        `alpha`.
        """
        if self.block_inputs == BLOCK:
            self.block, self.block_inputs, self.block_hits = self.block + 1, 0, 0
        self.inputs, self.hits = self.inputs + 1, self.hits + hit
        self.block_inputs, self.block_hits = self.block_inputs + 1, self.block_hits + hit
        self.step_hits += hit
        if self.inputs % STEP == 0:
            forgotten = BLOCK // STEP if len(self.past) == _STEPS else 0
            self.past, self.step_hits = (*self.past[forgotten:], self.step_hits), 0
        spent = alpha / (self.block * (self.block + 1))
        if self.alarmed is not None or not hit:  # without a hit the evidence falls
            return False
        evidence = evidence_against(self.bound, self.block_inputs, self.block_hits)
        if evidence >= -math.log(spent):
            self.alarmed = self.inputs
            return True
        return False

    def curve(self, alpha: float) -> list[tuple[int, float]]:
        """Return after how many inputs how near an alarm of a counter that may spend `alpha` was
        (`pressure`), for every step that is remembered and the inputs since.
        """
        since = self.inputs % STEP
        first = self.inputs - since - STEP * len(self.past)
        steps = [(STEP, hits) for hits in self.past] + [(since, self.step_hits)] * bool(since)
        found, at = [], first
        for (inputs, _), near in zip(
            steps, pressure(steps, self.bound, alpha, first // BLOCK + 1), strict=True
        ):
            at += inputs
            found.append((at, near))
        return found


def pressure(
    steps: Iterable[tuple[int, int]], bound: float, alpha: float, block: int = 1
) -> list[float]:
    """Return how near an alarm is after each step, a number of inputs and of hits among them: log E
    of the block so far over the logarithm that raises one, at least 0; 1 raises it.

    Whoever looks after steps alone looks more seldom, so the probability that any value ever reaches
    1 while nothing changed is at most `alpha` too.

    Parameters
    ----------
    bound
        p0, in (0, 1].
    block
        The number of the first one; another begins where one has `BLOCK` inputs or more.
    """
    found, seen, hits = [], 0, 0
    for more, hit in steps:
        if seen >= BLOCK:
            block, seen, hits = block + 1, 0, 0
        seen, hits = seen + more, hits + hit
        limit = -math.log(alpha / (block * (block + 1)))
        found.append(max(0.0, evidence_against(bound, seen, hits) / limit))
    return found


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
