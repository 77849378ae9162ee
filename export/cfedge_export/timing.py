"""Sessions timed beside each other, in random order: ratios that a busy machine moves little."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from cfedge_export.source import Feeds

__all__ = ["ROUNDS", "time_ratios"]

#: One input each.
ROUNDS = 40


def time_ratios(
    sessions: Mapping[str, Any],
    against: str,
    feeds: Sequence[Feeds],
    *,
    rng: np.random.Generator,
    advance: Callable[[int], None] = lambda steps: None,
) -> dict[str, float]:
    """Return each session's time over that of the session `against`: the median over `ROUNDS`
    inputs, one at a time.
    """
    times: dict[str, list[float]] = {name: [] for name in sessions}
    for round_ in range(ROUNDS):
        for name in rng.permutation(list(sessions)):
            start = time.perf_counter()
            sessions[name].run(None, dict(feeds[round_ % len(feeds)]))
            times[name].append(time.perf_counter() - start)
        advance(1)
    return {
        name: float(np.median(np.array(found) / np.array(times[against])))
        for name, found in times.items()
    }
