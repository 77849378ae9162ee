"""Below which margin does the lookup look closer? Plain values: a manifest, a channel's index and a
rollout carry them, the router obeys them.

How they are chosen is `cfedge.train.margins`'s.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Margins", "TAIL_SHARE"]

#: Of held-out inputs, those that may be run through the frozen tail: the least that costs less than
#: a thousandth of them their task, in the mean of six sets of tasks
#: (docs/decisions/0040-cost-of-an-answer.md).
TAIL_SHARE = 0.15


@dataclass(frozen=True)
class Margins:
    """Two margins of the lookup, in nats, each >= 0; 0: never. And what they were chosen to keep.

    Attributes
    ----------
    second
        An input whose margin after the first stage is below it gets the second stage.
    third
        An input whose margin after the second stage is below it gets the third.
    tail_share
        Of held-out inputs at most so many get the third stage, in [0, 1]: it runs the frozen tail.
    """

    second: float = 0.0
    third: float = 0.0
    tail_share: float = 1.0
